"""Applying a device's options to its profile: addresses, scales and the points that exist become definite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from gateway_agent.errors import GatepostError
from gateway_agent.profiles.lamp_curve import lamp_curve
from gateway_agent.profiles.model import OptionValue, PointSection, Profile
from gateway_agent.profiles.point import BitPart, LampDriver, Lookup, PinSource, Point, RegisterSource, TextField
from gateway_agent.profiles.requests import Request, plan_requests
from gateway_agent.profiles.resolve_frame import (
    QUALITIES,
    current_source,
    frame_register,
    frame_requests,
    pulse_source,
    tilt_source,
)
from gateway_agent.profiles.sources import REGISTER_COUNTS, BitRange, ExponentSection, PinSection, StatusSection
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest


class OptionError(GatepostError):
    """A device was given an option that its profile does not have, or a value that the option does not allow."""


@dataclass(frozen=True, slots=True)
class ResolvedProfile:
    """A profile with its options applied. `points` are in the order of the file, `options` hold every option."""

    profile: Profile
    options: Mapping[str, OptionValue]
    points: tuple[Point, ...]
    lamp: LampDriver | None

    def point(self, name: str) -> Point:
        """The point of that name; KeyError when there is none."""
        for point in self.points:
            if point.name == name:
                return point
        raise KeyError(name)

    def requests(self) -> list[Request]:
        """The read requests for all register points, joined as the profile allows; for a serial sensor its frames."""
        if self.profile.frame is not None:
            return frame_requests(self.profile, self.points)
        limits = self.profile.device.requests
        return plan_requests(self.points, limits.max_registers, limits.max_gap)


def check_options(profile: Profile, given: Mapping[str, object]) -> list[Finding]:
    """What is wrong with the options given to a device; each finding's path is the option's name."""
    findings = []
    for name, value in given.items():
        option = profile.options.get(name)
        if option is None:
            guess = nearest(name, list(profile.options))
            known = ", ".join(profile.options) or "none"
            mend = f"did you mean {guess}?" if guess else f"the options it has: {known}"
            findings.append(Finding((name,), f"{profile.device.model} has no option {name}", mend))
        elif not option.allows(value):
            low_high = option.range
            allowed = f"{low_high[0]} to {low_high[1]}" if low_high else " or ".join(map(repr, option.choices))
            findings.append(Finding((name,), f"option {name} cannot be {value!r}", f"it takes {allowed}"))
    return findings


def resolve(profile: Profile, given: Mapping[str, object] | None = None) -> ResolvedProfile:
    """The profile with the given options, the others at their defaults.

    Raises OptionError for what `check_options` would find.
    """
    given = given or {}
    findings = check_options(profile, given)
    if findings:
        raise OptionError("; ".join(f"{finding.what}: {finding.mend}" for finding in findings))
    options: dict[str, OptionValue] = {name: option.default for name, option in profile.options.items()}
    for name, value in given.items():
        assert isinstance(value, (int, str))
        options[name] = value
    points = tuple(
        _point(profile, section.name or key, section, options)
        for key, section in profile.points.items()
        if all(options[option] == value for option, value in section.when.items())
    )
    return ResolvedProfile(profile, options, points, _lamp(profile, options))


def scaled_range(low_high: tuple[float, float], exponent: int) -> tuple[int, int]:
    """A range in a point's unit as the scaled integers that lie within it."""
    low, high = (Decimal(str(bound)).scaleb(-exponent) for bound in low_high)
    return int(low.to_integral_value(ROUND_CEILING)), int(high.to_integral_value(ROUND_FLOOR))


def _point(profile: Profile, name: str, section: PointSection, options: Mapping[str, OptionValue]) -> Point:
    exponent = _number(section.scale, options)
    low, high = (0, 1) if section.range is None else scaled_range(section.range, exponent)
    return Point(
        name=name,
        title=section.title or name.replace("_", " "),
        unit=section.unit,
        exponent=exponent,
        offset=_offset(section, exponent, options),
        low=low,
        high=high,
        report=section.report,
        alarm=section.alarm,
        register=_register(profile, section, options),
        pin=_pin(section.pin, options),
        field=_text(section),
        current=None if section.current is None else current_source(section.current, exponent, options),
        pulses=None if section.pulses is None else pulse_source(section.pulses, options),
        tilt=None if section.tilt is None else tilt_source(section.tilt, options),
        stuck_min=section.stuck_min,
        counts_down=section.down_from is not None,
    )


