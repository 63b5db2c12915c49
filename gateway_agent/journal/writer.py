"""The one connection to the journal's file: commits lists of entries, reads records back. Not for two threads at once.

After an error the connection is closed and opened anew before the next try, so nothing half-done is carried along. A
commit whose success is unknown (the disk failed while it was synced) is looked up by the sequence it would have
reached: it is never written twice.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import apsw

from gateway_agent.journal import commands
from gateway_agent.journal.codec import TELEMETRY, Record, decode_record
from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.file_lock import take_lock
from gateway_agent.journal.schema import WAITING, describe, open_database
from gateway_agent.journal.transaction import Transaction, Waiting

log = logging.getLogger("gatepost.journal")


class Entry(Protocol):
    """Something that a commit writes; `readings` is how many readings it holds."""

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        ...

    def write(self, transaction: Transaction) -> None:
        """Write it through `transaction`."""
        ...


class Writer:
    """Owns the file, its lock and its counters. Every method may raise JournalUnavailable and may be called again.

    `epoch` names the file; `waiting` counts what is not acknowledged; `committed_readings` is the total since the file
    was made; `last_sample_ms` is the newest committed sample of each point; `acknowledged` is the highest sequence
    that the platform has acknowledged. `vfs` is as in `open_database`.
    """

    def __init__(self, path: Path, keep_acknowledged: bool = False, *, vfs: str | None = None) -> None:
        self.path = path
        self.keep_acknowledged = keep_acknowledged
        self.epoch = 0
        self.waiting = Waiting()
        self.committed_readings = 0
        self.last_sample_ms: dict[str, int] = {}
        self.standing_alarms: list[tuple[str, str]] = []
        self.acknowledged = 0
        self.set_aside = 0
        self._next_sequence = 1
        self._doubtful_end: int | None = None
        self._telemetry_floor = 0
        self._connection: apsw.Connection | None = None
        self._vfs = vfs
        self._lock = _take_lock(path)
        try:
            self._connect(may_create=True)
        except JournalError:
            os.close(self._lock)
            raise

    def commit(self, entries: Sequence[Entry]) -> None:
        """Write all entries in one durable transaction; their results are in them afterwards.

        Any other error than JournalUnavailable comes from an entry that cannot be written; nothing is committed then.
        """
        connection = self._connected()
        doubtful_end, self._doubtful_end = self._doubtful_end, None
        if doubtful_end is not None and self._next_sequence > doubtful_end:
            return
        transaction = Transaction(connection, self._next_sequence, self.keep_acknowledged)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for entry in entries:
                entry.write(transaction)
            transaction.finish()
            if transaction.next_sequence > self._next_sequence:
                self._doubtful_end = transaction.next_sequence - 1
            connection.execute("COMMIT")
        except apsw.Error as error:
            self._disconnect()
            raise JournalUnavailable(f"{self.path}: the journal cannot be written: {describe(error)}") from error
        except BaseException:
            self._disconnect()
            raise
        self._doubtful_end = None
        self._take_over(transaction)

    def read(self, record_class: int, limit: int) -> tuple[list[Record], list[int]]:
        """The oldest `limit` waiting records of a class, and the sequences of those among them that are damaged."""
        floor = self._telemetry_floor if record_class == TELEMETRY else 0
        urgent = "" if record_class == TELEMETRY else "AND class < 3"
        try:
            rows: list[Any] = (
                self._connected()
                .execute(
                    f"SELECT sequence, class, crc32, body FROM record WHERE class = ? AND state = {WAITING} {urgent} "
                    "AND sequence > ? ORDER BY sequence LIMIT ?",
                    (record_class, floor, limit),
                )
                .fetchall()
            )
        except apsw.Error as error:
            self._disconnect()
            raise JournalUnavailable(f"{self.path}: the journal cannot be read: {describe(error)}") from error
        if record_class == TELEMETRY:
            self._telemetry_floor = rows[0][0] - 1 if rows else self._next_sequence - 1
        return _decode_rows(rows)

    def unfinished_commands(self) -> list[commands.StoredCommand]:
        """Commands that have no result yet."""
        try:
            return commands.unfinished_commands(self._connected())
        except apsw.Error as error:
            self._disconnect()
            raise JournalUnavailable(f"{self.path}: the journal cannot be read: {describe(error)}") from error

    def close(self) -> None:
        """Close the file and give up its lock; what was committed stays."""
        connection, self._connection = self._connection, None
        try:
            if connection is not None:
                connection.close()
        except apsw.Error as error:
            log.warning("%s: closing the journal: %s; what was committed is in its log", self.path, describe(error))
        finally:
            os.close(self._lock)

    def _take_over(self, transaction: Transaction) -> None:
        self._next_sequence = transaction.next_sequence
        self.committed_readings += transaction.committed_readings
        self.waiting.readings += transaction.change.readings
        for record_class, records in enumerate(transaction.change.records):
            self.waiting.records[record_class] += records
        for point, last_ms in transaction.last_sample_ms.items():
            self.last_sample_ms[point] = max(last_ms, self.last_sample_ms.get(point, 0))

    def _connected(self) -> apsw.Connection:
        return self._connection or self._connect(may_create=False)

    def _connect(self, may_create: bool) -> apsw.Connection:
        try:
            connection = open_database(self.path, may_create=may_create, vfs=self._vfs)
            try:
                self._load(connection)
            except BaseException:
                connection.close(True)
                raise
        except apsw.Error as error:
            kind = JournalError if may_create else JournalUnavailable
            raise kind(f"{self.path}: the journal cannot be opened: {describe(error)}") from error
        self._connection = connection
        return connection

    def _load(self, connection: apsw.Connection) -> None:
        marks = dict(_pairs(connection, "SELECT name, value FROM mark"))
        if self.epoch and marks["epoch"] != self.epoch:
            raise JournalUnavailable(f"{self.path}: another journal is in this place now; put the former one back")
        self.epoch = marks["epoch"]
        self.acknowledged = marks["acknowledged"]
        last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'record'").get
        self._next_sequence = 1 + (last or 0)
        self.waiting = Waiting()
        self.set_aside = 0
        for state, record_class, records, readings in connection.execute(
            "SELECT state, class, count(*), sum(readings) FROM record GROUP BY state, class"
        ):
            if state == WAITING and 0 <= record_class < len(self.waiting.records):
                self.waiting.add(record_class, records, readings)
        self.committed_readings = connection.execute("SELECT coalesce(sum(committed), 0) FROM point").get
        self.last_sample_ms = dict(_pairs(connection, "SELECT name, last_ms FROM point WHERE kind = 'sample'"))
        self.standing_alarms = _pairs(connection, "SELECT name, code FROM alarm WHERE stands")
        self._telemetry_floor = 0

    def _disconnect(self) -> None:
        """Close the connection after an error, without moving the log into the file: the disk has just failed."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                connection.close(True)
            except apsw.Error as error:
                log.debug("closing %s after an error: %s", self.path, error)


def _pairs(connection: apsw.Connection, query: str) -> list[tuple[Any, Any]]:
    return [(key, value) for key, value in connection.execute(query)]


def _decode_rows(rows: list[Any]) -> tuple[list[Record], list[int]]:
    records, damaged = [], []
    for sequence, record_class, crc32, body in rows:
        try:
            records.append(decode_record(sequence, record_class, crc32, body))
        except JournalError:
            damaged.append(sequence)
    return records, damaged


def _take_lock(path: Path) -> int:
    """Lock the journal for this process and return the lock's descriptor. Raises JournalError with the mend."""
    try:
        return take_lock(path)
    except BlockingIOError as error:
        raise JournalError(f"{path}: another gateway agent is using this journal; stop it first") from error
    except FileNotFoundError as error:
        raise JournalError(
            f"{path}: the journal's folder {path.parent} does not exist; make it: mkdir -p {path.parent}"
        ) from error
    except OSError as error:
        raise JournalError(
            f"{path}: the journal cannot be opened: {error.strerror}; see that its folder may be written"
        ) from error
