"""The journal as OSCORE contexts see it: commits and looks, on the file's own writer and its thread."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import apsw

from gateway_agent.journal.committer import Committer
from gateway_agent.journal.schema import describe
from gateway_agent.journal.security import TABLES
from gateway_agent.journal.writer import Entry, JournalUnavailable, Writer

Result = TypeVar("Result")


class JournalStore:
    """A journal's file with the table `security`. `close` keeps what was committed and closes no context."""

    def __init__(self, path: Path, vfs: str | None = None) -> None:
        self._writer = Writer(path, vfs=vfs)
        self._committer = Committer(self._writer, 30, 64, 1000, lambda dropped: None)

    async def commit(self, *entries: Entry) -> None:
        await self._committer.commit(*entries)

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        return await self._committer.in_thread(self._look, function)

    async def close(self) -> None:
        await self._committer.close()

    def _look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        try:
            return function(self._writer._connected())
        except apsw.Error as error:
            self._writer._disconnect()
            raise JournalUnavailable(f"the journal cannot be read: {describe(error)}") from error


async def new_journal(path: Path) -> Path:
    """A new journal at `path` with the table, closed."""
    store = JournalStore(path)
    await store.look(lambda connection: connection.execute(TABLES).fetchall())
    await store.close()
    return path
