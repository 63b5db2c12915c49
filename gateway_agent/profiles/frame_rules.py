"""Checks of a profile's frame, of points that stand in it, and of points that the node measures itself."""

from collections.abc import Iterator
from decimal import Decimal

from gateway_agent.profiles.frame_sections import FIELD_BYTES, FrameFieldSection, FrameSection
from gateway_agent.profiles.model import PointSection, Profile
from gateway_agent.toml_lines import Loc
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

_TEXT_MIN_SCALE = -6
_ADC_FULL_V = 3.1
_SHORTED_MA = 21.0
_MOST_SPAN = (1 << 30) // 17000
"""Counts from 4 to 20 mA with which a node still reckons in small integers."""


def check_frame(profile: Profile) -> Iterator[Finding]:
    """Everything wrong with the frame of a profile, and whether its points need one."""
    frame = profile.frame
    loc: Loc = ("frame",)
    fields = [key for key, point in profile.points.items() if point.field is not None]
    if frame is None:
        for key in fields:
            mend = "add a table [frame]: mode, line, sync, bytes, checksum"
            yield Finding(("points", key, "field"), "a field needs a frame that it stands in", mend)
        return
    if not fields:
        yield Finding(loc, "no point stands in the frame", "give points field = { at = 4, type = ... }")
    for key, point in profile.points.items():
        if point.register_at is not None:
            what = "a device of frames has no registers"
            yield Finding(("points", key, "register"), what, "write field = { ... }, or make two profiles")
    if frame.mode == "sentences":
        yield from _check_sentences(loc, frame)
    else:
        yield from _check_binary(profile, loc, frame)
    if frame.mode == "answering":
        if not frame.request or frame.reply_timeout_ms is None:
            yield Finding(loc, "a sensor that is asked needs request and reply_timeout_ms", "add both")
        if frame.every_ms is not None:
            yield Finding((*loc, "every_ms"), "a sensor that is asked has no every_ms", "take it out")
    else:
        if frame.every_ms is None:
            yield Finding(loc, "a sensor that speaks by itself needs every_ms", "add every_ms = 1000")
        for key in ("request", "reply_timeout_ms"):
            if getattr(frame, key):
                what = f"a sensor that speaks by itself has no {key}"
                yield Finding((*loc, key), what, f'take {key} out, or write mode = "answering"')


def _check_sentences(loc: Loc, frame: FrameSection) -> Iterator[Finding]:
    for key in ("sync", "bytes_", "length", "checksum", "tail", "setup", "median"):
        if getattr(frame, key):
            name = key.rstrip("_")
            yield Finding((*loc, name), f"sentences have no {name} of their own", f"take {name} out")
    if not frame.sentences:
        yield Finding(loc, "which sentences are meant?", 'add [frame.sentences.RMC] with valid_field = 2, valid = "A"')
    for name, sentence in frame.sentences.items():
        if (sentence.valid_field is None) != (not sentence.valid):
            what = f"{name} needs both valid_field and valid, or neither"
            yield Finding((*loc, "sentences", name), what, 'for example valid_field = 2, valid = "A"')
        elif not sentence.valid.isascii():
            yield Finding((*loc, "sentences", name, "valid"), "a sentence is ASCII", "write ASCII letters")


