"""The platform stand-in's database: everything that gateways sent, each journal record once, and the commands.

SQLite. A message is stored whole in one transaction, and on the disk, before it is answered. Whoever wants to count
again reads the tables; `readings`, `windows`, `alarms`, `events` and `commands` are meant for people.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from gateway_agent.errors import GatepostError
from gateway_agent.journal.file_lock import take_lock
from gateway_agent.records import Command
from hardware.rig.platform_files import TABLES as FILE_TABLES
from hardware.rig.platform_files import PlatformFiles
from hardware.rig.platform_messages import Item, SentAlarm, SentEvent, SentReading, SentRecord, SentResult, SentWindow

FORMAT = 3
"""PRAGMA user_version of the files that this code reads and writes."""

_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE stored (
    gateway TEXT, epoch INTEGER, sequence INTEGER, PRIMARY KEY (gateway, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE readings (
    gateway TEXT, point TEXT, time_ms INTEGER, value INTEGER, exponent INTEGER, kind TEXT, unit TEXT,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER, late INTEGER, trusted INTEGER
);
CREATE INDEX readings_by_point ON readings (point, time_ms);
CREATE TABLE windows (
    gateway TEXT, point TEXT, time_ms INTEGER, span_s INTEGER, least INTEGER, greatest INTEGER, total INTEGER,
    count INTEGER, exponent INTEGER, kind TEXT, unit TEXT,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER, late INTEGER, trusted INTEGER
);
CREATE INDEX windows_by_point ON windows (point, time_ms);
CREATE TABLE alarms (
    gateway TEXT, point TEXT, time_ms INTEGER, state INTEGER, code TEXT, source TEXT, number INTEGER,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER, trusted INTEGER
);
CREATE TABLE events (
    gateway TEXT, name TEXT, time_ms INTEGER, code TEXT, source TEXT, number INTEGER, detail TEXT,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER, trusted INTEGER
);
CREATE TABLE states (
    gateway TEXT, id BLOB, digest BLOB, state BLOB, number INTEGER PRIMARY KEY, UNIQUE (gateway, id)
);
{FILE_TABLES}
CREATE TABLE commands (
    id TEXT PRIMARY KEY, gateway TEXT, action TEXT, target TEXT, arguments TEXT, expires_ms INTEGER,
    sent_ms INTEGER, state TEXT, detail TEXT, level_pct INTEGER, result_ms INTEGER, arrived_ms INTEGER
);
"""

_ANOTHER = "name another with --database"

STATES_KEPT = 16
"""States of compact batches that are kept of each gateway, the newest."""
_RANGES_LOOKED_AT = 1 << 16
"""Sequences that are looked at for one answer."""

SENT = "sent"
"""State of a command without a result; then it is what the gateway says: confirmed, failed, expired or refused."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """What is said of every item of a record."""

    gateway: str
    epoch: int
    sequence: int
    arrived_ms: int
    is_late: bool
    trusted: bool

    @property
    def row(self) -> tuple[int, int, int]:
        """The columns epoch, sequence and arrived_ms."""
        return self.epoch, self.sequence, self.arrived_ms


class StoreError(GatepostError):
    """The platform's database cannot be used; the text says which, why, and what to do."""


