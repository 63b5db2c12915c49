"""A damaged journal: its sound rows go into a new file, the damaged one is set aside, what is missing is told.

Rows are taken from the raw pages (pages.py) and believed only when their CRC is right. The new file is made whole
under another name first; then three renames put it in place. A power cut at any of these steps leaves either the
damaged journal as it was, or a whole new one whose renames are finished at the next start.
"""

import logging
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import cbor2

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import CLASSES, EVENT, TELEMETRY, THINNED, encode_event, numbers_of, read_windows
from gateway_agent.journal.contents import FORMAT_MARK, RETIRED_READINGS, load, new_epoch
from gateway_agent.journal.items import Item, Items, write_all
from gateway_agent.journal.pages import Row, Value, rows_in
from gateway_agent.journal.rows import item_checksum, record_checksum
from gateway_agent.journal.schema import FORMAT, PAGE_BYTES, make_tables, open_file, sync_folder
from gateway_agent.journal.snapshots import read_snapshot
from gateway_agent.journal.spans import Spans, ranges_of
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Event

log = logging.getLogger("gatepost.journal")

REPORTED_RANGES = 32
"""Ranges of missing records that are told one by one; the rest is told in one sum."""
_COMPLETE = "complete"

RecordColumns = tuple[int, int, int, int, int, bytes, int]


@dataclass
class Found:
    """The sound rows of a damaged file. `records` by sequence, as (class, time, era, readings, state, body, crc32)."""

    records: dict[int, RecordColumns] = field(default_factory=dict)
    ages: dict[int, int] = field(default_factory=dict)
    items: Items = field(default_factory=Items)
    highest: int = 0

    def __bool__(self) -> bool:
        """Whether anything of a journal was found."""
        return bool(self.records) or self.items.next_number > 1


def find_rows(path: Path) -> Found:
    """Look for sound rows in the file at `path` and in its log. Raises OSError when the disk fails."""
    found = Found()
    for row in rows_in(_read(path), _read(_log_of(path)), PAGE_BYTES):
        if not (_take_record(row, found) or _take_item(row, found)):
            _take_snapshot(row, found)
    return found


def rebuild(
    path: Path, found: Found, mark: tuple[int, int] | None, now_ms: int, vfs: str | None
) -> tuple[list[tuple[int, int]], int]:
    """Make a whole new journal of what was found and put it in the place of the damaged one.

    `mark` is the first epoch of the file and a sequence that is known to have been committed.
    Returns the ranges of sequences that are missing, which are told in the new journal as events too, and the first
    sequence that was given in it. Raises apsw.Error or OSError when the disk fails; then it can be begun again.
    """
    fresh = _fresh(path)
    _remove_unfinished(path)
    for former in _damaged(path):
        # The disk has an end: the file that is damaged now is the one that is kept.
        _remove(_log_of(former))
        _remove(former)
    gone = Spans((int(key), last) for key, last in found.items.all(kinds.GONE))
    epoch, expected_last = mark or (new_epoch(), 0)
    last = max(found.highest, expected_last, max((high for _, high in gone), default=0))
    channels = {int(key) for key, _ in found.items.all(kinds.CHANNEL)}
    records = {
        sequence: row
        for sequence, row in found.records.items()
        if sequence not in gone and _channels_of(row) <= channels
    }
    present = ranges_of(records)
    for first, high in gone:
        present.add(first, high)
    missing = list(present.gaps(1, last))
    connection = open_file(fresh, may_create=True, vfs=vfs)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA synchronous = EXTRA")
        # Not as a context: its way back from a full disk, which has ended the transaction, is an error of its own.
        connection.execute("BEGIN IMMEDIATE")
        _fill(connection, found, records, gone, missing, last, epoch, now_ms)
        connection.execute("COMMIT")
    finally:
        connection.close()
    sync_folder(path)
    _put_in_place(path)
    return missing, last + 1


def finish_rebuild(path: Path, vfs: str | None) -> None:
    """Finish what a power cut has interrupted between the renames, or remove a new file that was not whole.

    Raises apsw.Error or OSError when the disk fails.
    """
    fresh = _fresh(path)
    if not fresh.exists():
        return
    try:
        connection = open_file(fresh, may_create=False, vfs=vfs)
        try:
            whole = bool(connection.execute("SELECT 1 FROM item WHERE kind = 0 AND key = ?", (_COMPLETE,)).get)
        finally:
            connection.close()
    except (apsw.NotADBError, apsw.CorruptError, apsw.SQLError):
        whole = False
    if whole:
        log.warning("%s: an interrupted repair of the journal is finished", path)
        _put_in_place(path)
    else:
        _remove_unfinished(path)


def _take_record(row: Row, found: Found) -> bool:
    columns: Any = row.columns
    if len(columns) != 7 or not isinstance(columns[5], bytes) or columns[0] not in CLASSES:
        return False
    try:
        if record_checksum(row.number, *columns[:6]) != columns[6]:
            return False
    except struct.error:
        return False
    if row.age >= found.ages.get(row.number, 0):
        found.records[row.number] = columns
        found.ages[row.number] = row.age
        found.highest = max(found.highest, row.number)
    return True


