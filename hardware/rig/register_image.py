"""The registers of a simulated device, made from its points: where each value stands and how it is encoded.

Written from the register tables alone and on Python's own packing, not on `protocols`, so that what the rig encodes
and what the node or the gateway decodes are two independent readings of the same profile.

FC 03 and FC 04 read spaces of their own. Unused registers between two points read 0 as far as the profile lets one
request run across them; all other addresses do not exist.
"""

import struct
from collections.abc import Iterable
from fractions import Fraction
from itertools import pairwise, product
from math import isfinite

from gateway_agent.profiles.point import BitPart, Lookup, Point, RegisterSource
from protocols import quality

HOLDING = 3
_SIGNED = ("s16", "s32")
_NOT_A_NUMBER = 0x7FC00000

Space = tuple[int, int]
"""Unit offset and read function."""


class RegisterImage:
    """What a device's registers hold. Values are scaled integers with the exponent of their point.

    Raises ValueError where a value does not fit its register or the profile gives it no place.
    """

    def __init__(self, points: Iterable[Point], max_gap: int) -> None:
        self._points: dict[str, tuple[Point, RegisterSource]] = {
            point.name: (point, point.register) for point in points if point.register is not None
        }
        self._spaces: dict[Space, dict[int, int]] = {}
        self._codes: dict[tuple[Space, BitPart], tuple[int, int]] = {}
        for _, register in self._points.values():
            space = self._space(register)
            for address in range(register.first, register.last + 1):
                space.setdefault(address, 0)
        for space in self._spaces.values():
            _fill_gaps(space, max_gap)
        for name, (point, register) in self._points.items():
            if register.status is not None:
                self.put_quality(name, quality.GOOD)
            if register.decimals is not None or register.unit_code is not None:
                self._choose_codes(point, register)

    def add(self, unit_offset: int, function: int, address: int, value: int = 0) -> None:
        """Make one more register that can be read, a setting of the device for example."""
        self._spaces.setdefault((unit_offset, function), {}).setdefault(address, value)

    def read(self, unit_offset: int, function: int, address: int, count: int) -> bytes | None:
        """The registers as they go on the wire, high byte first; None when one of them does not exist."""
        space = self._spaces.get((unit_offset, function))
        if space is None:
            return None
        try:
            return struct.pack(f">{count}H", *[space[at] for at in range(address, address + count)])
        except KeyError:
            return None

    def write(self, unit_offset: int, function: int, address: int, value: int) -> None:
        """Set one register that exists to a raw 16-bit value."""
        space = self._spaces[unit_offset, function]
        if address not in space:
            raise ValueError(f"there is no register {address}")
        space[address] = value

    def put(self, name: str, value: int) -> None:
        """Encode a value of the point; where the registers count coarser than the point they hold it rounded."""
        point, register = self._points[name]
        if register.type == "f32":
            self._put_words(register, struct.pack(">f", float(_shifted(value, point.exponent))))
            return
        counted = point.offset - value if point.counts_down else value - point.offset
        raw = round(_shifted(counted, point.exponent - self._exponent(point, register)))
        self._put_raw(name, register, 1 - raw if register.inverted else raw)

    def get(self, name: str) -> int | None:
        """The value that the registers hold for the point, or None when they hold its sentinel, NaN or infinity."""
        point, register = self._points[name]
        if register.type == "f32":
            (number,) = struct.unpack(">f", self._words(register))
            return round(_shifted(Fraction(number), -point.exponent)) if isfinite(number) else None
        raw = self._raw(register)
        if raw in (*register.invalid, *register.no_echo):
            return None
        if register.type in _SIGNED:
            raw -= (raw >> _width(register) - 1) << _width(register)
        if register.type == "bool":
            return int((raw != 0) != register.inverted)
        counted = round(_shifted(raw, self._exponent(point, register) - point.exponent))
        return (-counted if point.counts_down else counted) + point.offset

    def put_raw(self, name: str, raw: int) -> None:
        """Put a raw register value, of all the registers of the point, as it is."""
        _, register = self._points[name]
        self._put_raw(name, register, raw, signed=False)

    def put_invalid(self, name: str) -> None:
        """Put the value by which the device says that it has none: its first sentinel, or NaN."""
        _, register = self._points[name]
        if register.type == "f32":
            self._put_words(register, _NOT_A_NUMBER.to_bytes(4, "big"))
        elif register.invalid or register.no_echo:
            self._put_raw(name, register, (*register.invalid, *register.no_echo)[0], signed=False)
        else:
            raise ValueError(f"point {name} has no value that means none")

    def put_quality(self, name: str, wanted: int) -> None:
        """Let the status register of the point hold a code that means the quality `wanted`."""
        point, register = self._points[name]
        if register.status is None:
            raise ValueError(f"point {name} has no status register")
        self._put_part(register, register.status.part, _code_for(point, register.status, wanted))

    def put_codes(self, name: str, decimals: int | None = None, unit_code: int | None = None) -> None:
        """Let the device count the point by other codes of its decimals and unit registers from the next value on."""
        point, register = self._points[name]
        for lookup, code in ((register.decimals, decimals), (register.unit_code, unit_code)):
            if code is None:
                continue
            if lookup is None or code not in lookup.codes:
                raise ValueError(f"point {point.name} knows no such code: {code}")
            self._set_code(register, lookup, code)

    def sharing_registers(self, name: str) -> list[str]:
        """The points whose value stands in a register of this one's value, itself included."""
        own = _places(self._points[name][1])
        return [other for other, (_, register) in self._points.items() if own & _places(register)]

    def sharing_status(self, name: str) -> list[str]:
        """The points that have their status from the same register bits as this one, itself included."""
        _, register = self._points[name]
        if register.status is None:
            return []
        place = (register.unit_offset, register.function, register.status.part)
        return [
            other
            for other, (_, its) in self._points.items()
            if its.status is not None and (its.unit_offset, its.function, its.status.part) == place
        ]

    def _space(self, register: RegisterSource) -> dict[int, int]:
        return self._spaces.setdefault((register.unit_offset, register.function), {})

    def _exponent(self, point: Point, register: RegisterSource) -> int:
        lookups = [lookup for lookup in (register.decimals, register.unit_code) if lookup is not None]
        if not lookups:
            return point.exponent
        space = (register.unit_offset, register.function)
        return sum(self._codes[space, lookup.part][1] for lookup in lookups)

    def _choose_codes(self, point: Point, register: RegisterSource) -> None:
        """Codes by which the whole range of the point fits its register, as near as can be to its own resolution."""
        space = (register.unit_offset, register.function)
        lookups = [lookup for lookup in (register.decimals, register.unit_code) if lookup is not None]
        choices = []
        for lookup in lookups:
            chosen = self._codes.get((space, lookup.part))
            choices.append(list(lookup.codes) if chosen is None else [chosen[0]])

        low, high = _bounds(register)

        def misfit(codes: tuple[int, ...]) -> tuple[bool, int, int]:
            coarser = sum(lookup.codes[code] for lookup, code in zip(lookups, codes, strict=True)) - point.exponent
            fits = low * 10**coarser <= point.low - point.offset and point.high - point.offset <= high * 10**coarser
            return not fits, abs(coarser), coarser

        best = min(product(*choices), key=misfit)
        for lookup, code in zip(lookups, best, strict=True):
            self._set_code(register, lookup, code)

    def _set_code(self, register: RegisterSource, lookup: Lookup, code: int) -> None:
        self._codes[(register.unit_offset, register.function), lookup.part] = (code, lookup.codes[code])
        self._put_part(register, lookup.part, code)

    def _put_raw(self, name: str, register: RegisterSource, raw: int, signed: bool = True) -> None:
        width = _width(register)
        low, high = _bounds(register) if signed else (0, (1 << width) - 1)
        if not low <= raw <= high:
            raise ValueError(f"point {name}: {raw} does not fit its register, {low} to {high}")
        raw &= (1 << width) - 1
        if not register.parts:
            self._put_words(register, raw.to_bytes(2 * register.count, "big"))
            return
        for part in reversed(register.parts):
            self._put_part(register, part, raw & (1 << part.width) - 1)
            raw >>= part.width

    def _raw(self, register: RegisterSource) -> int:
        if not register.parts:
            return int.from_bytes(self._words(register), "big")
        space = self._space(register)
        raw = 0
        for part in register.parts:
            raw = raw << part.width | space[part.address] >> part.low & (1 << part.width) - 1
        return raw

    def _words(self, register: RegisterSource) -> bytes:
        space = self._space(register)
        words = [space[register.address + index] for index in range(register.count)]
        return struct.pack(f">{register.count}H", *(reversed(words) if register.little else words))

    def _put_words(self, register: RegisterSource, data: bytes) -> None:
        words = struct.unpack(f">{register.count}H", data)
        space = self._space(register)
        for index, word in enumerate(reversed(words) if register.little else words):
            space[register.address + index] = word

    def _put_part(self, register: RegisterSource, part: BitPart, value: int) -> None:
        space = self._space(register)
        mask = (1 << part.width) - 1 << part.low
        space[part.address] = space[part.address] & ~mask | value << part.low & mask


