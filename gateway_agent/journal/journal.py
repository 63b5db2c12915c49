"""The journal as the agent sees it: takes readings and events at any time, keeps them safe, hands them to the uplink.

Readings are committed in groups (`commit_s`, `commit_readings`), everything else at once, together with whatever
waits. One thread owns the file; the event loop never waits for the disk. While the disk cannot be used everything goes
on in memory, and moves to the disk when that works again. Storing never depends on the uplink. docs/journal.md tells
what survives what.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import apsw

from gateway_agent.clock import Clock
from gateway_agent.journal.codec import Record, is_storable, split_poll
from gateway_agent.journal.commands import (
    FINAL_STATES,
    ActingEntry,
    FinishEntry,
    ReceiveEntry,
    StoredCommand,
    unfinished_commands,
)
from gateway_agent.journal.committer import Committer
from gateway_agent.journal.contents import new_epoch
from gateway_agent.journal.entries import (
    AcknowledgeEntry,
    AskedEntry,
    CorrectionEntry,
    EpochEntry,
    EraEntry,
    EventEntry,
    PollEntry,
    SendingEntry,
    SetAsideEntry,
)
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.journal.store import Entry
from gateway_agent.journal.thinner import Budget, ThinEntry
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Command, CommandResult, Era, Event, Reading

log = logging.getLogger("gatepost.journal")

BUDGET = Budget(disk_bytes=256 << 20)
"""What a journal may hold where nobody says anything else."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class EventStored:
    """`is_new`: it was not in before. `is_safe`: it is on the disk, so that nobody else need keep it."""

    is_new: bool
    is_safe: bool