def _check_binary(profile: Profile, loc: Loc, frame: FrameSection) -> Iterator[Finding]:
    if frame.sentences:
        what = f'mode "{frame.mode}" has no sentences'
        yield Finding((*loc, "sentences"), what, 'take them out, or write mode = "sentences"')
    if not frame.sync:
        yield Finding(loc, "nothing tells where a frame begins", "add sync = [0x42, 0x4D]")
    if (frame.bytes_ is None) == (frame.length is None):
        yield Finding(loc, "the frame needs either bytes or length", "bytes = 32, or length = { at = 2, ... }")
        return
    length = frame.length
    if length is not None:
        if length.at + FIELD_BYTES[length.type] > length.least:
            yield Finding((*loc, "length", "at"), "the length stands behind the shortest frame", "mend at or least")
        if length.least > length.most:
            yield Finding((*loc, "length", "least"), "least is greater than most", "write the shorter first")
    if len(frame.sync) + len(frame.tail) >= frame.least:
        yield Finding((*loc, "sync"), "the frame is all sync and tail", "mend bytes or length")
    checksum = frame.checksum
    if checksum is None:
        mend = 'add checksum = { kind = "sum8", at = -1 }'
        yield Finding(loc, "without a checksum no right frame can be told from a wrong one", mend)
        return
    if isinstance(checksum.first, str):
        option = profile.options.get(checksum.first)
        values = () if option is None else option.bounds_or_choices
        firsts = [value for value in values if isinstance(value, int) and value >= 0]
        if not values or len(firsts) != len(values):
            what = f"{checksum.first} is no option with whole numbers from 0"
            yield Finding((*loc, "checksum", "first"), what, "give a number, or the name of an option that holds one")
            return
    else:
        firsts = [checksum.first]
    width = 2 if checksum.kind == "sum16" else 1
    for whole in (frame.least, frame.most):
        place = checksum.at % whole if -whole <= checksum.at < 0 else checksum.at
        given = checksum.at if checksum.end is None else checksum.end
        end = given % whole if -whole <= given < 0 else given
        if not (0 <= place <= whole - width and max(firsts) < end <= whole):
            yield Finding((*loc, "checksum"), f"the checksum leaves a frame of {whole} bytes", "mend at, first or end")
            return


def check_field(profile: Profile, loc: Loc, point: PointSection, scales: list[int]) -> Iterator[Finding]:
    """Everything wrong with a point that stands in a frame; `scales` are the values that its scale may have."""
    field, frame = point.field, profile.frame
    assert field is not None
    if frame is None:
        return
    if point.unit == "bool":
        yield Finding((*loc, "unit"), "a field is a number", 'choose another unit, "count" for a plain number')
    if point.offset and any(Decimal(str(point.offset)).scaleb(-scale) % 1 for scale in scales):
        what = f"offset {point.offset:g} is finer than one count of the point"
        yield Finding((*loc, "offset"), what, "give a multiple of the resolution, or mend scale")
    if point.status is not None and point.status not in profile.status:
        guess = nearest(point.status, list(profile.status))
        mend = f"did you mean {guess}?" if guess else f"add a table [status.{point.status}]"
        yield Finding((*loc, "status"), f"there is no status named {point.status}", mend)
    if frame.mode == "sentences":
        yield from _check_text(loc, point, field, frame, scales)
    else:
        yield from _check_bytes(profile, loc, point, field, frame)


def _check_text(
    loc: Loc, point: PointSection, field: FrameFieldSection, frame: FrameSection, scales: list[int]
) -> Iterator[Finding]:
    here: Loc = (*loc, "field")
    if field.sentence is None or field.number is None or field.at is not None or field.type is not None:
        mend = 'write field = { sentence = "RMC", number = 7 }'
        yield Finding(here, "a field of a sentence has sentence and number", mend)
    elif field.sentence not in frame.sentences:
        what = f"the frame has no sentence {field.sentence}"
        yield Finding((*here, "sentence"), what, f"add [frame.sentences.{field.sentence}]")
    for key in ("invalid", "no_echo", "status", "decimals", "unit_code", "offset", "zero_means_retry", "down_from"):
        if getattr(point, key):
            yield Finding((*loc, key), f"{key} has no meaning for a field of text", "take it out")
    wanted = {"position": ("deg", -6), "time": ("s", 0)}.get(field.written)
    if wanted is not None and (point.unit, scales) != (wanted[0], [wanted[1]]):
        what = f"a {field.written} counts in 10^{wanted[1]} {wanted[0]}"
        yield Finding((*loc, "scale"), what, f'write unit = "{wanted[0]}", scale = {wanted[1]}')
    elif not all(_TEXT_MIN_SCALE <= scale <= 0 for scale in scales):
        yield Finding((*loc, "scale"), f"digits are kept from {_TEXT_MIN_SCALE} to 0", "write for example scale = -2")


