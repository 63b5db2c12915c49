"""A look into the file of a journal that no agent is using."""

from collections.abc import Iterator
from pathlib import Path

import apsw

from gateway_agent.journal.codec import Record
from gateway_agent.journal.contents import load
from gateway_agent.journal.store import Store


def stored_records(path: Path, record_class: int) -> Iterator[Record]:
    """Every record of a class that is in the file, also those that the platform has, where the journal keeps them.

    Nothing is written. Raises JournalError for a record that cannot be read, apsw.Error where the file cannot, and
    contents.Damaged or contents.Foreign for a file that is no sound journal.
    """
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        yield from Store(connection, load(connection), keep_acknowledged=False).all_records(record_class)
    finally:
        connection.close()
