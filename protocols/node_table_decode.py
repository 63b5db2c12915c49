"""Reading a slot's value and quality out of the answer to its request; the part of `node_table` that runs all day.

Nothing here allocates for values of 31 bits. How a value is made is told in spec/node-table.md.
"""

import array

from protocols import node_table_layout as layout
from protocols import quality, registers
from protocols.node_table_layout import point_at, s8, u16

_REGISTERS = (1, 1, 2, 2, 2, 3, 4)
"""Registers of a value, by its type."""


def decode_point(
    table: bytes, slot: int, buffer: bytes | bytearray, start: int, values: "array.array[int]", qualities: bytearray
) -> bool:
    """Read the point of a slot out of the answer to its request into `values[slot]` and `qualities[slot]`.

    `buffer[start]` is the first byte of the answer's first register, `values` an array of 32-bit integers ("i"). The
    value is a scaled integer, 0 where the quality is not GOOD. True where the profile wants a zero to be asked for
    again; the quality is then INVALID, and stays so when the device's `device_zero_tries` are used up. Allocates
    nothing for values from -2**30 to 2**30 - 1; never raises for a checked table and a whole answer.
    """
    at = point_at(table, slot)
    kind = table[at]
    reason = quality.GOOD
    values[slot] = 0
    if table[at + 16] != layout.NONE:
        reason = _look_up(table, table[at + 16], buffer, start)
    if reason == quality.GOOD:
        if kind >= layout.BITS:
            reason = _read_bits(table, slot, buffer, start, values)
        else:
            reason = _read_registers(table, slot, buffer, start, values)
    if reason == quality.GOOD and kind != layout.BOOL and kind != layout.F32:
        reason = _count(table, slot, buffer, start, values)
    retry = False
    if reason == quality.GOOD:
        if values[slot] == 0 and table[at + 1] & layout.ZERO_MEANS_RETRY:
            reason = quality.INVALID
            retry = True
        elif _below(values[slot], table, at + 4) or _above(values[slot], table, at + 8):
            reason = quality.RANGE
    if reason != quality.GOOD:
        values[slot] = 0
    qualities[slot] = reason
    return retry


def _read_registers(table: bytes, slot: int, buffer: bytes | bytearray, start: int, values: "array.array[int]") -> int:
    """The quality of a value of whole registers; when GOOD, the value is in `values[slot]`."""
    at = point_at(table, slot)
    kind = table[at]
    first = start + 2 * table[at + 2]
    count = _REGISTERS[kind]
    step = 2
    if table[at + 1] & layout.LITTLE:
        first += 2 * (count - 1)
        step = -2
    low = u16(buffer, first + step * (count - 1))
    high = u16(buffer, first + step * (count - 2)) if count > 1 else 0
    more = 0  # what stands above 32 bits; all its bits in one register, for only zero and the sentinels matter
    for index in range(count - 2):
        more |= u16(buffer, first + step * index)
    for index in range(table[at + 15]):
        if _is_sentinel(table, table[at + 14] + index, buffer, first, step, count):
            return _sentinel_quality(table, at, index)
    if kind == layout.F32:
        if not registers.f32_is_number(high):
            return quality.INVALID
        value = registers.f32_to_scaled(high, low, -s8(table, at + 3))
        if value is None:
            return quality.RANGE
        values[slot] = value
        return quality.GOOD
    if kind == layout.S16:
        values[slot] = registers.signed(low, 16)
    elif kind == layout.S32:
        values[slot] = registers.signed(high, 16) << 16 | low
    elif more or high & 0x8000:
        return quality.RANGE
    else:
        values[slot] = high << 16 | low
    return quality.GOOD


def _is_sentinel(table: bytes, sentinel: int, buffer: bytes | bytearray, first: int, step: int, count: int) -> bool:
    """Whether the registers hold the pattern of a sentinel, whose eight bytes are right-aligned."""
    at = u16(table, layout.SENTINELS_AT) + sentinel * layout.SENTINEL_BYTES + 2 * (4 - count)
    for index in range(count):  # noqa: SIM110 - all() would make a generator on the heap
        if u16(buffer, first + step * index) != u16(table, at + 2 * index):
            return False
    return True


