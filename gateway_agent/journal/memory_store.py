"""A store for OSCORE contexts while the journal cannot be written: it lives and dies with the process.

Only for keys that were agreed by this process and are written nowhere: another start must not know them, for it would
not know which of their numbers were used.
"""

from collections.abc import Callable
from typing import TypeVar

import apsw

from gateway_agent.journal.contents import begin, load
from gateway_agent.journal.schema import make_tables
from gateway_agent.journal.store import Entry, Store

Result = TypeVar("Result")


class MemoryStore:
    """As the journal for `KeptContext`, with SQLite in memory; nothing of it is ever written to a disk."""

    def __init__(self) -> None:
        connection = apsw.Connection(":memory:")
        make_tables(connection)
        begin(connection)
        self._store = Store(connection, load(connection), keep_acknowledged=False)

    async def commit(self, *entries: Entry) -> None:
        """Apply the entries."""
        self._store.commit(entries)

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """Run `function` on the connection."""
        return function(self._store.connection)
