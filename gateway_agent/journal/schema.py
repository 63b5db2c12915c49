"""The journal's file: how it is opened, its tables, and what each column means.

SQLite in WAL mode with synchronous=FULL: what was committed survives a power cut. One connection holds the file alone
(locking_mode=EXCLUSIVE), so there is no shared memory beside it and nobody to share a defect of it with. Pages are as
small as SQLite has them, because a group commit changes a few rows and the write-ahead log takes whole pages.
"""

import os
from functools import cache
from pathlib import Path

import apsw

from gateway_agent.journal.errors import JournalError

FORMAT = 2
"""PRAGMA user_version of the files that this code reads and writes."""
PAGE_BYTES = 512
WAL_PAGES = 2048
"""Pages in the log after which a commit moves them into the file: 1 MiB."""

WAITING, ACKNOWLEDGED, SET_ASIDE = 0, 1, 2
"""`record.state`. An acknowledged row is deleted unless the journal keeps it; one that is set aside is never sent."""

_ITEM_COLUMNS = """(
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    crc32 INTEGER NOT NULL
)"""

TABLES = f"""
PRAGMA user_version = {FORMAT};

-- What has been accepted and not yet acknowledged, in order. AUTOINCREMENT: a number is never used twice, not even
-- after the table was empty. class: codec.CLASSES. time_ms: of its first reading, as the clock told it in `era` (0: by
-- a clock beyond doubt). crc32: rows.record_checksum of all other columns.
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    class INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    era INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    state INTEGER NOT NULL,
    body BLOB NOT NULL,
    crc32 INTEGER NOT NULL
);
-- All but fresh telemetry, which is found by its sequence.
CREATE INDEX urgent ON record (class, sequence) WHERE class <> 3 AND state = {WAITING};

-- Now and then all small facts at once, so that a copy of them stands among the records too: snapshots.py.
CREATE TABLE snapshot (
    number INTEGER PRIMARY KEY,
    body BLOB NOT NULL,
    crc32 INTEGER NOT NULL
);

-- Small facts, each in both tables: items.py.
CREATE TABLE item {_ITEM_COLUMNS};
CREATE TABLE item_copy {_ITEM_COLUMNS};

-- One row per OSCORE context, never deleted: an id is begun once. id: the platform's name and the key's generation.
-- epoch: that of the file when the row was written; a row of another one is not continued, for the file was salvaged,
-- lost its end or was joined with what was in memory since.
-- generation: how often the context was opened; who opened it before that cannot write it any more.
-- reserved: sender sequence numbers below it may have been used.
-- replay_window: exact after a clean close, NULL while the context is in use. crc32 covers all columns.
CREATE TABLE security (
    id TEXT PRIMARY KEY,
    epoch INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    replay_window BLOB,
    crc32 INTEGER NOT NULL
) WITHOUT ROWID;
"""


def open_file(path: Path, *, may_create: bool, vfs: str | None = None) -> apsw.Connection:
    """Open the file at `path` for this connection alone; nothing is read from it or written to it yet.

    `vfs` names an SQLite file system other than the usual one, for tests that make the disk fail.
    Raises apsw.Error when the disk or another program prevents it.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if may_create else 0)
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs)
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def make_durable(connection: apsw.Connection, path: Path) -> None:
    """Let every commit from now on be on the disk when it returns. Raises JournalError where there can be no log."""
    if connection.execute("PRAGMA journal_mode = WAL").get != "wal":
        raise JournalError(f"{path}: this file system cannot keep a write-ahead log; choose another place")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")


def make_tables(connection: apsw.Connection) -> None:
    """Make the tables of a new file; in the transaction that is open, if one is."""
    connection.execute(TABLES)


def structure(connection: apsw.Connection) -> dict[str, tuple[str, str]]:
    """By name what SQLite itself knows of each table and index: its type and the statement that made it."""
    rows = connection.execute("SELECT name, type, sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {str(name): (str(kind), str(sql)) for name, kind, sql in rows}


@cache
def model() -> dict[str, tuple[str, str]]:
    """The `structure` of a sound journal."""
    connection = apsw.Connection(":memory:")
    try:
        make_tables(connection)
        return structure(connection)
    finally:
        connection.close()


def is_new(connection: apsw.Connection) -> bool:
    """Whether there is nothing in the file yet."""
    return bool(connection.execute("SELECT count(*) FROM sqlite_schema").get == 0)


def sync_folder(path: Path) -> None:
    """Let the names of files in the folder of `path` survive a power cut. Raises OSError."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def describe(error: apsw.Error) -> str:
    """An SQLite error in words: what it means for the person at the pole."""
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return f"{words} ({error})"
    return str(error)


_WORDS: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.FullError, "the disk is full; free some space"),
    (apsw.ReadOnlyError, "the disk or the file is read-only; remount it or mend its permissions"),
    (apsw.CantOpenError, "the file cannot be opened; see that its folder exists and may be written"),
    (apsw.BusyError, "another program holds it; close that program"),
    (apsw.LockedError, "another program holds it; close that program"),
    (apsw.NotADBError, "it is not a journal; move it away and a new one is made"),
    (apsw.CorruptError, "it is damaged"),
    (apsw.IOError, "the disk does not answer as it should; look at the card and at the system's log"),
)
