"""Giving a node its lamp schedule: looking which one it has, sending today's when that is another.

The node is asked once a minute, so a new schedule reaches it within a minute of local midnight, of a restart or of a
change of pole.toml. It is sent as file 60002 and then put into use by its digest (protocols/spec/lamp-schedule.md).
"""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway_agent.clock import Clock
from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Fault, NoAnswerError, Read, Write, WriteFile
from gateway_agent.collect.unit import UnitLink
from gateway_agent.errors import GatepostError
from protocols import lamp_codes, lamp_names, lamp_schedule, modbus, node_map

_LOG = logging.getLogger(__name__)
FILE_NUMBER = 60002
_BLOCK_BYTES = 244
_LOOK_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class LampView:
    """What a node's lamp follows just now: `source` and `faults` as names, `programme` None for none."""

    source: str
    programme: int | None
    override_left_s: int
    days_left: int
    faults: tuple[str, ...]
    digest: int


class ScheduleSender:
    """Keeps one node's schedule up to date. `make` gives the schedule for a unix time in milliseconds.

    `view` is what the node last told, None before that; `problem` why it has not got its schedule, or None.
    """

    def __init__(self, link: UnitLink, name: str, make: Callable[[int], bytes], clock: Clock) -> None:
        self.view: LampView | None = None
        self.problem: str | None = None
        self._link = link
        self._name = name
        self._make = make
        self._clock = clock
        self._next_ms = 0

    async def look(self) -> None:
        """Once a minute, ask the node and send what it lacks. Raises NoAnswerError when it does not answer."""
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + _LOOK_EVERY_MS
        self.view = await self._read()
        if not self._clock.is_trusted:
            self.problem = f"{self._name} gets no lamp schedule: the gateway does not know the time yet"
            return
        try:
            schedule = self._make(self._clock.unix_ms())
        except GatepostError as error:
            self.problem = str(error)
            return
        if self.view.digest != lamp_schedule.digest(schedule):
            await self._send(schedule)
            self.view = await self._read()
        self.problem = None
        if self.view.digest != lamp_schedule.digest(schedule):
            self.problem = f"{self._name} does not take its lamp schedule; update its firmware, or check its key"

    async def _send(self, schedule: bytes) -> None:
        """Write the file and put it into use. A refusal is seen by the digest afterwards."""
        padded = schedule + bytes(len(schedule) % 2)
        digest = lamp_schedule.digest(schedule)
        registers = [digest >> 16, digest & 0xFFFF]
        content = hashlib.sha256(schedule).digest()
        try:
            for at in range(0, len(padded), _BLOCK_BYTES):
                block = WriteFile(self._link.unit, FILE_NUMBER, at // 2, padded[at : at + _BLOCK_BYTES])
                await self._link.write(block, Urgency.SERVICE)
            write = Write(self._link.unit, node_map.SCHEDULE_COMMAND, 2, lambda _end_ms: registers, content)
            await self._link.write(write, Urgency.SERVICE)
        except NoAnswerError as error:
            if error.fault is not Fault.EXCEPTION:
                raise
            _LOG.warning("%s refuses its lamp schedule: %s", self._name, error)
            return
        _LOG.info("%s has a lamp schedule of %d bytes", self._name, len(schedule))

    async def _read(self) -> LampView:
        first, count = node_map.LAMP_SCHEDULE, node_map.LAMP_SCHEDULE_REGISTERS
        read = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, first, count)
        return read_view((await self._link.read(read, Urgency.SERVICE)).registers)


def read_view(registers: Sequence[int]) -> LampView:
    """The view out of the registers of the block lamp schedule."""
    first = node_map.LAMP_SCHEDULE
    source = registers[node_map.LAMP_SCHEDULE_SOURCE - first]
    programme = registers[node_map.LAMP_SCHEDULE_PROGRAMME - first]
    faults = registers[node_map.LAMP_SCHEDULE_FAULTS - first]
    at = node_map.LAMP_SCHEDULE_DIGEST - first
    names = lamp_names.SOURCE_NAMES
    return LampView(
        source=names[source] if source < len(names) else f"source-{source}",
        programme=None if programme == lamp_schedule.NONE else programme,
        override_left_s=registers[node_map.LAMP_SCHEDULE_OVERRIDE_LEFT_S - first],
        days_left=registers[node_map.LAMP_SCHEDULE_DAYS_LEFT - first],
        faults=tuple(lamp_names.FAULT_NAMES[bit] for bit in range(lamp_codes.FAULT_COUNT) if faults >> bit & 1),
        digest=registers[at] << 16 | registers[at + 1],
    )
