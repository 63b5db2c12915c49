"""Rows out of the raw pages of a damaged file and its log, without SQLite: whatever leaf of a table can still be read.

Nothing is believed but the bytes of a row itself; whoever takes the rows checks each by its CRC. Layout: "Database File
Format" on sqlite.org, sections 1.6 (b-tree pages), 2.1 (records) and 4 (the write-ahead log).
"""

from collections.abc import Iterator
from dataclasses import dataclass

Value = int | float | str | bytes | None

_LEAF = 0x0D
_HEAD_BYTES = 8
_FILE_HEAD_BYTES = 100
_WAL_HEAD_BYTES, _FRAME_HEAD_BYTES = 32, 24
_MAX_ROW_BYTES = 1 << 20
_NUMBER_BYTES = (0, 1, 2, 3, 4, 6, 8)
_CONSTANTS = {0: None, 8: 0, 9: 1}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of some table: `columns` without the first one, which is the row's number and NULL in the file.

    Of two rows of one number the one with the higher `age` is the newer.
    """

    number: int
    columns: tuple[Value, ...]
    age: int


def rows_in(database: bytes, log: bytes, page_bytes: int) -> Iterator[Row]:
    """Every row that any leaf page holds, in the file and in each committed frame of its log, oldest first.

    A log has many versions of a page; a row that is the same in several of them comes once.
    """
    frames = list(_frames(log, page_bytes))
    pages = _Pages(database, dict(frames), page_bytes)
    for page_number in range(1, len(database) // page_bytes + 1):
        page = database[(page_number - 1) * page_bytes : page_number * page_bytes]
        yield from _rows_of_page(page, pages, page_number, 1)
    for age, (page_number, page) in enumerate(frames, start=2):
        yield from _rows_of_page(page, pages, page_number, age)


def _frames(log: bytes, page_bytes: int) -> Iterator[tuple[int, bytes]]:
    """(page number, page) of the log's frames, up to the last that ends a commit.

    Where a log begins anew, frames of the former one stay behind its end: those have other salts, and stand in the
    file already.
    """
    size = _FRAME_HEAD_BYTES + page_bytes
    salts: dict[bytes, int] = {}
    heads = [log[at : at + _FRAME_HEAD_BYTES] for at in range(_WAL_HEAD_BYTES, len(log) - size + 1, size)]
    for head in heads:
        salts[head[8:16]] = salts.get(head[8:16], 0) + 1
    current = log[16:24] if log[16:24] in salts else next((head[8:16] for head in heads if salts[head[8:16]] > 1), b"")
    open_frames: list[tuple[int, bytes]] = []
    for index, head in enumerate(heads):
        if head[8:16] != current:
            continue
        at = _WAL_HEAD_BYTES + index * size + _FRAME_HEAD_BYTES
        open_frames.append((int.from_bytes(head[:4], "big"), log[at : at + page_bytes]))
        if head[4:8] != bytes(4):
            yield from open_frames
            open_frames.clear()


class _Pages:
    """Finds the pages on which a row that is longer than its leaf goes on.

    `seen` are rows of the log that were given already.
    """

    def __init__(self, database: bytes, newest: dict[int, bytes], page_bytes: int) -> None:
        self.page_bytes = page_bytes
        self.seen: set[tuple[int, bytes]] = set()
        self._database = database
        self._newest = newest

    def get(self, number: int) -> bytes:
        page = self._newest.get(number)
        return self._database[(number - 1) * self.page_bytes : number * self.page_bytes] if page is None else page


def _rows_of_page(page: bytes, pages: _Pages, page_number: int, age: int) -> Iterator[Row]:
    head = _FILE_HEAD_BYTES if page_number == 1 else 0
    if len(page) < pages.page_bytes:
        return
    count = int.from_bytes(page[head + 3 : head + 5], "big")
    at = head + _HEAD_BYTES
    index = 0
    # Whatever the page says it is: one wrong bit makes the inside of a tree of a leaf. Pointers beyond the count may be
    # of deleted rows, or of live ones when the count is what was damaged.
    while at + 2 * index + 2 <= len(page):
        pointer = int.from_bytes(page[at + 2 * index : at + 2 * index + 2], "big")
        if not at + 2 * index + 2 <= pointer < len(page) - 3:
            if index >= count:
                return
        else:
            row = _row(page, pointer, pages, age if index < count and page[head] == _LEAF else 0)
            if row is not None:
                yield row
        index += 1


def _row(page: bytes, at: int, pages: _Pages, age: int) -> Row | None:
    try:
        size, at = _varint(page, at)
        number, at = _varint(page, at)
        if not 0 < size < _MAX_ROW_BYTES:
            return None
        payload = _payload(page, at, size, pages)
        if age > 1:
            if (number, payload) in pages.seen:
                return None
            pages.seen.add((number, payload))
        return Row(number, _columns(payload), age)
    except (IndexError, ValueError, UnicodeDecodeError):
        return None


def _payload(page: bytes, at: int, size: int, pages: _Pages) -> bytes:
    usable = pages.page_bytes
    most, least = usable - 35, (usable - 12) * 32 // 255 - 23
    local = size
    if size > most:
        local = least + (size - least) % (usable - 4)
        local = least if local > most else local
    payload = page[at : at + local]
    if len(payload) < local:
        raise ValueError("the row goes beyond its page")
    following = int.from_bytes(page[at + local : at + local + 4], "big") if local < size else 0
    while len(payload) < size:
        more = pages.get(following)
        if len(more) < usable:
            raise ValueError("the row goes on where there is no page")
        following = int.from_bytes(more[:4], "big")
        payload += more[4 : 4 + size - len(payload)]
    return payload


def _columns(payload: bytes) -> tuple[Value, ...]:
    head_end, at = _varint(payload, 0)
    if not 0 < head_end <= len(payload):
        raise ValueError("the head of the row is longer than the row")
    values: list[Value] = []
    data = head_end
    while at < head_end:
        kind, at = (payload[at], at + 1) if payload[at] < 0x80 else _varint(payload, at)
        if kind >= 12:
            end = data + (kind - 12) // 2
            raw = payload[data:end]
            values.append(raw.decode() if kind % 2 else raw)
        elif kind in _CONSTANTS:
            end = data
            values.append(_CONSTANTS[kind])
        elif 0 < kind < 7:
            end = data + _NUMBER_BYTES[kind]
            values.append(int.from_bytes(payload[data:end], "big", signed=True))
        else:
            raise ValueError("a kind of column that the journal does not have")
        data = end
    if data > len(payload):
        raise ValueError("a column goes beyond the row")
    return tuple(values[1:])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    value = value << 8 | data[at + 8]
    return (value - (1 << 64) if value >> 63 else value), at + 9