def _take_item(row: Row, found: Found) -> bool:
    columns: tuple[Value, ...] = row.columns
    if len(columns) != 5:
        return False
    kind, key, version, body, crc32 = columns
    if not isinstance(kind, int) or not isinstance(key, str) or not isinstance(version, int):
        return False
    if not isinstance(body, bytes) or item_checksum(row.number, kind, key, version, body) != crc32:
        return False
    found.items.take(kind, key, Item(row.number, version, body))
    return True


def _take_snapshot(row: Row, found: Found) -> None:
    if len(row.columns) != 2 or not isinstance(row.columns[0], bytes) or not isinstance(row.columns[1], int):
        return
    try:
        for kind, key, item in read_snapshot(row.number, row.columns[0], row.columns[1]):
            found.items.take(kind, key, item)
    except ValueError:
        return


def _channels_of(columns: RecordColumns) -> set[int]:
    """The channels without which the row says nothing. Their numbers will be given again, so it must not stay then."""
    record_class, *_, body, _ = columns
    if record_class == TELEMETRY:
        return {channel for channel, _, _ in numbers_of(body)}
    return {read_windows(body)[0]} if record_class in THINNED else set()


def _fill(
    connection: apsw.Connection,
    found: Found,
    records: dict[int, RecordColumns],
    gone: Spans,
    missing: list[tuple[int, int]],
    last: int,
    epoch: int,
    now_ms: int,
) -> None:
    make_tables(connection)
    connection.executemany(
        "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        ((sequence, *columns) for sequence, columns in sorted(records.items())),
    )
    connection.execute("DELETE FROM sqlite_sequence WHERE name = 'record'")
    connection.execute("INSERT INTO sqlite_sequence VALUES ('record', ?)", (last,))
    items = _renumbered(found.items)
    for first, high in missing:
        gone.add(first, high)
    for key, _ in list(items.all(kinds.GONE)):
        items.drop(kinds.GONE, key)
    for first, high in gone:
        _put(items, kinds.GONE, str(first), high)
    if not any(True for _ in items.all(kinds.EPOCH)):
        _put(items, kinds.EPOCH, "1", epoch)
    for era in {row[2] for row in records.values()} - {int(key) for key, _ in items.all(kinds.ERA)} - {0}:
        # Nobody knows that clock any more; its number must not be given to another.
        _put(items, kinds.ERA, str(era), ["", 0, False, None])
    # Numbers above were perhaps given in what is lost: from here on they are of another epoch.
    _put(items, kinds.EPOCH, str(last + 1), new_epoch())
    _put(items, kinds.MARK, FORMAT_MARK, FORMAT)
    _put(items, kinds.MARK, _COMPLETE, True)
    if items.item(kinds.MARK, RETIRED_READINGS) is None:
        _put(items, kinds.MARK, RETIRED_READINGS, 0)
    write_all(connection, items)
    contents = load(connection)
    transaction = Transaction(connection, contents, keep_acknowledged=False)
    for event in _reports(missing, len(records), now_ms):
        transaction.append(EVENT, event.time_ms, encode_event(event))
    transaction.finish()


def _reports(missing: list[tuple[int, int]], salvaged: int, now_ms: int) -> list[Event]:
    count = sum(last - first + 1 for first, last in missing)
    events = [
        Event("journal", "event", "damaged", now_ms, value=count, detail=f"{salvaged} records saved, {count} missing")
    ]
    for first, last in missing[:REPORTED_RANGES]:
        detail = f"records {first} to {last}"
        events.append(Event("journal", "event", "records-missing", now_ms, value=last - first + 1, detail=detail))
    rest = missing[REPORTED_RANGES:]
    if rest:
        count = sum(last - first + 1 for first, last in rest)
        detail = f"{len(rest)} more ranges, from record {rest[0][0]} to {rest[-1][1]}"
        events.append(Event("journal", "event", "records-missing", now_ms, value=count, detail=detail))
    return events


def _renumbered(items: Items) -> Items:
    """The same items with numbers of their own: rows of two files or versions may have had one number."""
    fresh = Items()
    for kind, key, item in sorted(items.rows(), key=lambda row: (row[2].number, row[0], row[1])):
        fresh.take(kind, key, Item(fresh.next_number, item.version, item.body))
    return fresh


def _put(items: Items, kind: int, key: str, value: Any) -> None:
    known = items.item(kind, key)
    number = items.next_number if known is None else known.number
    items.take(kind, key, Item(number, items.version, cbor2.dumps(value)))


def _put_in_place(path: Path) -> None:
    """First the log, then the file, then the new one: at no time is the new file beside the old log."""
    number = 1 + max((_number(old) for old in _damaged(path)), default=0)
    aside = path.with_name(f"{path.name}.damaged-{number}")
    if _log_of(path).exists():
        _log_of(path).rename(_log_of(aside))
        sync_folder(path)
    if path.exists():
        path.rename(aside)
        sync_folder(path)
    _fresh(path).rename(path)
    sync_folder(path)


def _damaged(path: Path) -> list[Path]:
    return [old for old in path.parent.glob(f"{path.name}.damaged-*") if not old.name.endswith("-wal")]


def _number(aside: Path) -> int:
    digits = aside.name.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _remove_unfinished(path: Path) -> None:
    fresh = _fresh(path)
    _remove(fresh.with_name(fresh.name + "-journal"))
    _remove(fresh)


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
