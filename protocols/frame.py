"""Finding a serial sensor's frame among any bytes, by its entry in the node table; told in spec/node-table.md.

`at` is where the frame's entry begins in the table. The caller owns the buffer; nothing here allocates, and any bytes
give a frame or the number of bytes that are still missing.
"""

from protocols import node_table_layout as layout
from protocols.node_table_layout import s8, u16

_DOLLAR = 0x24
_STAR = 0x2A
_TALKER_BYTES = 2
_HEX_DIGITS = 2
_NAME_BYTES = 3


def frame_at(table: bytes, frame: int) -> int:
    """Where the entry of a frame begins in the table."""
    return u16(table, layout.FRAMES_AT) + frame * layout.FRAME_BYTES


def find(table: bytes, at: int, buffer: bytes | bytearray, have: int) -> int:
    """Where the first whole, right frame begins in `buffer[:have]`; if there is none, the bytes that are missing, as a
    negative number: until the first frame that has begun is whole, or a whole shortest one if none has begun.
    """  # fmt: skip
    missing = 0
    first = _DOLLAR if table[at + layout.FRAME_KIND] == layout.SENTENCE else table[at + layout.FRAME_SYNC]
    for start in range(have):
        if buffer[start] != first or not _begins(table, at, buffer, start, have):
            continue
        length = whole_length(table, at, buffer, start, have)
        if length == 0:
            continue
        if start + length > have:
            if missing == 0:
                missing = start + length - have
        elif is_right(table, at, buffer, start, length):
            return start
    return -(missing or table[at + layout.FRAME_LEAST])


def whole_length(table: bytes, at: int, buffer: bytes | bytearray, start: int, have: int) -> int:
    """Bytes of the frame that begins at `start`: at least so many while its length has not come, 0 for no frame."""
    if table[at + layout.FRAME_KIND] == layout.SENTENCE:
        return _sentence_length(table, at, buffer, start, have)
    least = table[at + layout.FRAME_LEAST]
    place = table[at + layout.FRAME_LENGTH_AT]
    if place == layout.NONE:
        return least
    place += start
    width = table[at + layout.FRAME_LENGTH_WIDTH]
    if place + width > have:
        return least
    length = buffer[place] if width == 1 else u16(buffer, place)
    length += s8(table, at + layout.FRAME_LENGTH_ADDS)
    return length if least <= length <= table[at + layout.FRAME_MOST] else 0


def is_right(table: bytes, at: int, buffer: bytes | bytearray, start: int, length: int) -> bool:
    """Whether the check value and the tail of a whole frame are what they should be."""
    tail = start + length - table[at + layout.FRAME_TAIL_COUNT]
    for index in range(table[at + layout.FRAME_TAIL_COUNT]):
        if buffer[tail + index] != table[at + layout.FRAME_TAIL + index]:
            return False
    kind = table[at + layout.FRAME_CHECK]
    if kind == layout.XOR_HEX:
        end = start + length - _HEX_DIGITS
        return buffer[end] == _hex_digit(check_value(table, at, buffer, start, length) >> 4) and buffer[
            end + 1
        ] == _hex_digit(check_value(table, at, buffer, start, length) & 15)
    place = start + from_end(table, at + layout.FRAME_CHECK_AT, length)
    found = u16(buffer, place) if kind == layout.SUM16 else buffer[place]
    return found == check_value(table, at, buffer, start, length)


def check_value(table: bytes, at: int, buffer: bytes | bytearray, start: int, length: int) -> int:
    """The check value that the frame `buffer[start:start + length]` should carry."""
    kind = table[at + layout.FRAME_CHECK]
    value = 0
    if kind == layout.XOR_HEX:
        for index in range(start + 1, start + length - _HEX_DIGITS - 1):
            value ^= buffer[index]
        return value
    end = start + from_end(table, at + layout.FRAME_CHECK_TO, length)
    for index in range(start + table[at + layout.FRAME_CHECK_FROM], end):
        value += buffer[index]
    if kind == layout.SUM16:
        return value & 0xFFFF
    return (-value if kind == layout.NEGATED_SUM8 else value) & 0xFF


def from_end(table: bytes, at: int, length: int) -> int:
    """The place in a frame of `length` bytes that the byte at `table[at]` names; below 0 it counts from the end."""
    place = s8(table, at)
    return place + length if place < 0 else place


def _begins(table: bytes, at: int, buffer: bytes | bytearray, start: int, have: int) -> bool:
    """Whether a frame may begin at `start`, as far as bytes have come."""
    first = start
    if table[at + layout.FRAME_KIND] == layout.SENTENCE:
        first = start + 1 + _TALKER_BYTES
    for index in range(table[at + layout.FRAME_SYNC_COUNT]):
        if first + index >= have:
            return True
        if buffer[first + index] != table[at + layout.FRAME_SYNC + index]:
            return False
    return True


def _sentence_length(table: bytes, at: int, buffer: bytes | bytearray, start: int, have: int) -> int:
    """NMEA 0183: `$`, printable characters, `*`, two hexadecimal digits."""
    most = table[at + layout.FRAME_MOST]
    for place in range(start + 1, min(have, start + most - _HEX_DIGITS)):
        letter = buffer[place]
        if letter == _STAR:
            length = place + 1 + _HEX_DIGITS - start
            return length if length >= table[at + layout.FRAME_LEAST] else 0
        if not 0x20 <= letter < 0x7F or letter == _DOLLAR:
            return 0
    if have >= start + most - _HEX_DIGITS:
        return 0
    return max(table[at + layout.FRAME_LEAST], have - start + 1)


def _hex_digit(value: int) -> int:
    return value + (0x30 if value < 10 else 0x37)
