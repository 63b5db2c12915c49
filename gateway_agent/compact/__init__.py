"""Compact batches: what a gateway has to say in few bytes; protocols/spec/telemetry.md is their page."""

from gateway_agent.compact.batch import Decoded, Encoded, UnknownState, UnknownTable, decode_batch, encode_batch
from gateway_agent.compact.state import State
from gateway_agent.compact.table import Channel, ChannelTable

__all__ = [
    "Channel",
    "ChannelTable",
    "Decoded",
    "Encoded",
    "State",
    "UnknownState",
    "UnknownTable",
    "decode_batch",
    "encode_batch",
]
