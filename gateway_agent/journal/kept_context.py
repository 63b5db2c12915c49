"""One OSCORE context while it is used: hands out the sender numbers that are reserved in a store, and only those.

A commit reserves many numbers, more each time, so that there is no write to the disk for each message. After a power
cut the numbers that were reserved are never used; a clean close gives them back.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol, Self, TypeVar

import apsw

from gateway_agent.journal.errors import JournalUnavailable, SecurityStateLost
from gateway_agent.journal.security import (
    BeginEntry,
    CloseEntry,
    OpenEntry,
    ReserveEntry,
    SecurityEntry,
    SecurityState,
    Window,
    find_context,
)
from gateway_agent.journal.store import Entry

STEP_FIRST, STEP_LONGEST = 16, 256
"""Numbers that the first reservation takes, each further one twice as many, and the most that one takes."""
SPARE = 8
"""Numbers that are always in hand beside those asked for: tasks that share a context do not know of each other."""

Result = TypeVar("Result")


class Store(Protocol):
    """What a context needs of the journal. Both methods raise JournalUnavailable."""

    async def commit(self, *entries: Entry) -> None:
        """Write the entries in one durable commit."""
        ...

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """Run `function`, which only reads, on the journal's connection."""
        ...


class KeptContext:
    """Made by `begin` or `open`, used from one event loop. Once lost or closed it stays so.

    `next_number` is the next to be used, numbers below `reserved` may be.
    """

    def __init__(self, store: Store, context_id: str) -> None:
        self.context_id = context_id
        self.next_number = 0
        self.reserved = 0
        self._store = store
        self._generation: int | None = None
        self._window: Window | None = None
        self._step = STEP_FIRST
        self._over: str | None = None
        self._turn = asyncio.Lock()

    @classmethod
    async def begin(cls, store: Store, context_id: str) -> Self:
        """A context whose keys have just been agreed. Raises SecurityStateLost, also for an id that was ever used."""
        context = cls(store, context_id)
        await context._commit(BeginEntry(context_id))
        return context

    @classmethod
    async def open(cls, store: Store, context_id: str) -> Self:
        """A context that was begun once. Raises SecurityStateLost: agree new keys. Nothing is written yet."""
        try:
            await store.look(lambda connection: find_context(connection, context_id))
        except JournalUnavailable as error:
            raise _unwritable(context_id, error) from error
        return cls(store, context_id)

    async def reserve(self, count: int = 1) -> None:
        """See that `count` numbers may be used, and that the store says that the context is in use. Waits for a
        commit when there are too few. Raises SecurityStateLost."""
        async with self._turn:
            self.check_not_over()
            if self._generation is None:
                entry = OpenEntry(self.context_id, max(self._step, count + SPARE))
                state = await self._commit(entry)
                self._generation, self._window, self.next_number = state.generation, entry.window, entry.first
            elif self.reserved - self.next_number < count + SPARE:
                step = max(self._step, count + SPARE)
                state = await self._commit(ReserveEntry(self.context_id, self._generation, self.reserved, step))
            else:
                return
            self.reserved = state.reserved
            self._step = min(2 * self._step, STEP_LONGEST)
            if self.reserved - self.next_number < count:
                raise self._lose(f"{self.context_id}: the sender numbers of these keys are used up; agree new keys")

    def take_window(self) -> Window | None:
        """What was received before this use, told once; None when it is not known, and ever after."""
        window, self._window = self._window, None
        return window

    def take_number(self) -> int:
        """The next number, used from now on. Raises SecurityStateLost where none is reserved."""
        self.check_in_use()
        if self.next_number >= self.reserved:
            raise SecurityStateLost(f"{self.context_id}: no sender number is reserved; reserve more before an exchange")
        self.next_number += 1
        return self.next_number - 1

    def check_in_use(self) -> None:
        """Raise SecurityStateLost unless the store says that the context is in use: nothing may be accepted then."""
        self.check_not_over()
        if self._generation is None:
            raise SecurityStateLost(f"{self.context_id}: the context is not in use yet; reserve before an exchange")

    def check_not_over(self) -> None:
        """Raise SecurityStateLost, with the reason, when the context was lost or closed."""
        if self._over is not None:
            raise SecurityStateLost(self._over)

    async def close(self, window: Window | None) -> None:
        """End the use: give back what was not used, and keep the replay window. Nothing can be used from the call on.
        Raises SecurityStateLost when that cannot be written: the next start then goes on as after a power cut."""
        if self._over is not None:
            return
        self._over = f"{self.context_id}: the context is closed"
        async with self._turn:
            if self._generation is not None:
                await self._commit(CloseEntry(self.context_id, self._generation, self.next_number, window))

    async def _commit(self, entry: SecurityEntry) -> SecurityState:
        try:
            await self._store.commit(entry)
            return entry.outcome
        except JournalUnavailable as error:
            entry.withdrawn = True
            raise self._lose(str(_unwritable(self.context_id, error))) from error
        except SecurityStateLost as error:
            raise self._lose(str(error)) from error
        except asyncio.CancelledError:
            entry.withdrawn = True
            raise

    def _lose(self, reason: str) -> SecurityStateLost:
        self._over = self._over or reason
        return SecurityStateLost(reason)


def _unwritable(context_id: str, error: JournalUnavailable) -> SecurityStateLost:
    return SecurityStateLost(f"{context_id}: new keys must be agreed and kept in memory: {error}")
