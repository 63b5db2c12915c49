"""The node's factory identity: who it is and its keys, from the NVS of the ESP32, which the node only reads."""

from node import board, two_copies
from protocols import factory_record


def terminal_code() -> bytes:
    """The terminal's code in the city's ledger; empty where the node was not given one."""
    return _field(factory_record.TERMINAL_CODE) or b""


def node_key() -> "bytes | None":
    """The key that the gateway shares with this node, None where nothing is guarded."""
    return _field(factory_record.NODE_KEY)


def broadcast_key() -> "bytes | None":
    """The key for writes to all nodes of the pole."""
    return _field(factory_record.BROADCAST_KEY)


WHOLE = "whole"
NONE = "none"
BROKEN = "broken"


def state() -> str:
    """Whether the record is WHOLE; NONE where none was given, BROKEN where one was given and there is no whole one.

    Who has lost a key must not be open to all: BROKEN is a record that cannot be read or is not whole, and one that
    is gone while the counters of its key are on the flash.
    """
    try:
        record = _read()
    except OSError:
        return BROKEN
    if record:
        return WHOLE if factory_record.is_whole(record) else BROKEN
    return BROKEN if two_copies.sequence(two_copies.AUTH) else NONE


def _field(kind: int) -> "bytes | None":
    try:
        return factory_record.field(_read(), kind)
    except OSError:
        return None


def _read() -> bytes:
    return board.read_nvs(factory_record.NVS_NAMESPACE, factory_record.NVS_KEY)
