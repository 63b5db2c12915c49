"""Checks of a point's register: type, bits, addresses, and the registers that its value depends on."""

from collections.abc import Iterator
from decimal import Decimal

from gateway_agent.profiles.model import PointSection, Profile
from gateway_agent.profiles.sources import REGISTER_COUNTS, BitRange, RegisterSection
from gateway_agent.toml_lines import Loc
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

_MAX_POWER = 9
_F32_MIN_SCALE = -6


def register_span(register: RegisterSection) -> tuple[int, int] | None:
    """First and last address of a value, without its lookups and before any shift; None when it gives none."""
    if register.type == "bits":
        addresses = [part.address for part in register.parts]
        return (min(addresses), max(addresses)) if addresses else None
    if register.address is None:
        return None
    return register.address, register.address + REGISTER_COUNTS[register.type] - 1


def check_register(profile: Profile, loc: Loc, point: PointSection, scales: list[int]) -> Iterator[Finding]:
    """Everything wrong with the register of a point; `scales` are the values that its scale may have."""
    register = point.register_at
    assert register is not None
    shape = list(_check_shape((*loc, "register"), register))
    yield from shape
    yield from _check_kind(loc, point, register, scales)
    yield from _check_lookups(profile, loc, point, register, scales)
    if not shape:
        yield from _check_addresses(profile, loc, point, register)


def _check_shape(loc: Loc, register: RegisterSection) -> Iterator[Finding]:
    if register.type == "bits":
        if not register.parts or register.address is not None or register.bits is not None:
            mend = "give parts = [{ address = 0, bits = [7, 0] }, ...] and nothing else"
            yield Finding(loc, 'type "bits" is put together from parts', mend)
    elif register.address is None:
        yield Finding(loc, f"a {register.type} needs an address", "add address = 0")
    elif register.parts:
        yield Finding((*loc, "parts"), f"a {register.type} has no parts", 'take parts out, or write type = "bits"')
    if register.bits is not None and register.type not in ("u16", "bool", "bits"):
        what = f"a {register.type} has no bits to take out"
        yield Finding((*loc, "bits"), what, 'take bits out, or write type = "u16"')
    if register.word_order == "little" and REGISTER_COUNTS.get(register.type, 1) == 1:
        yield Finding((*loc, "word_order"), f"a {register.type} has no word order", "take word_order out")
    for bits_loc, bits in _bit_ranges(loc, register):
        if bits[0] < bits[1]:
            yield Finding(bits_loc, f"bits {list(bits)} are reversed", "write the highest bit first")
    width = sum(part.bits[0] - part.bits[1] + 1 for part in register.parts)
    if width > 32:
        yield Finding((*loc, "parts"), f"the parts have {width} bits together", "a value has at most 32 bits")


def _bit_ranges(loc: Loc, register: RegisterSection) -> Iterator[tuple[Loc, BitRange]]:
    if register.bits is not None:
        yield (*loc, "bits"), register.bits
    for index, part in enumerate(register.parts):
        yield (*loc, "parts", index), part.bits


def _check_kind(loc: Loc, point: PointSection, register: RegisterSection, scales: list[int]) -> Iterator[Finding]:
    is_bool = register.type == "bool"
    if is_bool != (point.unit == "bool"):
        what = f'type "{register.type}" and unit "{point.unit}" do not go together'
        yield Finding((*loc, "unit"), what, 'a bool has unit = "bool", and nothing else has')
    if is_bool and point.scale != 0:
        yield Finding((*loc, "scale"), "a bool has no scale", "take scale out")
    if point.offset and register.type in ("f32", "bool"):
        yield Finding((*loc, "offset"), f"a {register.type} has no offset", "take offset out")
    elif any(Decimal(str(point.offset)).scaleb(-scale) % 1 for scale in scales):
        what = f"offset {point.offset:g} is finer than one count of the point"
        yield Finding((*loc, "offset"), what, "give a multiple of the resolution, or mend scale")
    if register.type == "f32" and not all(_F32_MIN_SCALE <= scale <= 0 for scale in scales):
        what = f"the scale of an f32 is the resolution that is kept, from {_F32_MIN_SCALE} to 0"
        yield Finding((*loc, "scale"), what, "write for example scale = -2 for hundredths")
    bits = 16 * REGISTER_COUNTS.get(register.type, 2)
    for key in ("invalid", "no_echo"):
        for index, sentinel in enumerate(getattr(point, key)):
            if sentinel >= 1 << bits:
                what = f"{sentinel:#x} does not fit into a {register.type}"
                yield Finding((*loc, key, index), what, "give the raw register value, without sign")


def _check_lookups(
    profile: Profile, loc: Loc, point: PointSection, register: RegisterSection, scales: list[int]
) -> Iterator[Finding]:
    timing = profile.device.timing
    if point.zero_means_retry and (timing is None or timing.zero_tries == 0):
        what = "zero_means_retry needs to know how often to try again"
        yield Finding((*loc, "zero_means_retry"), what, "set zero_tries and zero_wait_ms in device.timing")
    if point.status is not None and point.status not in profile.status:
        guess = nearest(point.status, list(profile.status))
        mend = f"did you mean {guess}?" if guess else f"add a table [status.{point.status}]"
        yield Finding((*loc, "status"), f"there is no status named {point.status}", mend)
    decimals = [0] if point.decimals is None else [-power for power in point.decimals.codes.values()]
    units = [0] if point.unit_code is None else list(point.unit_code.codes.values())
    if point.decimals is None and point.unit_code is None:
        return
    if register.type not in ("u16", "s16", "u32", "s32", "bits"):
        what = f"a {register.type} cannot depend on a decimals or unit register"
        yield Finding((*loc, "register"), what, "use an integer type of one or two registers")
    finest, coarsest = min(decimals) + min(units), max(decimals) + max(units)
    if max(scales) - finest > _MAX_POWER or coarsest - min(scales) > _MAX_POWER:
        what = f"the device counts in 10^{finest} to 10^{coarsest}, too far from the point's scale"
        yield Finding((*loc, "scale"), what, f"write scale = {finest}, the finest that the device may send")


def _check_addresses(profile: Profile, loc: Loc, point: PointSection, register: RegisterSection) -> Iterator[Finding]:
    span = register_span(register)
    assert span is not None
    looked_up = [section.address for section in (point.decimals, point.unit_code) if section is not None]
    if point.status is not None and point.status in profile.status:
        looked_up.append(profile.status[point.status].address)
    first, last = min([span[0], *looked_up]), max([span[1], *looked_up])
    limit = profile.device.requests.max_registers
    if last - first + 1 > limit:
        what = f"value, status, decimals and unit code span {last - first + 1} registers"
        yield Finding((*loc, "register"), what, f"one request takes {limit} (device.requests.max_registers)")
    moves = [0]
    if register.shift is not None:
        option = profile.options.get(register.shift)
        if option is None or option.shift is None:
            mend = "name an option that has one"
            yield Finding((*loc, "register", "shift"), f"{register.shift} is no option with a shift", mend)
            return
        values = [value for value in option.bounds_or_choices if isinstance(value, int)]
        moves = [(value - option.shift.origin) * option.shift.step for value in values]
    if first + min(moves) < 0 or last + max(moves) > 0xFFFF:
        what = f"the registers reach from {first + min(moves)} to {last + max(moves)}"
        yield Finding((*loc, "register", "address"), what, "addresses run from 0 to 65535")
