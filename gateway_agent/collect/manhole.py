"""Telling a node that somebody has seen the alarms of its manhole, or that the cover is closed and can be learned."""

from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Fault, NoAnswerError, Write
from gateway_agent.collect.unit import UnitLink
from gateway_agent.records import LampOutcome
from protocols import node_map

_COMMAND_REGISTERS = node_map.MANHOLE_COMMAND_AUTH_COUNTER - node_map.MANHOLE_COMMAND


async def command_manhole(link: UnitLink, acknowledge: int, learn: int) -> LampOutcome:
    """Acknowledge the alarms of the bit mask, bits of protocols/manhole_codes.py; `learn` 1: learn the cover's angle.

    Both may be written again without harm. Never raises for a node that does not answer: that is an outcome.
    """
    write = Write(link.unit, node_map.MANHOLE_COMMAND, _COMMAND_REGISTERS, lambda _end_ms: [acknowledge, learn])
    try:
        await link.write(write, Urgency.COMMAND)
    except NoAnswerError as error:
        if error.fault is not Fault.EXCEPTION:
            return LampOutcome("failed", None, f"the node does not answer ({error})")
        why = "it watches no manhole, or its cover has no accelerometer to learn, or its key is another"
        return LampOutcome("refused", None, f"the node refuses it: {why}")
    return LampOutcome("confirmed", None, "the node has taken it")
