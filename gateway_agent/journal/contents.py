"""What the file holds, counted and checked: loaded once when the file is opened, kept in step by each commit.

Loading looks at everything. SQLite checks its own structure, every row is checked by its CRC, the two tables of items
must agree, and the rows must be exactly those that the numbers say: every sequence up to the last one is either there
or known to have left. So nothing that is damaged or missing goes unnoticed, whatever the damage.
"""

import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import apsw
import cbor2

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import CLASSES, TELEMETRY, Channel, numbers_of
from gateway_agent.journal.items import Item, Items, write_all
from gateway_agent.journal.rows import item_checksum, record_checksum
from gateway_agent.journal.schema import FORMAT, WAITING, model, structure
from gateway_agent.journal.snapshots import read_snapshot
from gateway_agent.journal.spans import Spans
from gateway_agent.records import Era

ROW_BYTES = 28
"""What a row takes beside its body, about: SQLite's head of a row, its pointer, and the other columns."""
LATEST_EVERY = 5000
"""After so many records the newest sample of each channel is written down, so that opening need not look for it."""
FORMAT_MARK, ACKNOWLEDGED, RETIRED_READINGS, LATEST, DOUBT = "format", "acknowledged", "retired", "latest", "doubt"
"""Names of marks. DOUBT: ranges of sequences that were sent and perhaps not acknowledged. UNASKED: the
first sequence that was given since the platform was last asked what it has."""
UNASKED = "unasked"


class Damaged(Exception):  # noqa: N818 - it names a state of the file, not a mistake
    """The file is a journal and is not as it was written; the text says how it shows."""


_UNREADABLE = (ValueError, TypeError, KeyError, IndexError, cbor2.CBORDecodeError, struct.error)
"""What comes of columns that are of another type than they were written, or of text that is no Unicode any more."""


class Foreign(Exception):  # noqa: N818
    """The file is something else, or a journal of another format."""


@dataclass
class Waiting:
    """Records, their bytes and readings that the platform has not acknowledged, per class (codec.CLASSES)."""

    records: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    bytes: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    readings: int = 0

    @property
    def depth(self) -> int:
        """Records of all classes."""
        return sum(self.records)

    def add(self, record_class: int, sign: int, readings: int, body_bytes: int) -> None:
        """Count one record in (sign 1) or out (-1)."""
        self.records[record_class] += sign
        self.bytes[record_class] += sign * (ROW_BYTES + body_bytes)
        self.readings += sign * readings

    def take(self, other: "Waiting") -> None:
        """Add another count to this one."""
        self.records = [mine + its for mine, its in zip(self.records, other.records, strict=True)]
        self.bytes = [mine + its for mine, its in zip(self.bytes, other.bytes, strict=True)]
        self.readings += other.readings