def _check_bytes(
    profile: Profile, loc: Loc, point: PointSection, field: FrameFieldSection, frame: FrameSection
) -> Iterator[Finding]:
    here: Loc = (*loc, "field")
    if field.at is None or field.type is None or field.sentence is not None or field.number is not None:
        yield Finding(here, "a field of a frame has at and type", 'write field = { at = 4, type = "u16" }')
        return
    if field.at + FIELD_BYTES[field.type] > frame.least or field.at == 0:
        yield Finding((*here, "at"), f"byte {field.at} is not inside the frame of {frame.least} bytes", "mend at")
    for key, section in (("decimals", point.decimals), ("unit_code", point.unit_code)):
        if section is not None:
            yield from _check_code((*loc, key), section.address, section.bits, frame)
    if point.status in profile.status:
        status = profile.status[str(point.status)]
        yield from _check_code(("status", str(point.status)), status.address, status.bits, frame)
    for key in ("invalid", "no_echo"):
        for index, value in enumerate(getattr(point, key)):
            if value >= 1 << 8 * FIELD_BYTES[field.type]:
                what = f"{value:#x} does not fit into a {field.type}"
                yield Finding((*loc, key, index), what, "give the raw value, without sign")


def _check_code(loc: Loc, address: int, bits: tuple[int, int], frame: FrameSection) -> Iterator[Finding]:
    if not 0 < address < frame.least:
        yield Finding((*loc, "address"), f"in a frame an address counts bytes, and {address} is none", "mend address")
    if bits[0] > 7:
        yield Finding((*loc, "bits"), "in a frame a code is one byte", "write bits = [7, 0]")


def check_own(profile: Profile, loc: Loc, point: PointSection, scales: list[int]) -> Iterator[Finding]:
    """Everything wrong with a point that the node measures itself: current, pulses, tilt."""
    keys = ("status", "decimals", "unit_code", "invalid", "no_echo", "inverted", "zero_means_retry", "offset")
    for key in (*keys, "stuck_min", "down_from"):
        if getattr(point, key):
            yield Finding((*loc, key), f"{key} has no meaning for what the node measures itself", "take it out")
    if point.pulses is not None and (point.unit != "count" or scales != [0]):
        mend = 'write unit = "count" and no scale: the count is kept, not what it stands for'
        yield Finding((*loc, "unit"), "pulses are counted", mend)
    if point.tilt is not None and (point.unit != "deg" or scales != [-1]):
        yield Finding((*loc, "unit"), "a tilt counts in tenths of a degree", 'write unit = "deg", scale = -1')
    named = []
    for source, names in (
        ("current", ("pin", "shunt_ohm", "at_4_ma", "at_20_ma")),
        ("pulses", ("number",)),
        ("tilt", ("sda", "scl", "address")),
    ):
        section = getattr(point, source)
        named += [((*loc, source, name), getattr(section, name)) for name in names if section is not None]
    for place, value in named:
        option = profile.options.get(value) if isinstance(value, str) else None
        if isinstance(value, str) and (option is None or not all(isinstance(v, int) for v in option.bounds_or_choices)):
            what = f"{value} is no option with whole numbers"
            yield Finding(place, what, "give a number, or the name of an option that holds one")
    if point.current is not None:
        yield from _check_current(profile, loc, point, scales)


def _check_current(profile: Profile, loc: Loc, point: PointSection, scales: list[int]) -> Iterator[Finding]:
    current = point.current
    assert current is not None
    shunt = current.shunt_ohm
    shunts = [shunt] if isinstance(shunt, int) else []
    if isinstance(shunt, str) and shunt in profile.options:
        shunts = [value for value in profile.options[shunt].bounds_or_choices if isinstance(value, int)]
    for ohm in shunts:
        if ohm * 20 / 1000 >= _ADC_FULL_V:
            what = f"20 mA through {ohm} ohm are more than the {_ADC_FULL_V} V that the pin can measure"
            yield Finding((*loc, "current", "shunt_ohm"), what, "take 120 ohm")
    if isinstance(current.at_4_ma, str) or isinstance(current.at_20_ma, str):
        return
    span = abs(current.at_20_ma - current.at_4_ma) / 10 ** min(scales)
    if not 1 <= span <= _MOST_SPAN:
        what = f"4 to 20 mA are {span:.0f} counts"
        yield Finding((*loc, "scale"), what, f"choose a scale that makes them 1 to {_MOST_SPAN}")