class PlatformStore:
    """One file, one connection, one platform at a time; others may read it.

    Raises StoreError when the file cannot be used, and apsw.Error when it fails later.
    """

    def __init__(self, path: Path) -> None:
        lock = _take_lock(path)
        try:
            self._connection = _open(path)
        except BaseException:
            os.close(lock)
            raise
        self._lock: int | None = lock
        self.files = PlatformFiles(self._connection)

    def close(self) -> None:
        """Close the file, for another platform to open. A second call does nothing."""
        self._connection.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def highest(self, gateway: str, epoch: int) -> int:
        """The highest sequence that is here of a gateway's epoch, 0 for none."""
        find = "SELECT max(sequence) FROM stored WHERE gateway = ? AND epoch = ?"
        return int(self._connection.execute(find, (gateway, epoch)).get or 0)

    def ranges(self, gateway: str, epoch: int, first: int, last: int | None = None) -> list[tuple[int, int]]:
        """What is here of a gateway's epoch from the sequence `first` to `last`, as ascending ranges, ends included."""
        find = (
            "SELECT sequence FROM stored WHERE gateway = ? AND epoch = ? AND sequence BETWEEN ? AND ? "
            f"ORDER BY sequence LIMIT {_RANGES_LOOKED_AT}"
        )
        found: list[tuple[int, int]] = []
        bounds = (first, (1 << 63) - 1 if last is None else last)
        for (sequence,) in self._connection.execute(find, (gateway, epoch, *bounds)):
            if found and found[-1][1] == sequence - 1:
                found[-1] = (found[-1][0], sequence)
            else:
                found.append((sequence, sequence))
        return found

    def state(self, gateway: str, state_id: bytes) -> tuple[bytes, bytes] | None:
        """(digest of the channel table, state) of a compact batch that was stored; None when it is not here."""
        find = "SELECT digest, state FROM states WHERE gateway = ? AND id = ?"
        row = self._connection.execute(find, (gateway, state_id)).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def forget_states(self) -> None:
        """Lose all states, as a platform does that kept them in memory."""
        self._connection.execute("DELETE FROM states")

    def store(
        self,
        gateway: str,
        epoch: int,
        records: Sequence[SentRecord],
        arrived_ms: int,
        is_late: bool = False,
        state: tuple[bytes, bytes, bytes] | None = None,
    ) -> list[SentRecord]:
        """Store those records that are new, in one transaction, and return them.

        `is_late`: they were sent as of the past. `state` (id, digest of the channel table, state) is what the next
        compact batch may refer to.
        """
        execute = self._connection.execute
        new = []
        with self._connection:
            for record in records:
                key = (gateway, epoch, record.sequence)
                if execute("INSERT INTO stored VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1", key).get:
                    new.append(record)
                    origin = _Origin(gateway, epoch, record.sequence, arrived_ms, is_late, record.trusted)
                    for item in record.items:
                        self._store_item(item, origin)
            if state is not None:
                self._keep_state(gateway, *state)
        return new

    def _keep_state(self, gateway: str, state_id: bytes, digest: bytes, state: bytes) -> None:
        execute = self._connection.execute
        execute("DELETE FROM states WHERE gateway = ? AND id = ?", (gateway, state_id))
        execute("INSERT INTO states VALUES (?, ?, ?, ?, NULL)", (gateway, state_id, digest, state))
        execute(
            "DELETE FROM states WHERE gateway = ? AND number NOT IN "
            "(SELECT number FROM states WHERE gateway = ? ORDER BY number DESC LIMIT ?)",
            (gateway, gateway, STATES_KEPT),
        )

    def add_command(self, gateway: str, command: Command, sent_ms: int) -> None:
        """Put a command into the table, as sent. Raises apsw.ConstraintError when its id was used before."""
        self._connection.execute(
            "INSERT INTO commands VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', NULL, NULL, NULL)",
            (
                command.id,
                gateway,
                command.action,
                command.target,
                json.dumps(dict(command.arguments), sort_keys=True),
                command.expires_ms,
                sent_ms,
                SENT,
            ),
        )

    def pending_commands(self, gateway: str, now_ms: int) -> list[Command]:
        """Commands for a gateway (or for any) that have no result and have not expired, oldest first."""
        rows = self._connection.execute(
            "SELECT id, action, target, arguments, expires_ms FROM commands WHERE state = ? AND gateway IN ('', ?) "
            "AND (expires_ms = 0 OR expires_ms > ?) ORDER BY sent_ms, id",
            (SENT, gateway, now_ms),
        )
        return [
            Command(id_, action, target, json.loads(arguments), expires_ms)
            for id_, action, target, arguments, expires_ms in rows
        ]

    def commands(self) -> list[dict[str, object]]:
        """All commands as dicts of the columns of `commands`, oldest first."""
        cursor = self._connection.execute("SELECT * FROM commands ORDER BY sent_ms, id")
        rows = cursor.fetchall()
        names = _columns(self._connection, "commands")
        return [dict(zip(names, row, strict=True)) for row in rows]

    def count(self, table: str) -> int:
        """Rows of `readings`, `windows`, `alarms`, `events` or `commands`."""
        if table not in ("readings", "windows", "alarms", "events", "commands"):
            raise ValueError(f"there is no table {table}")
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").get)

    def _store_item(self, item: Item, origin: "_Origin") -> None:
        gateway = origin.gateway
        if isinstance(item, SentReading):
            row = (gateway, item.point, item.time_ms, item.value, item.exponent, item.kind, item.unit)
            self._insert("readings", *row, *origin.row, origin.is_late, origin.trusted)
        elif isinstance(item, SentWindow):
            self._store_window(item, origin)
        elif isinstance(item, SentAlarm):
            alarm = (gateway, item.point, item.time_ms, item.state, item.code, item.source, item.number)
            self._insert("alarms", *alarm, *origin.row, origin.trusted)
        elif isinstance(item, SentEvent):
            event = (gateway, item.name, item.time_ms, item.code, item.source, item.number, item.detail)
            self._insert("events", *event, *origin.row, origin.trusted)
        else:
            self._store_result(item, origin.arrived_ms)

    def _store_window(self, window: SentWindow, origin: "_Origin") -> None:
        """In the place of what it replaces, as far as that has arrived."""
        end_ms = window.time_ms + 1000 * window.span_s
        for first, last in window.replaces:
            where = (origin.gateway, origin.epoch, window.point, window.kind, window.time_ms, end_ms, first, last)
            for table in ("readings", "windows"):
                self._connection.execute(
                    f"DELETE FROM {table} WHERE gateway = ? AND epoch = ? AND point = ? AND kind = ? "
                    "AND time_ms >= ? AND time_ms < ? AND sequence BETWEEN ? AND ?",
                    where,
                )
        row = (origin.gateway, window.point, window.time_ms, window.span_s, window.least, window.greatest)
        figures = (window.total, window.count, window.exponent, window.kind, window.unit)
        self._insert("windows", *row, *figures, *origin.row, origin.is_late, origin.trusted)

    def _insert(self, table: str, *values: int | str | None) -> None:
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"INSERT INTO {table} VALUES ({marks})", values)

    def _store_result(self, result: SentResult, arrived_ms: int) -> None:
        self._connection.execute(
            "UPDATE commands SET state = ?, detail = ?, level_pct = ?, result_ms = ?, arrived_ms = ? "
            "WHERE id = ? AND state = ?",
            (result.state, result.detail, result.level_pct, result.time_ms, arrived_ms, result.command_id, SENT),
        )