class Contents:
    """The mirror of a file.

    `next_sequence` is what the next record gets; `gone` are the sequences that have left, `doubt` those that the
    platform may have; `latest` is the time of the newest reading of each channel, `numbers` the channels' numbers; the
    first era gets the number after `eras_from`. `is_asked` tells that the platform was asked what it has since the
    start; `knows_past` is False while the agent runs without the disk that holds what it did before.
    """

    def __init__(self) -> None:
        self.items = Items()
        self.knows_past = True
        self.gone = Spans()
        self.doubt = Spans()
        self.is_asked = False
        self.waiting = Waiting()
        self.next_sequence = 1
        self.held_readings = 0
        self.latest: dict[int, int] = {}
        self.latest_as_of = 0
        self.snapshot_as_of = 0
        self.floors: dict[int, int] = {}
        self.numbers: dict[Channel, int] = {}
        self.eras_from = 0
        self._channels: dict[int, Channel] = {}
        self._epochs: list[tuple[int, int]] = []
        self._eras: dict[int, Era] = {}

    @property
    def last_sequence(self) -> int:
        """The highest sequence that was ever given, 0 for none."""
        return self.next_sequence - 1

    @property
    def epoch(self) -> int:
        """The epoch of the next record."""
        return self.epoch_of(self.next_sequence)

    @property
    def epochs(self) -> list[tuple[int, int]]:
        """(first sequence, epoch), ascending."""
        return self._epochs

    @property
    def unasked_from(self) -> int:
        """The first sequence that was given since the platform was last asked what it has; else the next one."""
        return int(self.items.get(kinds.MARK, UNASKED) or self.next_sequence)

    @property
    def committed_readings(self) -> int:
        """Readings that were ever committed."""
        return self.held_readings + int(self.items.get(kinds.MARK, RETIRED_READINGS) or 0)

    @property
    def acknowledged(self) -> int:
        """The highest sequence that the platform has ever acknowledged."""
        return int(self.items.get(kinds.MARK, ACKNOWLEDGED) or 0)

    @property
    def eras(self) -> dict[int, Era]:
        """Every era by its number."""
        return self._eras

    def epoch_of(self, sequence: int) -> int:
        """The epoch under which the platform knows a sequence."""
        found = 0
        for first, epoch in self._epochs:
            if first <= sequence:
                found = epoch
        return found

    def channel(self, number: int) -> Channel:
        """What a channel stands for; KeyError for a number that was never given."""
        return self._channels[number]

    def go_on_at(self, next_sequence: int) -> "Contents":
        """Other contents that know the same facts and hold no record; their next record gets `next_sequence`."""
        other = Contents()
        for kind, key, item in self.items.rows():
            other.items.take(kind, key, item)
        other.take_items()
        other.take_latest(dict(self.latest))
        other.next_sequence, other.is_asked = next_sequence, self.is_asked
        return other

    def floor(self, record_class: int) -> int:
        """A sequence up to which nothing of the class waits."""
        return self.floors.get(record_class, 0)

    def shift(self, era: int) -> tuple[int, bool]:
        """(what to add to a time of that era, whether it is right then)."""
        if era == 0:
            return 0, True
        known = self._eras.get(era)
        return (0, False) if known is None or known.shift_ms is None else (known.shift_ms, True)

    def last_sample_ms(self) -> dict[str, int]:
        """The time of the newest committed sample of each point."""
        known = self._channels
        newest = ((known[number], time_ms) for number, time_ms in self.latest.items() if number in known)
        return {point: time_ms for (point, _, kind), time_ms in newest if kind == "sample"}

    def standing_alarms(self) -> list[tuple[str, str]]:
        """(name, code) of the alarms that stand."""
        keys = (key for key, stands in self.items.all(kinds.STANDING) if stands)
        return [(name, code) for name, _, code in (key.partition("\n") for key in keys)]

    def take_items(self) -> None:
        """Read again what the items say."""
        self.gone = Spans((int(key), last) for key, last in self.items.all(kinds.GONE))
        self.doubt = Spans((first, last) for first, last in self.items.get(kinds.MARK, DOUBT) or ())
        self._epochs = sorted((int(key), epoch) for key, epoch in self.items.all(kinds.EPOCH))
        self._eras = {int(key): Era(int(key), *fields) for key, fields in self.items.all(kinds.ERA)}
        channels = ((int(key), tuple(fields)) for key, fields in self.items.all(kinds.CHANNEL))
        self._channels = {number: (point, exponent, kind) for number, (point, exponent, kind) in channels}
        self.numbers = {channel: number for number, channel in self._channels.items()}

    def take_latest(self, latest: dict[int, int]) -> None:
        """Take the newest samples as they are now, and how much of them is written down."""
        self.latest = latest
        self.latest_as_of, _ = self.items.get(kinds.MARK, LATEST) or (0, {})


def new_epoch() -> int:
    """A random number of 32 bits, never 0."""
    return 1 + secrets.randbelow((1 << 32) - 1)


def begin(connection: apsw.Connection, first_sequence: int = 1) -> None:
    """Write what a new file begins with. `first_sequence` is what its first record gets."""
    items = Items()
    for key, kind, value in (
        (FORMAT_MARK, kinds.MARK, FORMAT),
        (str(first_sequence), kinds.EPOCH, new_epoch()),
    ):
        items.take(kind, key, Item(items.next_number, 1, cbor2.dumps(value)))
    if first_sequence > 1:
        items.take(kinds.GONE, "1", Item(items.next_number, 1, cbor2.dumps(first_sequence - 1)))
        connection.execute("INSERT INTO sqlite_sequence VALUES ('record', ?)", (first_sequence - 1,))
    write_all(connection, items)


def load(connection: apsw.Connection) -> Contents:
    """Read and check everything. Raises Damaged, Foreign, or apsw.Error when the disk fails."""
    try:
        return _load(connection)
    except _UNREADABLE as error:
        raise Damaged(f"it cannot be read ({error})") from error


