"""Applying options to what stands in a frame or is measured by the node itself.

A binary frame becomes registers of two bytes each, counted from its byte `frame_origin`, so that nodes, the rig and
the gateway read it as they read an answer; a value that does not stand on whole registers is put together from bytes.
"""

from collections.abc import Mapping
from decimal import Decimal

from gateway_agent.profiles.frame_sections import (
    FIELD_BYTES,
    CurrentSection,
    FrameFieldSection,
    PulsesSection,
    TiltSection,
)
from gateway_agent.profiles.model import OptionValue, PointSection, Profile
from gateway_agent.profiles.point import BitPart, CurrentSource, Lookup, Point, PulseSource, RegisterSource, TiltSource
from gateway_agent.profiles.requests import Request
from gateway_agent.profiles.sources import BitRange, ExponentSection
from protocols import quality

FRAME_FUNCTION = 0
"""The function code of a request that is a frame."""

QUALITIES = {
    "good": quality.GOOD,
    "warming-up": quality.WARMING_UP,
    "fault": quality.FAULT,
    "invalid": quality.INVALID,
}
"""The qualities that a status may name."""

_TYPES = {"u8": "u16", "s8": "s16", "u16": "u16", "s16": "s16", "u32": "u32", "s32": "s32"}


def frame_origin(profile: Profile) -> int:
    """The byte at which the first register of the frame begins: 1 where that puts more numbers on whole registers."""
    places = [
        point.field.at
        for point in profile.points.values()
        if point.field is not None
        and point.field.at is not None
        and point.field.type is not None
        and point.field.order == "big"
        and FIELD_BYTES[point.field.type] > 1
    ]
    return 1 if 2 * sum(place % 2 for place in places) > len(places) else 0


def frame_register(profile: Profile, section: PointSection, field: FrameFieldSection) -> RegisterSource:
    """Where a value of a binary frame stands, as registers."""
    assert field.at is not None
    assert field.type is not None
    origin, size = frame_origin(profile), FIELD_BYTES[field.type]
    numbers = range(field.at, field.at + size)
    parts: tuple[BitPart, ...] = ()
    if field.order == "little" or size == 1 or (field.at - origin) % 2:
        ordered = numbers if field.order == "big" else reversed(numbers)
        parts = tuple(_byte(number, origin, (7, 0)) for number in ordered)
    first, last = (numbers[0] - origin) // 2, (numbers[-1] - origin) // 2
    status = None
    if section.status is not None:
        given = profile.status[section.status]
        codes = {code: QUALITIES[word] for code, word in given.codes.items()}
        status = Lookup(_byte(given.address, origin, given.bits), codes, QUALITIES[given.otherwise])
    decimals = _exponents(section.decimals, origin, -1)
    unit_code = _exponents(section.unit_code, origin, 1)
    looked_up = [lookup.part.address for lookup in (status, decimals, unit_code) if lookup is not None]
    return RegisterSource(
        function=FRAME_FUNCTION,
        unit_offset=0,
        type=_TYPES[field.type],
        address=first,
        count=last - first + 1,
        little=False,
        parts=parts,
        invalid=section.invalid,
        inverted=False,
        zero_means_retry=section.zero_means_retry,
        status=status,
        decimals=decimals,
        unit_code=unit_code,
        first=min([first, *looked_up]),
        last=max([last, *looked_up]),
        no_echo=section.no_echo,
    )


def frame_requests(profile: Profile, points: tuple[Point, ...]) -> list[Request]:
    """One request for a binary frame, or one for each kind of sentence that has points; the address is its number."""
    frame = profile.frame
    assert frame is not None
    if frame.mode != "sentences":
        of_frame = [point for point in points if point.register is not None]
        count = (frame.least - frame_origin(profile)) // 2
        return [Request(0, FRAME_FUNCTION, 0, count, tuple(of_frame))] if of_frame else []
    found: list[Request] = []
    for name in frame.sentences:
        of_sentence = [point for point in points if point.field is not None and point.field.sentence == name]
        if of_sentence:
            found.append(Request(0, FRAME_FUNCTION, len(found), 1, tuple(of_sentence)))
    return found


def current_source(section: CurrentSection, exponent: int, options: Mapping[str, OptionValue]) -> CurrentSource:
    """A 4-20 mA input; an end that an option holds is in counts of the point already."""
    return CurrentSource(
        _number(section.pin, options),
        _number(section.shunt_ohm, options),
        _counts(section.at_4_ma, exponent, options),
        _counts(section.at_20_ma, exponent, options),
    )


def pulse_source(section: PulsesSection, options: Mapping[str, OptionValue]) -> PulseSource:
    """A counter of pulses."""
    return PulseSource(_number(section.number, options), section.edge == "rising", section.pull, section.debounce_ms)


def tilt_source(section: TiltSection, options: Mapping[str, OptionValue]) -> TiltSource:
    """An angle of the accelerometer."""
    sda, scl, address = (_number(value, options) for value in (section.sda, section.scl, section.address))
    return TiltSource(section.turned_from == "background", sda, scl, address)


def _byte(number: int, origin: int, bits: BitRange) -> BitPart:
    place = number - origin
    return BitPart(place // 2, bits[1] + (0 if place % 2 else 8), bits[0] - bits[1] + 1)


def _exponents(section: ExponentSection | None, origin: int, sign: int) -> Lookup | None:
    if section is None:
        return None
    codes = {code: sign * power for code, power in section.codes.items()}
    return Lookup(_byte(section.address, origin, section.bits), codes, None)


def _number(value: int | str, options: Mapping[str, OptionValue]) -> int:
    number = options[value] if isinstance(value, str) else value
    assert isinstance(number, int)
    return number


def _counts(value: float | str, exponent: int, options: Mapping[str, OptionValue]) -> int:
    if isinstance(value, str):
        return _number(value, options)
    return round(Decimal(str(value)).scaleb(-exponent))
