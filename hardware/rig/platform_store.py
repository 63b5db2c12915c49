"""The platform stand-in's database: everything that gateways sent, each journal record once, and the commands.

SQLite. A message is stored whole in one transaction before it is answered. Whoever wants to count again reads the
tables; `readings`, `alarms`, `events` and `commands` are meant for people.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import apsw

from gateway_agent.errors import GatepostError
from gateway_agent.journal.file_lock import take_lock
from gateway_agent.records import Command
from hardware.rig.platform_messages import Item, SentAlarm, SentEvent, SentReading, SentRecord, SentResult

FORMAT = 1
"""PRAGMA user_version of the files that this code reads and writes."""

_TABLES = f"""
PRAGMA user_version = {FORMAT};
CREATE TABLE stored (
    gateway TEXT, epoch INTEGER, sequence INTEGER, PRIMARY KEY (gateway, epoch, sequence)
) WITHOUT ROWID;
CREATE TABLE readings (
    gateway TEXT, point TEXT, time_ms INTEGER, value INTEGER, exponent INTEGER, kind TEXT, unit TEXT,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER
);
CREATE TABLE alarms (
    gateway TEXT, point TEXT, time_ms INTEGER, state INTEGER, code TEXT, source TEXT, number INTEGER,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER
);
CREATE TABLE events (
    gateway TEXT, name TEXT, time_ms INTEGER, code TEXT, source TEXT, number INTEGER,
    epoch INTEGER, sequence INTEGER, arrived_ms INTEGER
);
CREATE TABLE commands (
    id TEXT PRIMARY KEY, gateway TEXT, action TEXT, target TEXT, arguments TEXT, expires_ms INTEGER,
    sent_ms INTEGER, state TEXT, detail TEXT, level_pct INTEGER, result_ms INTEGER, arrived_ms INTEGER
);
"""

_ANOTHER = "name another with --database"

SENT = "sent"
"""State of a command without a result; then it is what the gateway says: confirmed, failed, expired or refused."""


class StoreError(GatepostError):
    """The platform's database cannot be used; the text says which, why, and what to do."""


class PlatformStore:
    """One file, one connection, one platform at a time; others may read it.

    Raises StoreError when the file cannot be used, and apsw.Error when it fails later.
    """

    def __init__(self, path: Path) -> None:
        self._lock = _take_lock(path)
        try:
            self._connection = _open(path)
        except BaseException:
            os.close(self._lock)
            raise

    def close(self) -> None:
        """Close the file, for another platform to open."""
        self._connection.close()
        os.close(self._lock)

    def store(self, gateway: str, epoch: int, records: Sequence[SentRecord], arrived_ms: int) -> list[SentRecord]:
        """Store those records that are new, in one transaction, and return them."""
        execute = self._connection.execute
        new = []
        with self._connection:
            for record in records:
                key = (gateway, epoch, record.sequence)
                if execute("INSERT INTO stored VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1", key).get:
                    new.append(record)
                    for item in record.items:
                        self._store_item(gateway, item, (epoch, record.sequence, arrived_ms))
        return new

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
        """Rows of `readings`, `alarms`, `events` or `commands`."""
        if table not in ("readings", "alarms", "events", "commands"):
            raise ValueError(f"there is no table {table}")
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").get)

    def _store_item(self, gateway: str, item: Item, origin: tuple[int, int, int]) -> None:
        execute = self._connection.execute
        if isinstance(item, SentReading):
            row = (gateway, item.point, item.time_ms, item.value, item.exponent, item.kind, item.unit)
            execute("INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, *origin))
        elif isinstance(item, SentAlarm):
            alarm = (gateway, item.point, item.time_ms, item.state, item.code, item.source, item.number)
            execute("INSERT INTO alarms VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (*alarm, *origin))
        elif isinstance(item, SentEvent):
            event = (gateway, item.name, item.time_ms, item.code, item.source, item.number)
            execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*event, *origin))
        else:
            self._store_result(item, origin[2])

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
            connection.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")
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
