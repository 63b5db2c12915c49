"""When the journal commits, and what happens while the disk cannot be used.

Entries wait until their group is due, then one thread writes them in one transaction while the event loop goes on. A
group that the disk refuses is written into memory at once, as is all that follows; the disk is tried again after 1, 2,
4 ... 30 s, and takes over what is in memory when it works. After each commit the budget is looked at, and the oldest
telemetry is thinned in steps, between which commits go on.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar, TypeVarTuple

from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.store import Entry
from gateway_agent.journal.thinner import Budget, ThinEntry, next_step, old_steps
from gateway_agent.journal.writer import Writer

log = logging.getLogger("gatepost.journal")

RETRY_FIRST_S, RETRY_LONGEST_S = 1.0, 30.0
MEMORY_BYTES = 16 << 20
"""What the journal in memory may hold before it is thinned."""
_LOOK_AT_AGE_MS = 3_600_000

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Committer:
    """Owns the writer's thread. `trouble` is None, or a sentence while the disk cannot be used.

    `pending_readings` are taken and not yet committed; `unwritable` counts entries that are wrong in themselves and
    were left out, each with a traceback in the log; `thinned_records` counts what was thinned since the start.
    `on_commit` is called after each commit, `on_recovery` once the disk works again.
    """

    def __init__(
        self,
        writer: Writer,
        commit_s: float,
        commit_readings: int,
        budget: Budget,
        now_ms: Callable[[], int],
        on_recovery: Callable[[], None],
    ) -> None:
        self.trouble: str | None = None
        self.pending_readings = 0
        self.unwritable = 0
        self.thinned_records = 0
        self.on_commit: list[Callable[[], None]] = []
        self._writer = writer
        self._commit_s = commit_s
        self._commit_readings = commit_readings
        self._budget = budget
        self._now_ms = now_ms
        self._on_recovery = on_recovery
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._pending: list[Entry] = []
        self._is_due = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._return: asyncio.Task[None] | None = None
        self._is_closed = False
        self._aged_ms: int | None = None
        self._is_over_budget = False

    def take(self, entry: Entry) -> None:
        """Take an entry into the next group."""
        self._pending.append(entry)
        self.pending_readings += entry.readings
        self._heed_memory()
        if self.pending_readings >= self._commit_readings:
            self._start()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._commit_s, self._start)

    async def commit(self, *entries: Entry) -> bool:
        """Commit everything that waits, and these; whether they are on the disk.

        Raises JournalUnavailable where one of them needs the disk and it cannot be written: then none of these is.
        """
        self._heed_memory()
        failed: JournalUnavailable | None = None
        if any(entry.needs_disk for entry in entries):
            failed = await self._commit_on_disk(entries)
        else:
            self._pending.extend(entries)
            # The task goes on when whoever waits for it is cancelled: a thread cannot be stopped in its commit.
            await asyncio.shield(self._start())
        if failed is not None:
            raise failed
        return self.trouble is None

    async def in_thread(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run a method of the writer in its thread; in memory, when the disk fails now. Raises JournalUnavailable."""
        try:
            return await self._run(function, *arguments)
        except JournalUnavailable as error:
            if self._writer.in_memory:
                raise
            await self._meet_trouble(error)
            return await self._run(function, *arguments)

    async def close(self) -> None:
        """Close the file; what is still pending, or in memory alone, is not written."""
        self._is_closed = True
        if self._return is not None:
            self._return.cancel()
            await asyncio.gather(self._return, return_exceptions=True)
        if self._task is not None:
            await self._task
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._run(self._writer.close)
        self._executor.shutdown()

    async def last_try(self) -> None:
        """Try the disk once more, before the end. Raises JournalUnavailable."""
        if self._writer.in_memory:
            await self._run(self._writer.return_to_disk)
            self._recover()

    async def _run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def _heed_memory(self) -> None:
        """Notice a writer that has begun in memory, because the disk failed when it was opened."""
        if self._writer.in_memory and self._return is None and not self._is_closed:
            self.trouble = self.trouble or "the journal's disk could not be used at the start; all is in memory"
            self._return = asyncio.get_running_loop().create_task(self._try_to_return(), name="journal to disk")

    def _start(self) -> "asyncio.Task[None]":
        self._is_due = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work(), name="journal commit")
        return self._task

    async def _work(self) -> None:
        while self._is_due:
            self._is_due = False
            group, self._pending = self._pending, []
            await self._write(group)
            self.pending_readings -= sum(entry.readings for entry in group)
            for listener in tuple(self.on_commit) if group else ():
                listener()
            if not self._is_due:
                await self._keep_within_bounds()

    async def _write(self, group: Sequence[Entry]) -> None:
        if not group:
            return
        try:
            await self.in_thread(self._writer.commit, group)
        except Exception:
            if len(group) == 1:
                self.unwritable += 1
                log.exception("an entry cannot be written to the journal and is left out: %r", group[0])
                return
            log.warning("a group of %d entries cannot be written; each is tried alone", len(group))
            for entry in group:
                await self._write([entry])

    async def _commit_on_disk(self, entries: Sequence[Entry]) -> JournalUnavailable | None:
        await asyncio.shield(self._start())
        try:
            await self._run(self._writer.commit, entries)
        except JournalUnavailable as error:
            if not self._writer.in_memory:
                await self._meet_trouble(error)
            return error
        return None

    async def _meet_trouble(self, error: JournalUnavailable) -> None:
        log.error("%s. What is collected stays in memory; the disk is tried again until it works.", error)
        self.trouble = str(error)
        await self._run(self._writer.start_in_memory)
        self._heed_memory()

    async def _try_to_return(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._run(self._writer.return_to_disk)
            except JournalError as error:
                self.trouble = str(error)
                pause_s = min(2 * pause_s, RETRY_LONGEST_S)
            else:
                self._return = None
                self._recover()
                return

    def _recover(self) -> None:
        log.info("the journal is on the disk again")
        self.trouble = None
        self._on_recovery()
        for listener in tuple(self.on_commit):
            listener()

    async def _keep_within_bounds(self) -> None:
        """Thin until the budget is kept, or until there is something to commit."""
        now_ms = self._now_ms()
        if self._aged_ms is None or not 0 <= now_ms - self._aged_ms < _LOOK_AT_AGE_MS:
            self._aged_ms = now_ms
            for entry in old_steps(self._budget, now_ms):
                while not self._is_due and await self._thin(replace(entry)):
                    pass
        budget = Budget(MEMORY_BYTES) if self._writer.in_memory else self._budget
        while not self._is_due:
            used = await self.in_thread(self._used_bytes)
            step = next_step(self._writer.contents, used, budget, now_ms)
            self._tell_of_budget(used > budget.held_bytes and step is None, used)
            if step is None or not await self._thin(step):
                return

    def _used_bytes(self) -> int:
        return self._writer.used_bytes

    async def _thin(self, entry: ThinEntry) -> bool:
        await self._write([entry])
        if entry.step is None:
            return False
        self.thinned_records += entry.step.records_before
        return True

    def _tell_of_budget(self, is_over: bool, used: int) -> None:
        if is_over and not self._is_over_budget:
            log.error("the journal holds %d MiB, more than its budget, and nothing is left to be thinned", used >> 20)
        self._is_over_budget = is_over
