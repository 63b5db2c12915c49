"""Checks of a profile's points: each by itself, then one against another."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import combinations

from gateway_agent.profiles.frame_rules import check_field, check_own
from gateway_agent.profiles.model import OptionSection, PointSection, Profile, ReportSection
from gateway_agent.profiles.register_rules import check_register, register_span
from gateway_agent.profiles.sources import PinSection
from gateway_agent.profiles.units import UNITS
from gateway_agent.toml_lines import Loc
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

_NAME = re.compile(r"[a-z][a-z0-9_]*")
MAX_SCALE = 9
"""Scales run from -9 to 9; an f32 from -6 to 0, which integer arithmetic on the node covers."""


def check_points(profile: Profile) -> Iterator[Finding]:
    """Everything wrong with the points of a profile whose options are right."""
    for key, point in profile.points.items():
        found = list(_check_point(profile, ("points", key), point))
        yield from found
    yield from _check_pairs(profile)


def _check_point(profile: Profile, loc: Loc, point: PointSection) -> Iterator[Finding]:
    name = point.name or str(loc[-1])
    if not _NAME.fullmatch(name) or len(name) > 32:
        mend = "begin with a small letter, then small letters, digits and _, at most 32"
        yield Finding(loc, f"{name!r} cannot be a point's name", mend)
    if point.unit not in UNITS:
        guess = nearest(point.unit, list(UNITS))
        mend = f'did you mean "{guess}"?' if guess else f"the units it knows: {', '.join(UNITS)}"
        yield Finding((*loc, "unit"), f'unit "{point.unit}" is not known', mend)
    yield from _check_when(profile, loc, point)
    scales = _scales(profile.options, point.scale)
    if scales is None:
        what = f"{point.scale} is no option with whole numbers from -{MAX_SCALE} to {MAX_SCALE}"
        yield Finding((*loc, "scale"), what, "give a power of ten, or the name of an option that holds one")
        return
    sources = (point.register_at, point.pin, point.field, point.current, point.pulses, point.tilt)
    if sum(source is not None for source in sources) != 1:
        what = f"point {name} needs one of register, field, pin, current, pulses and tilt"
        yield Finding(loc, what, "give one of them")
    elif point.pin is not None:
        yield from _check_pin_point(profile, loc, point, point.pin)
    else:
        if point.register_at is not None:
            yield from check_register(profile, loc, point, scales)
        elif point.field is not None:
            yield from check_field(profile, loc, point, scales)
        else:
            yield from check_own(profile, loc, point, scales)
        yield from _check_down_from(profile, loc, point)
        if point.alarm:
            mend = "take alarm out, and write a rule in pole.toml's [[alarms]]"
            yield Finding((*loc, "alarm"), "only the point of a pin can be an alarm by itself", mend)
    yield from _check_value(loc, point, scales)
    yield from check_report((*loc, "report"), point.report, min(scales))


def check_report(loc: Loc, report: ReportSection, scale: int) -> Iterator[Finding]:
    """What is wrong with a report rule of a point whose finest count is 10^scale."""
    if (report.every_s is None) == (report.window_s is None):
        mend = "write { every_s = 60, change = 1.0 } or { window_s = 600 }"
        yield Finding(loc, "report needs either every_s or window_s", mend)
    elif report.window_s is not None and report.change is not None:
        yield Finding((*loc, "change"), "change has no meaning beside window_s", "take one of the two out")
    if report.change is not None and Decimal(str(report.change)) < Decimal(10) ** scale:
        what = f"change {report.change:g} is finer than the point's resolution of {Decimal(10) ** scale:f}"
        yield Finding((*loc, "change"), what, "give at least the resolution")


def _check_when(profile: Profile, loc: Loc, point: PointSection) -> Iterator[Finding]:
    for option_name, value in point.when.items():
        option = profile.options.get(option_name)
        if option is None:
            guess = nearest(option_name, list(profile.options))
            mend = f"did you mean {guess}?" if guess else f"add a table [options.{option_name}]"
            yield Finding((*loc, "when", option_name), f"when names {option_name}, which is no option", mend)
        elif not option.allows(value):
            what = f"option {option_name} never has the value {value!r}"
            yield Finding((*loc, "when", option_name), what, "write a value that the option allows")


def _scales(options: Mapping[str, OptionSection], scale: int | str) -> list[int] | None:
    """The values that a scale may have, or None when they are no powers of ten that we use."""
    if isinstance(scale, int):
        values: list[object] = [scale]
    else:
        option = options.get(scale)
        values = [] if option is None else list(option.bounds_or_choices)
    numbers = [value for value in values if isinstance(value, int) and abs(value) <= MAX_SCALE]
    return numbers if values and len(numbers) == len(values) else None


def _check_pin_point(profile: Profile, loc: Loc, point: PointSection, pin: PinSection) -> Iterator[Finding]:
    keys = ("status", "decimals", "unit_code", "invalid", "inverted", "zero_means_retry", "offset")
    for key in (*keys, "no_echo", "stuck_min", "down_from"):
        if getattr(point, key):
            mend = 'take it out (active = "low" inverts a pin)'
            yield Finding((*loc, key), f"{key} has no meaning for a pin", mend)
    if point.scale != 0:
        yield Finding((*loc, "scale"), "a pin has no scale", "take scale out")
    if point.unit != "bool":
        yield Finding((*loc, "unit"), "the point of a pin is 0 or 1", 'write unit = "bool"')
    if isinstance(pin.number, str):
        option = profile.options.get(pin.number)
        values = () if option is None else option.bounds_or_choices
        if not values or any(not isinstance(value, int) or not 0 <= value <= 48 for value in values):
            what = f"{pin.number} is no option with GPIO numbers from 0 to 48"
            yield Finding((*loc, "pin", "number"), what, "give a number, or the name of an option that holds one")


def _check_down_from(profile: Profile, loc: Loc, point: PointSection) -> Iterator[Finding]:
    if point.down_from is None:
        return
    option = profile.options.get(point.down_from)
    if option is None or not all(isinstance(value, int) for value in option.bounds_or_choices):
        what = f"{point.down_from} is no option with whole numbers"
        yield Finding((*loc, "down_from"), what, "name an option that holds the height in counts of the point")
    if point.offset:
        yield Finding((*loc, "offset"), "offset has no meaning beside down_from", "take one of the two out")
    if point.register_at is not None and point.register_at.type in ("f32", "bool"):
        what = f"a {point.register_at.type} cannot count down"
        yield Finding((*loc, "down_from"), what, "use an integer type")


def _check_value(loc: Loc, point: PointSection, scales: list[int]) -> Iterator[Finding]:
    if point.unit == "bool":
        if point.range is not None:
            yield Finding((*loc, "range"), "a bool has no range", "take range out")
        return
    if point.inverted:
        yield Finding((*loc, "inverted"), "only a bool can be inverted", "take inverted out")
    if point.range is None:
        mend = f"add range = [lowest, highest] in {point.unit}"
        yield Finding(loc, "the point has no range, so no wrong answer can be told from a right one", mend)
        return
    if point.range[0] > point.range[1]:
        yield Finding((*loc, "range"), f"range {list(point.range)} is reversed", "write the lower bound first")
    elif Decimal(str(point.range[1])) - Decimal(str(point.range[0])) < Decimal(10) ** max(scales):
        yield Finding((*loc, "range"), "the range is narrower than one count of the point", "widen it, or mend scale")


def _check_pairs(profile: Profile) -> Iterator[Finding]:
    for (first_key, first), (second_key, second) in combinations(profile.points.items(), 2):
        if any(second.when.get(option, value) != value for option, value in first.when.items()):
            continue  # never both at once
        name = second.name or second_key
        if (first.name or first_key) == name:
            what = f"points.{first_key} and points.{second_key} are both named {name} under the same options"
            yield Finding(("points", second_key), what, "give each its own name, or set their when apart")
        if _collide(first, second):
            what = f"points.{second_key} reads a part of points.{first_key} as another type"
            mend = "check the addresses and types, or take bits out of the same register"
            yield Finding(("points", second_key, "register"), what, mend)


def _collide(first: PointSection, second: PointSection) -> bool:
    """Whether two points read the same registers in ways that cannot both be right."""
    one, other = first.register_at, second.register_at
    if one is None or other is None or "bits" in (one.type, other.type):
        return False
    same_place = (one.function, one.unit_offset, one.shift) == (other.function, other.unit_offset, other.shift)
    one_span, other_span = register_span(one), register_span(other)
    if not same_place or one_span is None or other_span is None:
        return False
    overlaps = one_span[0] <= other_span[1] and other_span[0] <= one_span[1]
    in_bits = one.bits is not None and other.bits is not None
    return overlaps and not in_bits and (one_span, one.type) != (other_span, other.type)
