"""A node's own log, read as file 60003 and told in sentences in the agent's log, each entry once.

The node keeps its last entries as numbers, also over restarts; the sentences are those of protocols/log_names. It is
looked at once a minute, and after each introduction. What the node noted while nobody listened comes with the first
look; an agent that has just started tells all that the node still has.
"""

import logging
from dataclasses import dataclass

from gateway_agent.clock import Clock
from gateway_agent.collect.node_events import s32, u32
from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Read, ReadFile
from gateway_agent.collect.unit import UnitLink
from protocols import log_file, log_names, modbus, node_map

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_MS = 60_000
_HEAD_REGISTERS = log_file.HEAD_BYTES // 2
_ENTRY_REGISTERS = log_file.ENTRY_BYTES // 2
_ENTRIES_PER_READ = modbus.MAX_READ_FILE_REGISTERS // _ENTRY_REGISTERS


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One entry. `start` is the low half of the number of the node's start, `seconds` are counted from that start."""

    number: int
    start: int
    seconds: int
    code: int
    value: int

    @property
    def sentence(self) -> str:
        """What it says, in words."""
        return log_names.sentence(self.code, self.value)


class NodeLog:
    """Tells what is new in the log of the node `name` at `link`."""

    def __init__(self, link: UnitLink, name: str, clock: Clock) -> None:
        self._link = link
        self._name = name
        self._clock = clock
        self._told = 0
        self._next_ms = 0

    def soon(self) -> None:
        """Look again at the next call of `look`: the node has started, or is back."""
        self._next_ms = 0

    async def look(self) -> None:
        """Once a minute, tell what is new. Raises NoAnswerError when the node does not answer, or has no log."""
        now_ms = self._clock.monotonic_ms()
        if now_ms < self._next_ms:
            return
        self._next_ms = now_ms + _LOOK_EVERY_MS
        newest = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.BOOT_LOG_NEWEST, 2)
        if u32((await self._link.read(newest, Urgency.SLOW)).registers, 0) == self._told:
            return
        for entry in await read_log(self._link, self._told):
            level = logging.WARNING if entry.code in log_names.TROUBLES else logging.INFO
            when = f"start {entry.start}, {entry.seconds} s after it"
            _LOG.log(level, "%s: log %d (%s): %s", self._name, entry.number, when, entry.sentence)
            self._told = entry.number


async def read_log(link: UnitLink, after: int = 0) -> list[LogEntry]:
    """The entries of a node's log with numbers above `after`, oldest first; all of them if its log began anew since.

    Entries that came or went while the log was read are left for the next time. Raises NoAnswerError.
    """
    head = await _read(link, 0, _HEAD_REGISTERS)
    newest, kept, size = u32(head, 0), head[2], head[3]
    if size != log_file.ENTRY_BYTES:
        return []
    first = 0 if newest < after else max(0, kept - (newest - after))
    entries: list[LogEntry] = []
    for at in range(first, kept, _ENTRIES_PER_READ):
        count = min(_ENTRIES_PER_READ, kept - at)
        registers = await _read(link, _HEAD_REGISTERS + at * _ENTRY_REGISTERS, count * _ENTRY_REGISTERS)
        for place in range(count):
            number = newest - kept + 1 + at + place
            entry = registers[place * _ENTRY_REGISTERS : (place + 1) * _ENTRY_REGISTERS]
            if entry[0] != number & 0xFFFF:
                return entries
            entries.append(LogEntry(number, entry[1], u32(entry, 2), entry[4], s32(entry, 5)))
    return entries


async def _read(link: UnitLink, record: int, count: int) -> tuple[int, ...]:
    probe = Read(link.unit, modbus.READ_HOLDING_REGISTERS, node_map.IDENTITY, 1)
    return (await link.read_file(ReadFile(link.unit, log_file.FILE, record, count), probe, Urgency.SLOW)).registers