def _offset(section: PointSection, exponent: int, options: Mapping[str, OptionValue]) -> int:
    if section.down_from is not None:
        return _number(section.down_from, options)
    return int(Decimal(str(section.offset)).scaleb(-exponent))


def _text(section: PointSection) -> TextField | None:
    field = section.field
    if field is None or field.sentence is None or field.number is None:
        return None
    return TextField(field.sentence, field.number, field.written)


def _register(profile: Profile, section: PointSection, options: Mapping[str, OptionValue]) -> RegisterSource | None:
    if section.field is not None and section.field.at is not None:
        return frame_register(profile, section, section.field)
    register = section.register_at
    if register is None:
        return None
    shift = _shift(profile, register.shift, options)
    if register.type == "bits":
        parts = tuple(_part(part.address + shift, part.bits) for part in register.parts)
        count = max(part.address for part in parts) - min(part.address for part in parts) + 1
        address = min(part.address for part in parts)
    else:
        assert register.address is not None
        address = register.address + shift
        count = REGISTER_COUNTS[register.type]
        parts = () if register.bits is None else (_part(address, register.bits),)
    status = None if section.status is None else _status(profile.status[section.status], shift)
    decimals = _exponents(section.decimals, shift, -1)
    unit_code = _exponents(section.unit_code, shift, 1)
    looked_up = [lookup.part.address for lookup in (status, decimals, unit_code) if lookup is not None]
    return RegisterSource(
        function=register.function,
        unit_offset=register.unit_offset,
        type=register.type,
        address=address,
        count=count,
        little=register.word_order == "little",
        parts=parts,
        invalid=section.invalid,
        inverted=section.inverted,
        zero_means_retry=section.zero_means_retry,
        status=status,
        decimals=decimals,
        unit_code=unit_code,
        first=min([address, *looked_up]),
        last=max([address + count - 1, *looked_up]),
        no_echo=section.no_echo,
    )


def _pin(section: PinSection | None, options: Mapping[str, OptionValue]) -> PinSource | None:
    if section is None:
        return None
    number = _number(section.number, options)
    return PinSource(number, section.active == "high", section.pull, section.debounce_ms)


def _lamp(profile: Profile, options: Mapping[str, OptionValue]) -> LampDriver | None:
    lamp = profile.lamp
    if lamp is None:
        return None
    return LampDriver(
        function=lamp.write.function,
        unit_offset=lamp.write.unit_offset,
        address=lamp.write.address + _shift(profile, lamp.write.shift, options),
        read_back=lamp.read_back,
        curve=lamp_curve(lamp.curve, lamp.off_value, lamp.full_value),
        settle_ms=lamp.settle_ms,
    )


def _number(value: int | str, options: Mapping[str, OptionValue]) -> int:
    """The number itself, or that of the option it names."""
    number = options[value] if isinstance(value, str) else value
    assert isinstance(number, int)
    return number


def _shift(profile: Profile, option_name: str | None, options: Mapping[str, OptionValue]) -> int:
    if option_name is None:
        return 0
    shift = profile.options[option_name].shift
    assert shift is not None
    return (_number(option_name, options) - shift.origin) * shift.step


def _part(address: int, bits: BitRange) -> BitPart:
    return BitPart(address, bits[1], bits[0] - bits[1] + 1)


def _status(section: StatusSection, shift: int) -> Lookup:
    codes = {code: QUALITIES[word] for code, word in section.codes.items()}
    return Lookup(_part(section.address + shift, section.bits), codes, QUALITIES[section.otherwise])


def _exponents(section: ExponentSection | None, shift: int, sign: int) -> Lookup | None:
    if section is None:
        return None
    codes: Iterable[tuple[int, int]] = section.codes.items()
    return Lookup(_part(section.address + shift, section.bits), {code: sign * power for code, power in codes}, None)