def _places(register: RegisterSource) -> set[tuple[int, int, int]]:
    """Unit offset, function and address of all registers of the value."""
    addresses = {part.address for part in register.parts} or range(register.address, register.address + register.count)
    return {(register.unit_offset, register.function, address) for address in addresses}


def _width(register: RegisterSource) -> int:
    return sum(part.width for part in register.parts) if register.parts else 16 * register.count


def _bounds(register: RegisterSource) -> tuple[int, int]:
    """Least and greatest raw value that the register takes."""
    width = _width(register)
    if register.type in _SIGNED:
        return -(1 << width - 1), (1 << width - 1) - 1
    return 0, (1 << width) - 1


def _shifted(value: int | Fraction, power: int) -> int | Fraction:
    """`value * 10 ** power`, exactly."""
    return value * 10**power if power >= 0 else Fraction(value, 10**-power)


def _code_for(point: Point, status: Lookup, wanted: int) -> int:
    for code, means in status.codes.items():
        if means == wanted:
            return code
    if status.otherwise == wanted:
        return next(code for code in range(1 << status.part.width) if code not in status.codes)
    raise ValueError(f"point {point.name} has no status code that means {quality.NAMES[wanted]}")


def _fill_gaps(space: dict[int, int], max_gap: int) -> None:
    used = sorted(space)
    for first, second in pairwise(used):
        if second - first - 1 <= max_gap:
            for address in range(first + 1, second):
                space[address] = 0