def _load(connection: apsw.Connection) -> Contents:
    _check_structure(connection)
    contents = Contents()
    contents.items = _load_items(connection)
    contents.snapshot_as_of = _check_snapshots(connection)
    if contents.items.get(kinds.MARK, FORMAT_MARK) != FORMAT:
        raise Damaged("the mark of its format is missing")
    contents.take_items()
    last = int(connection.execute("SELECT max(seq) FROM sqlite_sequence").get or 0)
    contents.next_sequence = last + 1
    rows = _count_records(connection, contents)
    strays = sum(
        connection.execute("SELECT count(*) FROM record WHERE sequence BETWEEN ? AND ?", span).get
        for span in contents.gone
    )
    unknown = connection.execute("SELECT count(*) FROM record WHERE sequence NOT BETWEEN 1 AND ?", (last,)).get
    if strays or unknown or rows + contents.gone.total != last:
        raise Damaged(f"of records 1 to {last} there are {rows}, and {contents.gone.total} have left")
    return contents


def _check_structure(connection: apsw.Connection) -> None:
    version = connection.execute("PRAGMA user_version").get
    try:
        # Not the quick one: an index that lacks a row would hide an alarm.
        verdict = connection.execute("PRAGMA integrity_check(1)").get
        tables = structure(connection)
    except apsw.SQLError as error:
        raise Foreign(f"it has not the tables of a journal ({error})") from error
    if verdict != "ok":
        raise Damaged(f"SQLite finds: {verdict}")
    if tables.keys() != model().keys():
        raise Foreign("it has not the tables of a journal")
    if tables != model():
        raise Damaged("what it says of its tables is not what was written")
    if version != FORMAT:
        raise Foreign(f"its format is {version}, this agent reads {FORMAT}")


def _load_items(connection: apsw.Connection) -> Items:
    items = Items()
    seen: list[list[Any]] = []
    for table in kinds.TABLES:
        rows: list[Any] = connection.execute(f"SELECT * FROM {table} ORDER BY number").fetchall()
        seen.append(rows)
        for number, kind, key, version, body, crc32 in rows:
            if item_checksum(number, kind, key, version, body) != crc32:
                raise Damaged(f"row {number} of {table} fails its checksum")
            if table == kinds.TABLES[0]:
                items.take(kind, key, Item(number, version, body))
    if seen[0] != seen[1]:
        raise Damaged("the two tables of items differ")
    return items


def _check_snapshots(connection: apsw.Connection) -> int:
    """The number of the newest, 0 for none. Raises ValueError for a damaged one."""
    newest = 0
    rows: list[Any] = connection.execute("SELECT * FROM snapshot").fetchall()
    for number, body, crc32 in rows:
        newest = max(newest, number)
        for _ in read_snapshot(number, body, crc32):
            pass
    return newest


def _count_records(connection: apsw.Connection, contents: Contents) -> int:
    as_of, latest = contents.items.get(kinds.MARK, LATEST) or (0, {})
    contents.latest, contents.latest_as_of = dict(latest), as_of
    waiting, rows, held = contents.waiting, 0, 0
    records, bytes_, waiting_readings = waiting.records, waiting.bytes, 0
    # As few calls as can be: a long outage leaves millions of rows, and the agent waits for this when it starts.
    for sequence, record_class, time_ms, era, readings, state, body, crc32 in connection.execute(
        "SELECT * FROM record"
    ):
        if record_checksum(sequence, record_class, time_ms, era, readings, state, body) != crc32:
            raise Damaged(f"record {sequence} fails its checksum")
        rows += 1
        held += readings
        if state == WAITING:
            records[record_class] += 1
            bytes_[record_class] += ROW_BYTES + len(body)
            waiting_readings += readings
        if record_class == TELEMETRY and sequence > as_of:
            note_latest(contents.latest, time_ms, body)
    waiting.readings = waiting_readings
    contents.held_readings = held
    return rows


def note_latest(latest: dict[int, int], time_ms: int, body: bytes) -> None:
    """Take the times of a telemetry body into the newest sample of each channel."""
    for channel, _, after_ms in numbers_of(body):
        if time_ms + after_ms > latest.get(channel, time_ms + after_ms - 1):
            latest[channel] = time_ms + after_ms
