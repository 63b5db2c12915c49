"""Fields of a text sentence as scaled integers (NMEA 0183): numbers, positions, times of day.

Works on the bytes where they lie and allocates nothing for results below 2**30. A field that is empty or not what it
should be has the quality INVALID, so has every field of a sentence whose valid field does not say that it counts.
"""

import array

from protocols import node_table_layout as layout
from protocols import quality
from protocols.node_table_layout import point_at, s8, u16

_COMMA = 0x2C
_STAR = 0x2A
_MINUS = 0x2D
_POINT = 0x2E
_ZERO = 0x30
_MOST = 100_000_000
_POSITION_DIGITS = 6
_HEMISPHERES = b"NSEW"
_BELOW_ZERO = b"SW"
_ENDS = b",*"
_NOT_A_NUMBER = -1


def decode_field(
    table: bytes, slot: int, at: int, buffer: bytes | bytearray, start: int, values: "array.array[int]", out: bytearray
) -> None:
    """Read the field of a slot out of the right sentence at `buffer[start]` into `values[slot]` and `out[slot]`.

    `at` is where the sentence's entry begins in the table, `out` takes the quality.
    """
    point = point_at(table, slot)
    values[slot] = 0
    out[slot] = quality.INVALID
    if not is_valid(table, at, buffer, start):
        return
    place = field(buffer, start, table[point + 2])
    written = table[point + 12]
    if written == layout.TEXT_POSITION:
        value = _position(buffer, place)
    elif written == layout.TEXT_TIME:
        value = _seconds(buffer, place)
    else:
        value = scaled(buffer, place + 1 if buffer[place] == _MINUS else place, -s8(table, point + 3))
    if value < 0:
        return
    if buffer[place] == _MINUS or (written == layout.TEXT_POSITION and _is_south_or_west(buffer, place)):
        value = -value
    if _compare(value, table, point + 4) < 0 or _compare(value, table, point + 8) > 0:
        out[slot] = quality.RANGE
        return
    values[slot] = value
    out[slot] = quality.GOOD


def is_valid(table: bytes, at: int, buffer: bytes | bytearray, start: int) -> bool:
    """Whether the sentence's valid field is one letter that the table lists: a fix, not a guess."""
    count = table[at + layout.FRAME_REQUEST_COUNT]
    if count == 0:
        return True
    place = field(buffer, start, table[at + layout.FRAME_SETUP])
    letter = buffer[place]
    if buffer[place + 1] != _COMMA and buffer[place + 1] != _STAR:
        return False
    for index in range(count):  # noqa: SIM110 - any() would make a generator on the heap
        if table[at + layout.FRAME_REQUEST + index] == letter:
            return True
    return False


def field(buffer: bytes | bytearray, start: int, number: int) -> int:
    """Where field `number` (from 1) of the sentence begins; at the star, if it has fewer."""
    place = start
    while number:
        while buffer[place] != _COMMA:
            if buffer[place] == _STAR:
                return place
            place += 1
        place += 1
        number -= 1
    return place


def scaled(buffer: bytes | bytearray, place: int, digits: int) -> int:
    """The unsigned decimal number at `place`, counted in 10**-digits, rounded half up; -1 if there is none, or one
    with more than nine digits."""  # fmt: skip
    value = 0
    seen = 0
    left = -1
    up = False
    while buffer[place] != _COMMA and buffer[place] != _STAR:
        letter = buffer[place]
        place += 1
        if letter == _POINT and left < 0:
            left = digits
            continue
        digit = letter - _ZERO
        if not 0 <= digit <= 9 or value >= _MOST:
            return _NOT_A_NUMBER
        seen += 1
        if left == 0:
            up = digit >= 5
            left = -2
        elif left != -2:
            value = value * 10 + digit
            if left > 0:
                left -= 1
    if seen == 0:
        return _NOT_A_NUMBER
    if left == -1:
        left = digits
    while left > 0:
        if value >= _MOST:
            return _NOT_A_NUMBER
        value *= 10
        left -= 1
    return value + 1 if up else value


def _position(buffer: bytes | bytearray, place: int) -> int:
    """`dddmm.mmmm,N` in millionths of a degree, without sign; -1 if it is none."""
    whole = 0
    while _ZERO <= buffer[place] <= _ZERO + 9 and whole < 100000:
        whole = whole * 10 + buffer[place] - _ZERO
        place += 1
    fraction = 0
    if buffer[place] == _POINT:
        place += 1
        fraction = _fraction(buffer, place)
    minutes = whole % 100
    if minutes >= 60 or whole > 18000 or fraction < 0:
        return _NOT_A_NUMBER
    while _ZERO <= buffer[place] <= _ZERO + 9:
        place += 1
    if buffer[place] != _COMMA or buffer[place + 1] not in _HEMISPHERES or buffer[place + 2] not in _ENDS:
        return _NOT_A_NUMBER
    return whole // 100 * 1_000_000 + (minutes * 1_000_000 + fraction + 30) // 60


def _is_south_or_west(buffer: bytes | bytearray, place: int) -> bool:
    while buffer[place] != _COMMA:
        place += 1
    return buffer[place + 1] in _BELOW_ZERO


def _fraction(buffer: bytes | bytearray, place: int) -> int:
    """The digits behind the point, six of them."""
    value = 0
    for _ in range(_POSITION_DIGITS):
        digit = buffer[place] - _ZERO
        if 0 <= digit <= 9:
            place += 1
        elif buffer[place] == _COMMA:
            digit = 0
        else:
            return _NOT_A_NUMBER
        value = value * 10 + digit
    return value


def _seconds(buffer: bytes | bytearray, place: int) -> int:
    """`hhmmss.sss` as whole seconds of the day, not rounded; -1 if it is none."""
    if scaled(buffer, place, 0) < 0:
        return _NOT_A_NUMBER
    written = 0
    while buffer[place] >= _ZERO:
        written = written * 10 + buffer[place] - _ZERO
        place += 1
    seconds = written % 100
    minutes = written // 100 % 100
    hours = written // 10000
    if hours > 23 or minutes > 59 or seconds > 59:
        return _NOT_A_NUMBER
    return hours * 3600 + minutes * 60 + seconds


def _compare(value: int, table: bytes, bound: int) -> int:
    """The sign of value less the s32 at `table[bound]`, compared in halves so that nothing is allocated."""
    high = u16(table, bound)
    if high & 0x8000:
        high -= 0x10000
    if value >> 16 != high:
        return -1 if value >> 16 < high else 1
    return (value & 0xFFFF) - u16(table, bound + 2)
