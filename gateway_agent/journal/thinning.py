"""Thinning: when the disk budget is reached, the oldest telemetry becomes windows with least, greatest, sum and count.

Each level (fresh, 1, 5, 15, 60 minutes) is thinned to the next that saves room when it takes the most of it, oldest
first, in blocks of whole rows, so that what is left is finest where it is newest. Nothing is cut off: each reading
stays counted in a window. Windows carry the sequences of what they replace and the platform may have already: what was
sent and not acknowledged.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway_agent.journal.codec import (
    CLASSES,
    LARGEST,
    SPANS_S,
    TELEMETRY,
    WINDOWS_EACH,
    encode_windows,
    numbers_of,
    read_windows,
    span_s,
)
from gateway_agent.journal.contents import ROW_BYTES
from gateway_agent.journal.rows import record_checksum
from gateway_agent.journal.schema import WAITING
from gateway_agent.journal.spans import Spans
from gateway_agent.journal.transaction import Transaction

_MAX_RANGES = 12
_ROWS_EACH, _ROWS_MOST = 2000, 20_000
_LONG_NUMBER = 1 << 40
_WORTH_IT, _FEW = 0.75, 500
"""How much of the room before may be taken after a step that is worth it; few rows go to the next level in any case."""
_Figures = tuple[int, int, int, int]
"""count, least, greatest, total"""
_Slot = tuple[int, int, int]
"""(channel, era, number) of windows that may stand in one record; a number above 0 where sums would be too large"""


@dataclass(frozen=True, slots=True)
class Step:
    """One block that was thinned: from and to (unix milliseconds, to not included), into windows of `span_s`; how many
    records went and came."""

    from_ms: int
    to_ms: int
    span_s: int
    records_before: int
    records_after: int


def thin_oldest(transaction: Transaction, record_class: int, before_ms: int | None = None) -> Step | None:
    """Thin the oldest block of a class of records to the next level that takes clearly less room.

    Only what is older than `before_ms`, if that is given. None when there is nothing to thin.
    """
    rows = _oldest_block(transaction, record_class, before_ms)
    if not rows:
        return None
    room = sum(ROW_BYTES + len(row[3]) for row in rows)
    into, records = record_class, []
    while into < CLASSES[-1]:
        # Windows that are finer than the readings are far apart would only take more room than the readings.
        into += 1
        records = _windowed(transaction, record_class, rows, into)
        if len(rows) < _FEW or sum(ROW_BYTES + len(record.body) for record in records) <= _WORTH_IT * room:
            break
    for sequence, *_ in rows:
        transaction.retire(sequence)
    transaction.move_floor(record_class, rows[-1][0])
    for record in records:
        transaction.append(into, record.from_ms, record.body, era=record.era)
    from_ms, to_ms = min(record.from_ms for record in records), max(record.to_ms for record in records)
    return Step(from_ms, to_ms, span_s(into), len(rows), len(records))


@dataclass(frozen=True, slots=True)
class _Windows:
    """A record to be: its windows from and to, its era and body."""

    from_ms: int
    to_ms: int
    era: int
    body: bytes


def _windowed(
    transaction: Transaction, record_class: int, rows: Sequence[tuple[int, int, int, bytes]], into: int
) -> list[_Windows]:
    """The rows of a class as records of windows of another, in the order of time: what that class takes first when it
    is thinned is oldest then."""
    each_ms = 1000 * span_s(into)
    found: dict[_Slot, dict[int, _Figures]] = defaultdict(dict)
    replaced: dict[tuple[_Slot, int], Spans] = defaultdict(Spans)
    for sequence, time_ms, era, body in rows:
        perhaps_there = ((sequence, sequence),) if sequence in transaction.contents.doubt else ()
        shift_ms, is_right = transaction.contents.shift(era)
        slot_era, at_ms = (0, time_ms + shift_ms) if is_right else (era, time_ms)
        for channel, start_ms, figures, before in _figures(record_class, at_ms, body):
            place = start_ms // each_ms
            slot = _join(found, channel, slot_era, place, figures)
            for span in (*before, *perhaps_there):
                replaced[slot, place].add(*span)
    groups = [(start, slot, group) for slot, windows in found.items() for start, group in _in_records(windows)]
    records = []
    for start, slot, group in sorted(groups, key=lambda record: record[:2]):
        ranges = Spans()
        for place in range(start, start + len(group)):
            for span in replaced.get((slot, place), ()):
                ranges.add(*span)
        body = encode_windows(slot[0], group, _few(ranges))
        records.append(_Windows(start * each_ms, (start + len(group)) * each_ms, slot[1], body))
    return records


def class_to_thin(bytes_of: Sequence[int]) -> int | None:
    """The class that takes the most room, of those that can be thinned; None when there is nothing."""
    candidates = range(TELEMETRY, CLASSES[-1])
    fullest = max(candidates, key=lambda record_class: bytes_of[record_class])
    return fullest if bytes_of[fullest] > 0 else None


def _oldest_block(
    transaction: Transaction, record_class: int, before_ms: int | None
) -> list[tuple[int, int, int, bytes]]:
    """Waiting rows of the class in their order, (sequence, time, era, body): those of the time block of the first, not
    much more than _ROWS_EACH. By a clock that goes back or stands still a block may hold very many; it is cut then.

    Rows that are damaged are set aside, so that nothing wrong is added to what is sound.
    """
    block_ms = 1000 * WINDOWS_EACH * SPANS_S[record_class - TELEMETRY]
    urgent = "" if record_class == TELEMETRY else "AND class <> 3"
    rows: list[tuple[int, int, int, bytes]] = []
    damaged: list[int] = []
    block: int | None = None
    for sequence, _, told_ms, era, readings, state, body, crc32 in transaction.connection.execute(
        f"SELECT * FROM record WHERE class = ? AND state = {WAITING} {urgent} AND sequence > ? ORDER BY sequence",
        (record_class, transaction.contents.floor(record_class)),
    ):
        if record_checksum(sequence, record_class, told_ms, era, readings, state, body) != crc32:
            damaged.append(sequence)
            continue
        time_ms = told_ms + transaction.contents.shift(era)[0]
        if before_ms is not None and time_ms >= before_ms:
            break
        if len(rows) >= (_ROWS_MOST if time_ms // block_ms == block else _ROWS_EACH):
            break
        block = time_ms // block_ms
        rows.append((sequence, told_ms, era, body))
    transaction.set_aside_damaged(damaged)
    return rows


def _figures(
    record_class: int, time_ms: int, body: bytes
) -> Iterator[tuple[int, int, _Figures, Iterable[tuple[int, int]]]]:
    """(channel, time, figures, sequences that they replace already) of a row."""
    if record_class == TELEMETRY:
        for channel, value, after_ms in numbers_of(body):
            yield channel, time_ms + after_ms, (1, value, value, value), ()
        return
    channel, replaces, windows = read_windows(body)
    each_ms = 1000 * span_s(record_class)
    for place, window in enumerate(windows):
        if window is not None:
            yield channel, time_ms + place * each_ms, window, replaces


def _join(found: dict[_Slot, dict[int, _Figures]], channel: int, era: int, place: int, more: _Figures) -> _Slot:
    """Add figures to the window at `place`, and return where it stands: beside it where the sum would be too large."""
    number = 0
    while True:
        windows = found[channel, era, number]
        known = windows.get(place, (0, more[1], more[2], 0))
        total = known[3] + more[3]
        if abs(total) <= LARGEST or not known[0]:
            windows[place] = known[0] + more[0], min(known[1], more[1]), max(known[2], more[2]), total
            return channel, era, number
        number += 1


def _in_records(windows: dict[int, _Figures]) -> Iterator[tuple[int, list[_Figures | None]]]:
    """(place of the first, consecutive windows) of each record, none longer than WINDOWS_EACH, aligned to that; half as
    many where their numbers are long, so that they fit one message."""
    largest = max(max(map(abs, figures)) for figures in windows.values())
    each = WINDOWS_EACH if largest < _LONG_NUMBER else WINDOWS_EACH // 2
    groups: dict[int, list[int]] = defaultdict(list)
    for place in windows:
        groups[place // each].append(place)
    for _, places in sorted(groups.items()):
        first, last = min(places), max(places)
        yield first, [windows.get(place) for place in range(first, last + 1)]


def _few(spans: Spans) -> list[tuple[int, int]]:
    """The ranges, those with the smallest gaps between them joined until they are few.

    That takes in sequences of others; the platform looks at the point and at the time as well.
    """
    ranges = list(spans)
    while len(ranges) > _MAX_RANGES:
        gaps = [after[0] - before[1] for before, after in pairwise(ranges)]
        at = gaps.index(min(gaps))
        ranges[at : at + 2] = [(ranges[at][0], ranges[at + 1][1])]
    return ranges