class Journal:
    """One per agent, used from one event loop.

    `refused_readings` (numbers that cannot be stored) and `damaged_records` count since the start. `era` is the number
    of the clock's era, which what is taken from now on is marked with; 0 while the clock is beyond doubt.
    """

    def __init__(
        self, writer: Writer, clock: Clock, commit_s: float = 30, commit_readings: int = 64, budget: Budget = BUDGET
    ) -> None:
        self.refused_readings = 0
        self.damaged_records = 0
        self.era = 0
        self._writer = writer
        self._clock = clock
        self._standing = writer.contents.standing_alarms()
        self._committer = Committer(writer, commit_s, commit_readings, budget, clock.unix_ms, self._report_recovery)

    @classmethod
    def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        commit_s: float = 30,
        commit_readings: int = 64,
        keep_acknowledged: bool = False,
        budget: Budget = BUDGET,
        vfs: str | None = None,
    ) -> Self:
        """Open the journal at `path`, or make a new one; salvage it where it is damaged.

        Without its disk it begins in memory. Raises JournalError, with what to do, for what somebody must set right.
        """
        writer = Writer(path, keep_acknowledged, vfs=vfs, now_ms=clock.unix_ms)
        return cls(writer, clock, commit_s, commit_readings, budget)

    @property
    def epoch(self) -> int:
        """Random number, 32 bits, of the records that come next."""
        return self._writer.contents.epoch

    @property
    def unasked_from(self) -> int:
        """The first sequence that was given since the platform was last asked what it has, in this run or before."""
        return self._writer.unasked_from

    @property
    def last_sequence(self) -> int:
        """The highest sequence that was ever given."""
        return self._writer.contents.last_sequence

    @property
    def first_waiting(self) -> int:
        """The lowest sequence that has not left; where nothing waits, the next that will be given."""
        first, last = next(iter(self._writer.contents.gone), (0, 0))
        return last + 1 if first == 1 else 1

    def epoch_of(self, sequence: int) -> int:
        """The epoch of a sequence: 32 bits."""
        return self._writer.contents.epoch_of(sequence)

    @property
    def missing(self) -> Sequence[tuple[int, int]]:
        """Ranges of sequences that were found missing since the start; each is reported as an event too."""
        return self._writer.missing

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

    @property
    def thinned_records(self) -> int:
        """Records that were thinned since the start."""
        return self._committer.thinned_records

    def waiting(self, record_class: int) -> int:
        """Committed records of one class that can be read now and that the platform has not acknowledged."""
        return self._writer.contents.waiting.records[record_class]

    def last_sample_ms(self) -> dict[str, int]:
        """For each point the time of its newest committed sample, so that it is not taken again after a restart."""
        return self._writer.contents.last_sample_ms()

    def standing_alarms(self) -> list[tuple[str, str]]:
        """(name, code) of the alarms that stood when the journal was opened, so that they can be cleared."""
        return list(self._standing)

    @property
    def pending_readings(self) -> int:
        """Readings that were taken and are not yet committed."""
        return self._committer.pending_readings

    @property
    def trouble(self) -> str | None:
        """Why the disk cannot be used just now, None when all is well."""
        return self._writer.trouble

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
            self._committer.take(PollEntry(tuple(split_poll(good)), self.era))

    async def add_event(self, event: Event) -> EventStored:
        """Store an alarm or event; it is on the disk when this returns, or in memory while there is none.

        What can never be stored is logged and given up, so that nobody offers it for ever.
        """
        try:
            entry = EventEntry(event, self.era)
        except ValueError as error:
            log.error("%s: an event cannot be stored and is given up: %s", event.source or event.name, error)
            return EventStored(is_new=False, is_safe=True)
        is_safe = await self._committer.commit(entry)
        return EventStored(entry.is_new, is_safe)

    async def flush(self) -> None:
        """Commit everything that was taken so far."""
        await self._committer.commit()

    async def close(self) -> None:
        """Commit what is pending and close the file; what cannot be written is lost and said so."""
        await self.flush()
        try:
            await self._committer.last_try()
        except JournalUnavailable as error:
            waiting = self._writer.contents.waiting
            log.error("%d records, %d readings, are lost at the end: %s", waiting.depth, waiting.readings, error)
        await self._committer.close()

    async def read(self, record_class: int, limit: int, after: int = 0, up_to: int | None = None) -> list[Record]:
        """The oldest waiting records of a class, at most `limit`, with sequences above `after` and not above `up_to`.
        A damaged record is set aside, counted and reported as an event, never handed out."""
        while True:
            records, damaged = await self._committer.in_thread(self._writer.read, record_class, limit, after, up_to)
            if not damaged:
                return records
            self.damaged_records += len(damaged)
            log.error("journal records %s fail their checksum and are set aside", damaged)
            reports = [self._own_event("record-damaged", sequence) for sequence in damaged]
            await self._committer.commit(SetAsideEntry(tuple(damaged)), *reports)

    async def last_before(self, time_ms: int) -> tuple[int, int]:
        """The highest sequence of waiting telemetry that is older than `time_ms` (unix milliseconds), and how many
        readings wait up to it; zeros for none."""
        return await self._committer.in_thread(self._writer.last_before, time_ms)

    async def note_sending(self, sequences: Sequence[int]) -> Sequence[int]:
        """These are about to be sent; to be called before, for all that can be thinned. Returns those that may be sent:
        the others were thinned since they were read."""
        entry = SendingEntry(tuple(sequences))
        await self._committer.commit(entry)
        return entry.here

    async def acknowledge(self, sequences: Sequence[int]) -> int:
        """The platform has stored these; returns how many were waiting."""
        entry = AcknowledgeEntry(tuple(sequences))
        await self._committer.commit(entry)
        return entry.count

    async def thin(self, record_class: int, before_ms: int) -> bool:
        """Thin one block of waiting telemetry of a class that is older than `before_ms`; whether there was one.

        The caller tells the platform why; no event is made of it.
        """
        entry = ThinEntry(record_class, before_ms, self._clock.unix_ms(), told=False)
        await self._committer.commit(entry)
        return entry.step is not None

    async def set_aside(self, sequence: int, code: str) -> None:
        """Never send this record again, and report it as an event with `code`."""
        await self._committer.commit(SetAsideEntry((sequence,)), self._own_event(code, sequence))

    @property
    def is_asked(self) -> bool:
        """Whether the platform was asked what it has, for all that this journal holds."""
        return self._writer.contents.is_asked

    @property
    def epoch_to_ask(self) -> int:
        """The epoch of which the platform must be asked what it has."""
        return self._writer.contents.epoch_of(self.unasked_from)

    async def heard_highest(self, platform_has: int) -> bool:
        """The platform was asked and has records of `epoch_to_ask` up to `platform_has`, 0 for none; nothing was sent
        that was given since `unasked_from`.

        Where it has such numbers all the same, they were given again: the end of the journal had been lost. What was
        committed since then is of a new epoch from now on, so that it is not taken for what the platform has, and the
        loss is reported. Returns whether all is well.
        """
        first = self.unasked_from
        if platform_has < first:
            await self._committer.commit(AskedEntry())
            return True
        detail = f"records {first} to {platform_has} had been sent and are not here"
        event = Event(
            "journal", "event", "end-lost", self._clock.unix_ms(), value=platform_has - first + 1, detail=detail
        )
        await self._committer.commit(EpochEntry(first, new_epoch()), AskedEntry(), EventEntry(event, self.era))
        return False

    async def receive_command(self, command: Command) -> StoredCommand:
        """Store a command as received, and return what the journal knows of its id. Where it has ended already, its
        result is queued again for the platform."""
        entry = ReceiveEntry(command)
        await self._committer.commit(entry)
        if entry.stored is None:
            raise JournalUnavailable(f"command {command.id} could not be stored")
        return entry.stored

    async def begin_command(self, command_id: str) -> None:
        """Note that the command acts from now on."""
        await self._committer.commit(ActingEntry(command_id))

    async def finish_command(self, result: CommandResult) -> None:
        """Store how a command ended, and queue that for the platform."""
        if result.state not in FINAL_STATES:
            raise ValueError(f"a command ends as one of {', '.join(FINAL_STATES)}, not {result.state}")
        await self._committer.commit(FinishEntry(result))

    async def unfinished_commands(self) -> list[StoredCommand]:
        """Commands without a result, oldest first."""
        return unfinished_commands(self._writer.contents.items)

    def eras(self) -> Sequence[Era]:
        """Every era of the clock that the journal knows, of all boots."""
        return list(self._writer.contents.eras.values())

    async def begin_era(self, boot_id: str, offset_ms: int, trusted: bool) -> Era:
        """A new era of the clock, with its number; what was taken before is committed as of the former one."""
        entry = EraEntry(boot_id, offset_ms, trusted)
        await self._committer.commit(entry)
        self.era = entry.era.number
        return entry.era

    async def correct_eras(self, shifts: Mapping[int, int]) -> None:
        """What must be added to the times of records of some eras, by the era's number (milliseconds)."""
        await self._committer.commit(CorrectionEntry(dict(shifts)))

    async def commit(self, *entries: Entry) -> None:
        """Commit entries of others. Raises JournalUnavailable where one needs the disk and it cannot be written."""
        await self._committer.commit(*entries)

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """What `function` reads from the file. Raises JournalUnavailable while that cannot be used."""
        return await self._committer.in_thread(self._writer.look, function)

    def _own_event(self, code: str, value: int) -> EventEntry:
        return EventEntry(Event("journal", "event", code, self._clock.unix_ms(), value=value), self.era)

    def _report_recovery(self) -> None:
        self._committer.take(self._own_event("written-again", self._writer.contents.waiting.depth))
