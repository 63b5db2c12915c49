"""SenML (RFC 8428): labels, exact numbers, and turning a pack with base fields into plain records.

A pack is a list of dicts whose keys are the CBOR labels of RFC 8428, table 6; other fields have text keys. Whoever
moves the bytes (CBOR on the gateway) is elsewhere. Floating point never appears here: a number is an int, or a tuple
(exponent, mantissa) that stands for mantissa * 10 ** exponent (RFC 8949, 3.4.4), so that a scaled integer of a device
arrives as the same scaled integer. spec/uplink.md tells which names and fields we use.
"""

from protocols import errors

CONTENT_FORMAT = 112
"""CoAP Content-Format application/senml+cbor (RFC 8428, 12.3.2)."""

BASE_VERSION = -1
BASE_NAME = -2
BASE_TIME = -3
BASE_UNIT = -4
BASE_VALUE = -5
BASE_SUM = -6
NAME = 0
UNIT = 1
VALUE = 2
TEXT_VALUE = 3
BOOLEAN_VALUE = 4
SUM = 5
TIME = 6
UPDATE_TIME = 7
DATA_VALUE = 8

VERSION = 10
"""The version of RFC 8428 (4.4); a pack without `bver` has it."""
RELATIVE_TIME_LIMIT_S = 1 << 28
"""A resolved time below this is counted from now, not from 1970 (RFC 8428, 4.5.3)."""
MAX_EXPONENT = 18
"""Largest power of ten, up or down, that a number may have here."""
MAX_MANTISSA = (1 << 63) - 1
"""Largest magnitude of a number, before and after base values are added."""
MAX_NAME = 128
"""Longest resolved name in characters."""

SAMPLE = "sample"
FIGURES = ("mean", "min", "max")
"""Kinds of reading that are figures of a window; the rest are samples."""
ALARM = "alarm"
EVENT = "event"
RESULT = "result"
COMMAND_PREFIX = "command/"
"""Before the id of a command in the name of its result."""

_NAME_BEGINS_WITH = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_NAME_GOES_ON_WITH = _NAME_BEGINS_WITH + "-:./_"
_VALUE_LABELS = (VALUE, TEXT_VALUE, BOOLEAN_VALUE, DATA_VALUE)


def number(value: int, exponent: int) -> int | tuple[int, int]:
    """The shortest exact form of value * 10 ** exponent: the int itself for exponent 0, else (exponent, value)."""
    return value if exponent == 0 else (exponent, value)


def parts(value: object) -> tuple[int, int]:
    """(exponent, mantissa) of a number. Raises WireError(VALUE) for what is none or is out of bounds."""
    if isinstance(value, tuple) and len(value) == 2:
        return _int_within(value[0], MAX_EXPONENT), _int_within(value[1], MAX_MANTISSA)
    return 0, _int_within(value, MAX_MANTISSA)


def total(first: object, second: object) -> tuple[int, int]:
    """Exact sum of two numbers as (exponent, mantissa), with the finer of their two exponents.

    Raises WireError(VALUE) when the sum is out of bounds.
    """
    exponent, mantissa = parts(first)
    other_exponent, other = parts(second)
    if other == 0:
        return exponent, mantissa
    if mantissa == 0:
        return other_exponent, other
    common = min(exponent, other_exponent)
    return parts((common, mantissa * _power_of_ten(exponent - common) + other * _power_of_ten(other_exponent - common)))


def milliseconds(seconds: tuple[int, int]) -> int:
    """A time in seconds (exponent, mantissa) as whole milliseconds, the nearest, halves upwards."""
    exponent, mantissa = seconds[0] + 3, seconds[1]
    if exponent >= 0:
        return mantissa * _power_of_ten(exponent)
    unit = _power_of_ten(-exponent)
    return (2 * mantissa + unit) // (2 * unit)


def seconds(from_ms: int) -> int | tuple[int, int]:
    """Milliseconds as an exact SenML time in seconds: an int when whole, else (-3, milliseconds)."""
    return from_ms // 1000 if from_ms % 1000 == 0 else (-3, from_ms)


def is_name(text: str) -> bool:
    """Whether a resolved name is one that RFC 8428 4.5.1 allows, and not longer than MAX_NAME."""
    if not text or len(text) > MAX_NAME or text[0] not in _NAME_BEGINS_WITH:
        return False
    return all(character in _NAME_GOES_ON_WITH for character in text)


