"""The journal as the agent sees it: takes readings and events at any time, keeps them safe, hands them to the uplink.

Readings are committed in groups (`commit_s`, `commit_readings`), everything else at once, together with whatever
waits. One thread owns the file; the event loop never waits for the disk. While the disk cannot be written, readings
and the gateway's own events stay in memory, oldest readings are dropped and counted beyond `memory_readings`, and the
journal tries again by itself. Storing never depends on the uplink. docs/journal.md tells what survives what.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from gateway_agent.clock import Clock
from gateway_agent.journal.codec import Record, is_storable, split_poll
from gateway_agent.journal.commands import (
    FINAL_STATES,
    ActingEntry,
    FinishEntry,
    ReceiveEntry,
    StoredCommand,
)
from gateway_agent.journal.committer import Committer
from gateway_agent.journal.entries import AcknowledgeEntry, EventEntry, PollEntry, SetAsideEntry
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Command, CommandResult, Event, Reading

log = logging.getLogger("gatepost.journal")

MEMORY_READINGS = 100_000
"""Readings that are kept in memory while the disk cannot be written: some hours of a pole, some tens of megabytes."""


class Journal:
    """One per agent, used from one event loop.

    `refused_readings` (numbers that cannot be stored) and `damaged_records` count since the start.
    """

    def __init__(
        self, writer: Writer, clock: Clock, commit_s: float, commit_readings: int, memory_readings: int
    ) -> None:
        self.refused_readings = 0
        self.damaged_records = 0
        self._writer = writer
        self._clock = clock
        self._committer = Committer(writer, commit_s, commit_readings, memory_readings, self._report_recovery)

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        commit_s: float = 30,
        commit_readings: int = 64,
        keep_acknowledged: bool = False,
        memory_readings: int = MEMORY_READINGS,
    ) -> Self:
        """Open the journal at `path`, or make a new one. Raises JournalError with what to do about it."""
        return cls(Writer(path, keep_acknowledged), clock, commit_s, commit_readings, memory_readings)

    @property
    def epoch(self) -> int:
        """Random number, 32 bits, made with the file."""
        return self._writer.epoch

    @property
    def depth(self) -> int:
        """Committed records that the platform has not acknowledged."""
        return self._writer.waiting.depth

    @property
    def waiting_readings(self) -> int:
        """Committed readings that the platform has not acknowledged."""
        return self._writer.waiting.readings

    @property
    def committed_readings(self) -> int:
        """Readings committed since the file was made."""
        return self._writer.committed_readings

    def waiting(self, record_class: int) -> int:
        """Committed records of one class that the platform has not acknowledged."""
        return self._writer.waiting.records[record_class]

    def last_sample_ms(self) -> dict[str, int]:
        """For each point the time of its newest committed sample, so that it is not taken again after a restart."""
        return dict(self._writer.last_sample_ms)

    def standing_alarms(self) -> list[tuple[str, str]]:
        """(name, code) of the alarms that stood when the journal was opened, so that they can be cleared."""
        return list(self._writer.standing_alarms)

    @property
    def pending_readings(self) -> int:
        """Readings that were taken and are not yet committed."""
        return self._committer.pending_readings

    @property
    def dropped_readings(self) -> int:
        """Readings that found no room in memory while the disk could not be written, since the start."""
        return self._committer.dropped_readings

    @property
    def trouble(self) -> str | None:
        """Why the disk cannot be written just now, None when all is well."""
        return self._committer.trouble

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` in the event loop after each commit, until what is returned here is called."""
        self._committer.on_commit.append(listener)
        return lambda: self._committer.on_commit.remove(listener)

    def add_readings(self, readings: Sequence[Reading]) -> None:
        """Take the readings of one device poll. They are accepted, and `committed_readings` counts them, after the
        next group commit. Never waits and never fails; a number that cannot be stored is counted and left out."""
        good = [reading for reading in readings if is_storable(reading)]
        if len(good) < len(readings):
            if not self.refused_readings:
                log.warning("%s: a value or name cannot be stored; it is left out", readings[0].point)
            self.refused_readings += len(readings) - len(good)
        if good:
            self._committer.take(PollEntry(tuple(split_poll(good))))

    async def add_event(self, event: Event) -> bool:
        """Store an alarm or event; it is on the disk when this returns. False when its origin was stored before, and
        for what can never be stored: that is logged and given up, so that nobody offers it for ever.

        Raises JournalUnavailable when the disk cannot be written: the gateway's own event is then kept in memory and
        stored later, a node's is not, for the node has it until it is acknowledged.
        """
        try:
            entry = EventEntry(event)
        except ValueError as error:
            log.error("%s: an event cannot be stored and is given up: %s", event.source or event.name, error)
            return False
        if self.trouble is not None and event.origin is None:
            self._committer.take(entry)
        await self._committer.commit(entry)
        return entry.is_new

    async def flush(self) -> None:
        """Commit everything that was taken so far. Raises JournalUnavailable."""
        await self._committer.commit()

    async def close(self) -> None:
        """Commit what is pending and close the file; what cannot be written is lost and said so."""
        try:
            await self.flush()
        except JournalUnavailable as error:
            log.error("%d readings are lost at the end: %s", self.pending_readings, error)
        await self._committer.close()

    async def read(self, record_class: int, limit: int) -> list[Record]:
        """The oldest waiting records of a class, at most `limit`. A damaged record is set aside, counted and reported
        as an event, never handed out. Raises JournalUnavailable."""
        while True:
            records, damaged = await self._committer.in_thread(self._writer.read, record_class, limit)
            if not damaged:
                return records
            self.damaged_records += len(damaged)
            log.error("journal records %s fail their checksum and are set aside", damaged)
            reports = [self._own_event("record-damaged", sequence) for sequence in damaged]
            await self._committer.commit(SetAsideEntry(tuple(damaged)), *reports)

    async def acknowledge(self, sequences: Sequence[int]) -> int:
        """The platform has stored these; returns how many were waiting. Raises JournalUnavailable."""
        entry = AcknowledgeEntry(tuple(sequences))
        await self._committer.commit(entry)
        return entry.count

    async def set_aside(self, sequence: int, code: str) -> None:
        """Never send this record again, and report it as an event with `code`. Raises JournalUnavailable."""
        await self._committer.commit(SetAsideEntry((sequence,)), self._own_event(code, sequence))

    async def receive_command(self, command: Command) -> StoredCommand:
        """Store a command as received, and return what the journal knows of its id. Where it has ended already, its
        result is queued again for the platform. Raises JournalUnavailable."""
        entry = ReceiveEntry(command)
        await self._committer.commit(entry)
        if entry.stored is None:
            raise JournalUnavailable(f"command {command.id} could not be stored")
        return entry.stored

    async def begin_command(self, command_id: str) -> None:
        """Note that the command acts from now on. Raises JournalUnavailable: it must not act then."""
        await self._committer.commit(ActingEntry(command_id))

    async def finish_command(self, result: CommandResult) -> None:
        """Store how a command ended, and queue that for the platform. Raises JournalUnavailable."""
        if result.state not in FINAL_STATES:
            raise ValueError(f"a command ends as one of {', '.join(FINAL_STATES)}, not {result.state}")
        await self._committer.commit(FinishEntry(result))

    async def unfinished_commands(self) -> list[StoredCommand]:
        """Commands without a result, oldest first. Raises JournalUnavailable."""
        return await self._committer.in_thread(self._writer.unfinished_commands)

    def _own_event(self, code: str, value: int) -> EventEntry:
        return EventEntry(Event("journal", "event", code, self._clock.unix_ms(), value=value))

    def _report_recovery(self, dropped: int) -> None:
        self._committer.take(self._own_event("written-again", dropped))
