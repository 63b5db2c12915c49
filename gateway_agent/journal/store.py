"""One database with the journal's tables, on the disk or in memory: commits lists of entries, reads records back.

Any apsw.Error may come out of it; the store is of no use then and must be opened anew. Not for two threads at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

import apsw

from gateway_agent.journal.codec import TELEMETRY, Record, decode_content
from gateway_agent.journal.contents import Contents
from gateway_agent.journal.errors import JournalError
from gateway_agent.journal.rows import record_checksum
from gateway_agent.journal.schema import WAITING
from gateway_agent.journal.transaction import Transaction


class Entry(Protocol):
    """Something that a commit writes; `readings` is how many readings it holds.

    One that `needs_disk` is never written into memory: JournalUnavailable comes instead.
    """

    needs_disk: bool

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        ...

    def write(self, transaction: Transaction) -> None:
        """Write it through `transaction`."""
        ...


class Store:
    """A connection and the mirror of what it holds. `doubtful` is the last sequence of a commit that may have been."""

    def __init__(self, connection: apsw.Connection, contents: Contents, keep_acknowledged: bool) -> None:
        self.connection = connection
        self.contents = contents
        self.keep_acknowledged = keep_acknowledged
        self.doubtful: int | None = None

    @property
    def used_bytes(self) -> int:
        """Bytes of the database that hold something."""
        execute = self.connection.execute
        pages = execute("PRAGMA page_count").get - execute("PRAGMA freelist_count").get
        return int(pages * execute("PRAGMA page_size").get)

    def commit(self, entries: Iterable[Entry]) -> list[int]:
        """Write all entries in one transaction; their results are in them afterwards. Returns the sequences that were
        acknowledged and are not here.

        Any other error than apsw.Error comes from an entry that cannot be written; nothing is written then.
        """
        transaction = Transaction(self.connection, self.contents, self.keep_acknowledged)
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            for entry in entries:
                entry.write(transaction)
            transaction.finish()
        except apsw.Error:
            raise
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.doubtful = transaction.next_sequence - 1
        self.connection.execute("COMMIT")
        self.doubtful = None
        transaction.apply()
        return transaction.unknown

    def read(
        self, record_class: int, limit: int, after: int = 0, up_to: int | None = None
    ) -> tuple[list[Record], list[int]]:
        """The oldest `limit` waiting records of a class with sequences above `after` and not above `up_to`, and the
        sequences of those among them that are damaged."""
        contents = self.contents
        floor = contents.floor(record_class)
        urgent = "" if record_class == TELEMETRY else "AND class <> 3"
        rows: list[Any] = self.connection.execute(
            "SELECT sequence, class, time_ms, era, readings, state, body, crc32 FROM record "
            f"WHERE class = ? AND state = {WAITING} {urgent} AND sequence > ? AND sequence <= ? "
            "ORDER BY sequence LIMIT ?",
            (record_class, max(after, floor), contents.last_sequence if up_to is None else up_to, limit),
        ).fetchall()
        if after <= floor and (rows or up_to is None):
            contents.floors[record_class] = rows[0][0] - 1 if rows else contents.last_sequence
        return self._decode_rows(rows)

    def last_before(self, time_ms: int) -> tuple[int, int]:
        """The highest sequence of waiting telemetry whose time is before `time_ms`, and how many readings wait up to
        it; zeros for none."""
        execute, floor = self.connection.execute, self.contents.floor(TELEMETRY)
        waits = f"class = {TELEMETRY} AND state = {WAITING} AND sequence > ?"
        find = f"SELECT sequence FROM record WHERE {waits} AND time_ms < ? ORDER BY sequence DESC LIMIT 1"
        last = execute(find, (floor, time_ms)).get or 0
        count = f"SELECT coalesce(sum(readings), 0) FROM record WHERE {waits} AND sequence <= ?"
        return int(last), int(execute(count, (floor, last)).get)

    def all_records(self, record_class: int) -> Iterator[Record]:
        """Every record of a class, whatever its state. Raises JournalError for one that cannot be read."""
        for row in self.connection.execute(
            "SELECT sequence, class, time_ms, era, readings, state, body, crc32 FROM record WHERE class = ? "
            "ORDER BY sequence",
            (record_class,),
        ):
            yield self._decode(row)

    def close(self, *, tidy: bool) -> None:
        """Close it; `tidy` moves the log into the file, which a disk that has just failed is not asked to do."""
        if not tidy:
            self.connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self.connection.close(not tidy)

    def _decode_rows(self, rows: Sequence[Any]) -> tuple[list[Record], list[int]]:
        records, damaged = [], []
        for row in rows:
            try:
                records.append(self._decode(row))
            except JournalError:
                damaged.append(row[0])
        return records, damaged

    def _decode(self, row: Any) -> Record:
        sequence, record_class, time_ms, era, readings, state, body, crc32 = row
        if record_checksum(sequence, record_class, time_ms, era, readings, state, body) != crc32:
            raise JournalError(f"record {sequence} fails its checksum")
        shift_ms, trusted = self.contents.shift(era)
        content = decode_content(record_class, time_ms + shift_ms, body, self.contents.channel)
        return Record(sequence, record_class, content, self.contents.epoch_of(sequence), trusted)