def figure_name(point: str, kind: str) -> str:
    """Name of a reading below the gateway's base name: the point, with `:mean`, `:min` or `:max` for a figure."""
    return point if kind == SAMPLE else point + ":" + kind


def split_name(name: str) -> tuple[str, str]:
    """(what it is about, kind) of a name below the base name.

    kind is what stands after the last colon: `mean`, `min`, `max`, `alarm`, `event` or `result`, or `sample` without
    one. Raises WireError(VALUE) for any other ending.
    """
    about, colon, kind = name.rpartition(":")
    if not colon:
        return name, SAMPLE
    if not about or (kind not in FIGURES and kind not in (ALARM, EVENT, RESULT)):
        raise errors.WireError(errors.VALUE)
    return about, kind


def resolve(pack: list[dict[int | str, object]], now_ms: int) -> list[dict[int | str, object]]:
    """The pack's records without base fields (RFC 8428, 4.6): each has NAME, TIME (unix milliseconds), one value or
    SUM, UNIT where known, and its other fields as they are. VALUE and SUM become (exponent, mantissa).

    `now_ms` is what times below RELATIVE_TIME_LIMIT_S are counted from. The pack is left as it is.
    Raises WireError(COUNT) for an empty pack or a record without exactly one value, WireError(VERSION) for a version
    or a `..._` field that must be understood and is not, WireError(VALUE) for a field of the wrong type.
    """
    if not pack:
        raise errors.WireError(errors.COUNT)
    base: dict[int | str, object] = {BASE_VERSION: VERSION}
    return [_resolve_record(record, base, now_ms) for record in pack]


def _resolve_record(
    record: dict[int | str, object], base: dict[int | str, object], now_ms: int
) -> dict[int | str, object]:
    _take_base(record, base)
    name = _text(base.get(BASE_NAME, "")) + _text(record.get(NAME, ""))
    if not is_name(name):
        raise errors.WireError(errors.VALUE)
    resolved: dict[int | str, object] = {
        NAME: name,
        TIME: _time_ms(base.get(BASE_TIME, 0), record.get(TIME, 0), now_ms),
    }
    unit = record.get(UNIT, base.get(BASE_UNIT))
    if unit is not None:
        resolved[UNIT] = _text(unit)
    _take_values(record, base, resolved)
    for label, value in record.items():
        if isinstance(label, str):
            if label.endswith("_"):
                raise errors.WireError(errors.VERSION)
            resolved[label] = value
    return resolved


def _take_base(record: dict[int | str, object], base: dict[int | str, object]) -> None:
    for label in (BASE_NAME, BASE_TIME, BASE_UNIT, BASE_VALUE, BASE_SUM):
        if label in record:
            base[label] = record[label]
    version = record.get(BASE_VERSION, base[BASE_VERSION])
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version <= VERSION:
        raise errors.WireError(errors.VERSION)


def _take_values(
    record: dict[int | str, object], base: dict[int | str, object], resolved: dict[int | str, object]
) -> None:
    found = [label for label in _VALUE_LABELS if label in record]
    if len(found) > 1 or not (found or SUM in record):
        raise errors.WireError(errors.COUNT)
    for label in found:
        value = record[label]
        if label == VALUE:
            resolved[VALUE] = total(value, base.get(BASE_VALUE, 0))
        elif label == BOOLEAN_VALUE:
            if not isinstance(value, bool):
                raise errors.WireError(errors.VALUE)
            resolved[label] = value
        elif label == DATA_VALUE:
            if not isinstance(value, bytes):
                raise errors.WireError(errors.VALUE)
            resolved[label] = value
        else:
            resolved[label] = _text(value)
    if SUM in record:
        resolved[SUM] = total(record[SUM], base.get(BASE_SUM, 0))
    if UPDATE_TIME in record:
        resolved[UPDATE_TIME] = parts(record[UPDATE_TIME])


def _time_ms(base_time: object, time: object, now_ms: int) -> int:
    since = total(base_time, time)
    time_ms = milliseconds(since)
    if time_ms < RELATIVE_TIME_LIMIT_S * 1000:
        time_ms += now_ms
    return time_ms


def _int_within(value: object, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not -limit <= value <= limit:
        raise errors.WireError(errors.VALUE)
    return value


def _power_of_ten(exponent: int) -> int:
    power = 1
    for _ in range(exponent):
        power *= 10
    return power


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise errors.WireError(errors.VALUE)
    return value
