"""When the journal commits, and what happens while it cannot.

Entries wait in memory until their group is due, then one thread writes them in one transaction while the event loop
goes on. A group that failed is kept as it is and written again, after 1, 2, 4 ... 30 s, until the disk takes it; what
comes meanwhile waits behind it. Beyond a bound the oldest readings in memory are dropped and counted: the newest
always get in.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from gateway_agent.journal.entries import EventEntry, PollEntry
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.journal.writer import Entry, Writer

log = logging.getLogger("gatepost.journal")

RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 30.0
MEMORY_EVENTS = 10_000

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Committer:
    """Owns the writer's thread. `trouble` is None, or a sentence while the disk cannot be written.

    `pending_readings` are taken and not yet on the disk; `dropped_readings` and `dropped_events` found no room in
    memory; `unwritable` counts entries that are wrong in themselves and were left out, each with a traceback in the
    log. `on_commit` is called after each commit, `on_recovery` once the disk works again, with the readings and events
    that were dropped meanwhile.
    """

    def __init__(
        self,
        writer: Writer,
        commit_s: float,
        commit_readings: int,
        memory_readings: int,
        on_recovery: Callable[[int], None],
    ) -> None:
        self.trouble: str | None = None
        self.pending_readings = 0
        self.dropped_readings = 0
        self.dropped_events = 0
        self.unwritable = 0
        self.on_commit: list[Callable[[], None]] = []
        self._writer = writer
        self._commit_s = commit_s
        self._commit_readings = commit_readings
        self._memory_readings = memory_readings
        self._on_recovery = on_recovery
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._pending: list[Entry] = []
        self._batch: list[Entry] = []
        self._is_due = False
        self._task: asyncio.Task[JournalUnavailable | None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._retry_s = RETRY_FIRST_S
        self._dropped_before = 0

    def take(self, entry: Entry) -> None:
        """Take an entry into the next group."""
        self._pending.append(entry)
        self.pending_readings += entry.readings
        if self.pending_readings > self._memory_readings:
            self._drop_readings()
        if self.trouble is not None:
            self._drop_events()
        elif self.pending_readings >= self._commit_readings:
            self._start()
        else:
            self._arm(self._commit_s)

    async def commit(self, *entries: Entry) -> None:
        """Commit everything that waits, and these. Raises JournalUnavailable; in trouble these are not even kept."""
        if self.trouble is not None:
            raise JournalUnavailable(self.trouble)
        self._pending.extend(entries)
        # The task goes on when whoever waits for it is cancelled: a thread cannot be stopped in its commit.
        error = await asyncio.shield(self._start())
        if error is not None:
            raise error

    async def in_thread(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run a method of the writer in its thread."""
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    async def close(self) -> None:
        """Close the file; what is still pending is not written."""
        if self._task is not None:
            await self._task
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self.in_thread(self._writer.close)
        self._executor.shutdown()

    def _start(self) -> asyncio.Task[JournalUnavailable | None]:
        self._is_due = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="journal commit")
        return self._task

    def _arm(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start)

    async def _work(self) -> JournalUnavailable | None:
        while self._is_due or self._batch:
            self._is_due = False
            if not self._batch:
                self._batch, self._pending = self._pending, []
            try:
                await self._write_batch()
            except JournalUnavailable as error:
                self._meet_trouble(error)
                return error
            committed, self._batch = self._batch, []
            self.pending_readings -= sum(entry.readings for entry in committed)
            if self.trouble is not None:
                self._recover()
            for listener in tuple(self.on_commit) if committed else ():
                listener()
        return None

    async def _write_batch(self) -> None:
        if not self._batch:
            return
        try:
            await self.in_thread(self._writer.commit, self._batch)
        except JournalUnavailable:
            raise
        except Exception:
            if len(self._batch) == 1:
                self.unwritable += 1
                log.exception("an entry cannot be written to the journal and is left out: %r", self._batch[0])
                return
            log.warning("a group of %d entries cannot be written; each is tried alone", len(self._batch))
            await self._write_singly()

    async def _write_singly(self) -> None:
        entries = self._batch
        for done, entry in enumerate(entries):
            self._batch = [entry]
            try:
                await self._write_batch()
            except JournalUnavailable:
                self.pending_readings -= sum(entry.readings for entry in entries[:done])
                self._batch, self._pending = [entry], [*entries[done + 1 :], *self._pending]
                raise
        self._batch = entries

    def _meet_trouble(self, error: JournalUnavailable) -> None:
        if self.trouble is None:
            self._dropped_before = self.dropped_readings + self.dropped_events
            log.error("%s. Readings stay in memory; it is tried again until it works.", error)
        self.trouble = str(error)
        self._arm(self._retry_s)
        self._retry_s = min(2 * self._retry_s, RETRY_LONGEST_S)

    def _recover(self) -> None:
        dropped = self.dropped_readings + self.dropped_events - self._dropped_before
        log.info("the journal is written again; %d readings and events found no room in memory", dropped)
        self.trouble = None
        self._retry_s = RETRY_FIRST_S
        self._on_recovery(dropped)

    def _drop_readings(self) -> None:
        kept: list[Entry] = []
        for entry in self._pending:
            if isinstance(entry, PollEntry) and self.pending_readings > self._memory_readings:
                self.pending_readings -= entry.readings
                self.dropped_readings += entry.readings
            else:
                kept.append(entry)
        self._pending = kept

    def _drop_events(self) -> None:
        events = [entry for entry in self._pending if isinstance(entry, EventEntry)]
        if len(events) > MEMORY_EVENTS:
            self._pending.remove(events[0])
            self.dropped_events += 1
