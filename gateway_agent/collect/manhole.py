"""Acknowledging the alarms of a node's manhole, and letting it learn its cover's angle at rest again."""

from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Fault, NoAnswerError, Read, Write
from gateway_agent.collect.unit import UnitLink
from gateway_agent.records import LampOutcome
from protocols import modbus, node_map

_COMMAND_REGISTERS = node_map.MANHOLE_COMMAND_AUTH_COUNTER - node_map.MANHOLE_COMMAND


class ManholeDialog:
    """The manhole of one node."""

    def __init__(self, link: UnitLink) -> None:
        self._link = link

    async def acknowledge(self, alarms: int, learns: bool) -> LampOutcome:
        """Acknowledge the `alarms`, one bit each (protocols/manhole_codes.py), and read back what still stands.

        `learns`: the cover is closed and at rest, its angle is the background from now on. Never raises for a node that
        does not answer: that is an outcome.
        """
        write = Write(
            self._link.unit, node_map.MANHOLE_COMMAND, _COMMAND_REGISTERS, lambda _end_ms: [alarms, int(learns)]
        )
        read = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.MANHOLE_ALARMS, 1)
        try:
            await self._link.write(write, Urgency.COMMAND)
            (left,) = (await self._link.read(read, Urgency.COMMAND)).registers
        except NoAnswerError as error:
            if error.fault is Fault.EXCEPTION:
                return LampOutcome("refused", None, "the node watches no manhole, or refuses the key of this gateway")
            return LampOutcome("failed", None, f"the node does not answer ({error})")
        still = left & alarms
        detail = f"alarms 0x{still:04x} still stand: their cause is there" if still else "none of these alarms stands"
        return LampOutcome("confirmed", None, detail)
