"""The journal's file: how it is opened, its tables, and what each column means.

SQLite in WAL mode with synchronous=FULL: what was committed survives a power cut (../RELIABILITY.md, section 2). Pages
are small, because a group commit changes a few rows in a few tables and the write-ahead log takes whole pages.
"""

import os
import secrets
from pathlib import Path

import apsw

from gateway_agent.journal.errors import JournalError

FORMAT = 1
"""PRAGMA user_version of the files that this code reads and writes."""
PAGE_BYTES = 1024
BUSY_MS = 200
WAL_PAGES = 1024
"""Pages in the log after which a commit moves them into the file."""

WAITING, ACKNOWLEDGED, SET_ASIDE = 0, 1, 2
"""`record.state`. An acknowledged row is deleted unless the journal keeps it; one that is set aside is never sent."""

_TABLES = f"""
PRAGMA user_version = {FORMAT};

-- epoch: random number of this file, so that sequences of a lost file are never mistaken for those of a new one.
-- acknowledged: the highest sequence that the platform has ever acknowledged.
CREATE TABLE mark (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;

-- What has been accepted and not yet acknowledged, in order. AUTOINCREMENT: a number is never used twice, not even
-- after the table was empty. crc32 covers sequence, class and body.
CREATE TABLE record (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    class INTEGER NOT NULL,
    readings INTEGER NOT NULL,
    state INTEGER NOT NULL DEFAULT {WAITING},
    crc32 INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX urgent ON record (class, sequence) WHERE class < 3 AND state = {WAITING};

-- One row per point and kind of reading: how many readings were ever committed, and the newest.
CREATE TABLE point (
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    committed INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (name, kind)
) WITHOUT ROWID;

-- Events that a node has numbered and that are in already: each is stored once, however often it is read.
CREATE TABLE origin (
    source TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    PRIMARY KEY (source, epoch, sequence)
) WITHOUT ROWID;

-- Which alarms stand, as last stored: a restarted agent must be able to clear what it raised.
CREATE TABLE alarm (
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    stands INTEGER NOT NULL,
    PRIMARY KEY (name, code)
) WITHOUT ROWID;

-- Every command from the platform: state is written before it acts. body is the command, result its outcome.
CREATE TABLE command (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    body BLOB NOT NULL,
    result_sequence INTEGER,
    result BLOB
);
"""


def open_database(path: Path, *, may_create: bool, vfs: str | None = None) -> apsw.Connection:
    """Open the journal at `path`; where there is none and `may_create`, make a new one with a new epoch.

    `vfs` names an SQLite file system other than the usual one, for tests that make the disk fail.
    Raises apsw.Error when the disk or another program prevents it, JournalError when the file is no journal of this
    format.
    """
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if may_create else 0)
    connection = apsw.Connection(str(path), flags=flags, vfs=vfs)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close(True)
        raise
    return connection


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
    (apsw.CorruptError, "it is damaged; move it away and a new one is made"),
    (apsw.IOError, "the disk does not answer as it should; look at the card and at the system's log"),
)


def _prepare(connection: apsw.Connection, path: Path) -> None:
    connection.set_busy_timeout(BUSY_MS)
    execute = connection.execute
    version = execute("PRAGMA user_version").get
    fresh = execute("SELECT count(*) FROM sqlite_schema").get == 0
    if not fresh and version != FORMAT:
        raise JournalError(
            f"{path}: this is not a journal of format {FORMAT} (its format is {version}); "
            "move it away and a new one is made"
        )
    if fresh:
        execute(f"PRAGMA page_size = {PAGE_BYTES}")
    if execute("PRAGMA journal_mode = WAL").get != "wal":
        raise JournalError(f"{path}: this file system cannot keep a write-ahead log; choose another place")
    execute("PRAGMA synchronous = FULL")
    execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
    if fresh:
        with connection:
            execute(_TABLES)
            execute("INSERT INTO mark VALUES ('epoch', ?), ('acknowledged', 0)", (_new_epoch(),))
        _sync_folder(path)


def _new_epoch() -> int:
    return 1 + secrets.randbelow((1 << 32) - 1)


def _sync_folder(path: Path) -> None:
    # The file's name must survive a power cut as well as its content.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
