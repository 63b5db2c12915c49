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

from gateway_agent.journal.errors import JournalError
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
    """Owns the writer's thread.

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
        self._next: asyncio.Future[None] | None = None
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
        # The task goes on when whoever waits for it is cancelled: a thread cannot be stopped in its commit.
        if any(entry.needs_disk for entry in entries):
            await asyncio.shield(self._start())
            try:
                await self._run(self._writer.commit_on_disk, entries)
            finally:
                self._heed_memory()
        else:
            self._pending.extend(entries)
            await asyncio.shield(self._start())
        return self._writer.trouble is None

    async def in_thread(self, method: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """Run a method of the writer in its thread; in memory, when the disk fails now. Raises JournalUnavailable."""
        try:
            return await self._run(self._writer.persist, method, *arguments)
        finally:
            self._heed_memory()

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
        if await self._run(self._writer.return_to_disk):
            self._recover()
            await asyncio.shield(self._start())

    async def _run(self, function: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)

    def _heed_memory(self) -> None:
        """Notice that the writer has gone to memory, and see that it returns."""
        if self._writer.in_memory and self._return is None and not self._is_closed:
            self._return = asyncio.get_running_loop().create_task(self._try_to_return(), name="journal to disk")

    def _start(self) -> "asyncio.Future[None]":
        """Commit what waits as soon as may be; what is returned is done when it is written."""
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._next is None:
            self._next = loop.create_future()
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._work(), name="journal commit")
        return self._next

    async def _work(self) -> None:
        while self._next is not None:
            written, self._next = self._next, None
            group, self._pending = self._pending, []
            try:
                await self._write(group)
                self.pending_readings -= sum(entry.readings for entry in group)
                for listener in tuple(self.on_commit) if group else ():
                    listener()
            except Exception as error:
                # A listener has failed: whoever waits hears of it, and waits no longer.
                written.set_exception(error)
                raise
            written.set_result(None)
            if self._next is None:
                try:
                    await self._keep_within_bounds()
                except Exception:
                    # Whoever waits for the next commit must not wait for this.
                    log.exception("the journal could not be kept within its budget; it is tried again")

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

    async def _try_to_return(self) -> None:
        pause_s = RETRY_FIRST_S
        while True:
            await asyncio.sleep(pause_s)
            try:
                has_moved = await self._run(self._writer.return_to_disk)
            except JournalError as error:
                log.debug("the journal stays in memory: %s", error)
            except Exception:
                log.exception("the journal cannot return to its disk, and stays in memory")
            else:
                self._return = None
                if has_moved:
                    self._recover()
                return
            pause_s = min(2 * pause_s, RETRY_LONGEST_S)

    def _recover(self) -> None:
        log.info("the journal is on the disk again")
        self._on_recovery()
        for listener in tuple(self.on_commit):
            listener()

    async def _keep_within_bounds(self) -> None:
        """Thin until the budget is kept, or until there is something to commit."""
        now_ms = self._now_ms()
        if self._aged_ms is None or not 0 <= now_ms - self._aged_ms < _LOOK_AT_AGE_MS:
            self._aged_ms = now_ms
            for entry in old_steps(self._budget, now_ms):
                while self._is_idle and await self._thin(replace(entry)):
                    pass
        budget = Budget(MEMORY_BYTES) if self._writer.in_memory else self._budget
        while self._is_idle:
            used = await self.in_thread(self._used_bytes)
            step = next_step(self._writer.contents, used, budget, now_ms)
            self._tell_of_budget(used > budget.held_bytes and step is None, used)
            if step is None or not await self._thin(step):
                return

    @property
    def _is_idle(self) -> bool:
        return self._next is None and not self._is_closed

    def _used_bytes(self) -> int:
        return self._writer.used_bytes

    async def _thin(self, entry: ThinEntry) -> bool:
        try:
            await self.in_thread(self._writer.thin, entry)
        except Exception:
            self.unwritable += 1
            log.exception("the journal cannot be thinned")
            return False
        if entry.step is None:
            return False
        self.thinned_records += entry.step.records_before
        return True

    def _tell_of_budget(self, is_over: bool, used: int) -> None:
        if is_over and not self._is_over_budget:
            log.error("the journal holds %d MiB, more than its budget, and nothing is left to be thinned", used >> 20)
        self._is_over_budget = is_over