def _read_bits(table: bytes, slot: int, buffer: bytes | bytearray, start: int, values: "array.array[int]") -> int:
    """The quality of a value put together from parts of registers; when GOOD, the value is in `values[slot]`."""
    at = point_at(table, slot)
    value = 0
    for index in range(table[at + 13]):
        part = u16(table, layout.PARTS_AT) + (table[at + 12] + index) * layout.PART_BYTES
        width = (table[part + 1] & 15) + 1
        value = value << width | _take(table, part, buffer, start)
    for index in range(table[at + 15]):
        sentinel = u16(table, layout.SENTINELS_AT) + (table[at + 14] + index) * layout.SENTINEL_BYTES
        if value >> 16 == u16(table, sentinel + 4) and value & 0xFFFF == u16(table, sentinel + 6):
            return _sentinel_quality(table, at, index)
    if table[at + 1] & layout.SIGNED:
        value = registers.signed(value, _parts_width(table, at))
    if not registers.fits_s32(value):
        return quality.RANGE
    if table[at] == layout.BOOL:
        value = (1 if value else 0) ^ (table[at + 1] & layout.INVERTED)
    values[slot] = value
    return quality.GOOD


def _sentinel_quality(table: bytes, at: int, index: int) -> int:
    """What a sentinel means: the last of a point's sentinels, as many as its byte 19 says, are "no echo"."""
    return quality.NO_ECHO if index >= table[at + 15] - table[at + 19] else quality.INVALID


def _parts_width(table: bytes, at: int) -> int:
    width = 0
    for index in range(table[at + 13]):
        width += (table[u16(table, layout.PARTS_AT) + (table[at + 12] + index) * layout.PART_BYTES + 1] & 15) + 1
    return width


def _count(table: bytes, slot: int, buffer: bytes | bytearray, start: int, values: "array.array[int]") -> int:
    """Bring a value to the slot's exponent, where decimals or unit stand in other registers, and add the offset."""
    at = point_at(table, slot)
    value = values[slot]
    if table[at + 17] != layout.NONE or table[at + 18] != layout.NONE:
        power = -s8(table, at + 3)
        for index in range(at + 17, at + 19):
            if table[index] != layout.NONE:
                meaning = _look_up(table, table[index], buffer, start)
                if meaning == layout.UNLISTED:
                    return quality.INVALID
                power += meaning
        value = registers.times_power_of_ten(value, power)
    if table[at + 1] & layout.INVERTED:
        value = -value
    value += registers.signed(u16(table, at + 24), 16) << 16 | u16(table, at + 26)
    if not registers.fits_s32(value):
        return quality.RANGE
    values[slot] = value
    return quality.GOOD


def _take(table: bytes, part: int, buffer: bytes | bytearray, start: int) -> int:
    """The bits that the part or lookup at `table[part]` names: register offset, lowest bit and width less one."""
    bits = table[part + 1]
    return registers.take_bits(u16(buffer, start + 2 * table[part]), bits >> 4, (bits & 15) + 1)


def _look_up(table: bytes, lookup: int, buffer: bytes | bytearray, start: int) -> int:
    """What the code in the answer means by a lookup; what it says for unlisted codes, if it is not listed."""
    at = u16(table, layout.LOOKUPS_AT) + lookup * layout.LOOKUP_BYTES
    code = _take(table, at, buffer, start)
    entry = u16(table, layout.CODES_AT) + u16(table, at + 4) * layout.CODE_BYTES
    for _ in range(table[at + 3]):
        if u16(table, entry) == code:
            return s8(table, entry + 2)
        entry += layout.CODE_BYTES
    return s8(table, at + 2)


def _below(value: int, table: bytes, bound: int) -> bool:
    """Whether the value is less than the s32 at `table[bound]`, compared in halves so that nothing is allocated."""
    high = registers.signed(u16(table, bound), 16)
    return value >> 16 < high or (value >> 16 == high and value & 0xFFFF < u16(table, bound + 2))


def _above(value: int, table: bytes, bound: int) -> bool:
    """Whether the value is greater than the s32 at `table[bound]`."""
    high = registers.signed(u16(table, bound), 16)
    return value >> 16 > high or (value >> 16 == high and value & 0xFFFF > u16(table, bound + 2))
