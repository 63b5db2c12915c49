"""A store for OSCORE contexts while the journal cannot be written: it lives and dies with the process.

Only for keys that were agreed by this process and are written nowhere: another start must not know them, for it would
not know which of their numbers were used.
"""

import secrets
from collections.abc import Callable
from typing import TypeVar

import apsw

from gateway_agent.journal.security import TABLES
from gateway_agent.journal.transaction import Transaction
from gateway_agent.journal.writer import Entry

Result = TypeVar("Result")


class MemoryStore:
    """As the journal for `KeptContext`, with SQLite in memory; nothing of it is ever written to a disk."""

    def __init__(self) -> None:
        self._connection = apsw.Connection(":memory:")
        self._connection.execute("CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")
        self._connection.execute("INSERT INTO mark VALUES ('epoch', ?)", (secrets.randbits(32),))
        self._connection.execute(TABLES)

    async def commit(self, *entries: Entry) -> None:
        """Apply the entries."""
        with self._connection:
            for entry in entries:
                entry.write(Transaction(self._connection, 1, keep_acknowledged=False))

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """Run `function` on the connection."""
        return function(self._connection)