def _take_lock(path: Path) -> int:
    try:
        return take_lock(path)
    except BlockingIOError as error:
        raise StoreError(f"{path}: another platform stores into this file: end it, or {_ANOTHER}") from error
    except FileNotFoundError as error:
        raise StoreError(
            f"{path}: the folder {path.parent} does not exist: make it (mkdir -p {path.parent}), or {_ANOTHER}"
        ) from error
    except OSError as error:
        raise StoreError(
            f"{path}: cannot be opened ({error.strerror}): see that the folder {path.parent} may be written, or "
            f"{_ANOTHER}"
        ) from error


def _open(path: Path) -> apsw.Connection:
    """The connection to a database that is ours or new."""
    try:
        connection = apsw.Connection(str(path))
        try:
            connection.set_busy_timeout(1000)
            if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
                with connection:
                    connection.execute(_TABLES)
            elif not _is_ours(connection):
                raise StoreError(f"{path}: the file is a database of something else: move it away, or {_ANOTHER}")
            # What is acknowledged leaves the gateway's journal, so that it must be on this disk, not on its way there.
            connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
        except BaseException:
            connection.close(True)
            raise
    except apsw.NotADBError as error:
        raise StoreError(f"{path}: the file is not a database: move it away, or {_ANOTHER}") from error
    except apsw.Error as error:
        raise StoreError(
            f"{path}: cannot be opened ({error}): see that it is a file and that it and the folder {path.parent} may "
            f"be written, or {_ANOTHER}"
        ) from error
    return connection


def _is_ours(connection: apsw.Connection) -> bool:
    """Whether the file has our format and each of our tables has our columns."""
    if connection.execute("PRAGMA user_version").get != FORMAT:
        return False
    model = apsw.Connection(":memory:")
    try:
        model.execute(_TABLES)
        tables = [str(row[0]) for row in model.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return all(_columns(connection, table) == _columns(model, table) for table in tables)
    finally:
        model.close()


def _columns(connection: apsw.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
