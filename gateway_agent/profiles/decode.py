"""From registers to a point's value and quality, at the gateway; the same rules as the node's (spec/node-table.md).

The gateway's integers have no bound, so a u48 or u64 that no slot of a node could hold is a value here.
"""

from collections.abc import Sequence

from gateway_agent.profiles.point import Lookup, Point, RegisterSource
from protocols import quality
from protocols import registers as wire

_SIGNED = ("s16", "s32")


def decode(point: Point, registers: Sequence[int], address: int) -> tuple[int | None, int]:
    """The scaled value of a register point and its quality; the value is None unless the quality is GOOD.

    `registers` is the whole answer to a request that began at `address` and covers the point. The quality may be
    INVALID, RANGE, or what the device's status means; a zero that means retry is INVALID too (see `asks_again`).
    Raises IndexError for an answer that does not cover the point.
    """
    source = point.register
    if source is None:
        raise ValueError(f"point {point.name} does not come from a register")
    if source.status is not None:
        meaning = _look_up(source.status, registers, address)
        if meaning != quality.GOOD:
            return None, quality.INVALID if meaning is None else meaning
    raw = _raw(source, registers, address)
    if raw in source.invalid:
        return None, quality.INVALID
    if raw in source.no_echo:
        return None, quality.NO_ECHO
    value, reason = _scaled(point, source, raw, registers, address)
    if value is None:
        return None, reason
    if value == 0 and source.zero_means_retry:
        return None, quality.INVALID
    if not point.low <= value <= point.high:
        return None, quality.RANGE
    return value, quality.GOOD


def asks_again(point: Point, registers: Sequence[int], address: int) -> bool:
    """Whether the answer holds a zero that the profile wants to be asked for again before it counts as INVALID.

    How often and how long apart is in the profile's `device.timing` (`zero_tries`, `zero_wait_ms`).
    """
    source = point.register
    if source is None or not source.zero_means_retry:
        return False
    if source.status is not None and _look_up(source.status, registers, address) != quality.GOOD:
        return False
    raw = _raw(source, registers, address)
    return raw not in (*source.invalid, *source.no_echo) and _scaled(point, source, raw, registers, address)[0] == 0


def _raw(source: RegisterSource, registers: Sequence[int], address: int) -> int:
    """The value's bits as an unsigned number: the parts if there are any, else the whole registers."""
    if not source.parts:
        words = list(registers[source.address - address : source.address - address + source.count])
        if len(words) != source.count:
            raise IndexError(f"the answer does not cover register {source.address}")
        return wire.unsigned(words, 0, source.count, source.little)
    raw = 0
    for part in source.parts:
        raw = raw << part.width | wire.take_bits(registers[part.address - address], part.low, part.width)
    return raw


def _scaled(
    point: Point, source: RegisterSource, raw: int, registers: Sequence[int], address: int
) -> tuple[int | None, int]:
    """The value in counts of the point's exponent, or None with the reason."""
    if source.type == "f32":
        if not wire.f32_is_number(raw >> 16):
            return None, quality.INVALID
        value = wire.f32_to_scaled(raw >> 16, raw & 0xFFFF, -point.exponent)
        return value, quality.GOOD if value is not None else quality.RANGE
    if source.type == "bool":
        return int((raw != 0) != source.inverted), quality.GOOD
    value = wire.signed(raw, source.width) if source.type in _SIGNED else raw
    sign = -1 if point.counts_down else 1
    if source.decimals is None and source.unit_code is None:
        return sign * value + point.offset, quality.GOOD
    power = -point.exponent
    for lookup in (source.decimals, source.unit_code):
        meaning = 0 if lookup is None else _look_up(lookup, registers, address)
        if meaning is None:
            return None, quality.INVALID
        power += meaning
    return sign * wire.times_power_of_ten(value, power) + point.offset, quality.GOOD


def _look_up(lookup: Lookup, registers: Sequence[int], address: int) -> int | None:
    part = lookup.part
    return lookup.codes.get(wire.take_bits(registers[part.address - address], part.low, part.width), lookup.otherwise)
