"""What a gateway's SenML message says, in the platform's own terms. protocols/spec/uplink.md is the page for it.

Strict: a message is read as a whole or refused as a whole, with a short reason for the sender.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway_agent.uplink import messages
from gateway_agent.uplink.columns import read_sequences
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.objects import ObjectName, is_path
from gateway_agent.uplink.senml_cbor import Fields, decode_pack
from protocols import errors, senml

_MAX_INTEGER = (1 << 63) - 1
_REASONS = {
    errors.COUNT: "a record needs exactly one value, and a pack at least one record",
    errors.VALUE: "a field has a wrong type, name or range",
    errors.VERSION: "this version of SenML, or a field that must be understood, is unknown",
}


@dataclass(frozen=True, slots=True)
class SentReading:
    """One value of one point; `kind` is sample, mean, min or max, `unit` empty when none was sent."""

    point: str
    time_ms: int
    value: int
    exponent: int
    kind: str
    unit: str


@dataclass(frozen=True, slots=True)
class SentAlarm:
    """An alarm that was raised (`state` True) or cleared."""

    point: str
    time_ms: int
    state: bool
    code: str
    source: str
    number: int | None


@dataclass(frozen=True, slots=True)
class SentEvent:
    """Something that happened to `name`."""

    name: str
    time_ms: int
    code: str
    source: str
    number: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SentResult:
    """How a command ended."""

    command_id: str
    time_ms: int
    state: str
    detail: str
    level_pct: int | None


@dataclass(frozen=True, slots=True)
class SentWindow:
    """Readings of one point and kind that were thinned: a window of `span_s` seconds from `time_ms` on.

    Figures are scaled by `exponent`. It is in the place of readings and windows of that point, kind and time whose
    records had the sequences `replaces`, (first, last) each.
    """

    point: str
    time_ms: int
    span_s: int
    exponent: int
    kind: str
    least: int
    greatest: int
    total: int
    count: int
    unit: str
    replaces: tuple[tuple[int, int], ...]


Item = SentReading | SentWindow | SentAlarm | SentEvent | SentResult


@dataclass(frozen=True, slots=True)
class SentRecord:
    """One record of the gateway's journal: what is stored once, however often it comes.

    `trusted` is False when its times are by a clock that was never found right.
    """

    sequence: int
    items: tuple[Item, ...]
    trusted: bool = True


class _Reader:
    """The journal record that is being read, with what its first SenML record says for the others."""

    def __init__(self, sequence: int, fields: Fields) -> None:
        self.sequence = sequence
        self.items: list[Item] = []
        self.trusted = fields.get(messages.CLOCK) != messages.UNTRUSTED
        self.unit = _text(fields, senml.UNIT)
        self.span_s = _integer(fields, messages.SPAN, 1) if messages.SPAN in fields else 0
        self.replaces = _read_ranges(_text(fields, messages.REPLACES))

    def read(self, fields: Fields, gateway: str, names: Mapping[str, ObjectName]) -> None:
        """Take one SenML record."""
        item = _read_item(fields, gateway, self, names)
        self.items.append(item)


def read_message(
    payload: bytes, gateway: str, now_ms: int, names: Mapping[str, ObjectName] | None = None
) -> list[SentRecord]:
    """The journal records of a SenML-CBOR message from `gateway`, in its order. Raises FormatError.

    `names` are the gateway's OMA names by path: what has one is told by its point and in its unit; without them it is
    told as it came.
    """
    try:
        resolved = senml.resolve(decode_pack(payload), now_ms)
    except errors.WireError as error:
        raise FormatError(_REASONS[error.reason]) from error
    if messages.SEQUENCE not in resolved[0]:
        raise FormatError(f"the first record has no {messages.SEQUENCE}")
    starts = [number for number, fields in enumerate(resolved) if messages.SEQUENCE in fields]
    records: list[SentRecord] = []
    for start, end in zip(starts, [*starts[1:], len(resolved)], strict=True):
        unit = resolved[start:end]
        try:
            if isinstance(unit[0][messages.SEQUENCE], str):
                records += _read_columns(unit, gateway, names or {})
            else:
                records.append(_read_rows(unit, gateway, names or {}))
        except errors.WireError as error:
            raise FormatError(_REASONS[error.reason]) from error
    return records


def _read_rows(unit: list[Fields], gateway: str, names: Mapping[str, ObjectName]) -> SentRecord:
    """One journal record."""
    reader = _Reader(_integer(unit[0], messages.SEQUENCE, 1), unit[0])
    for fields in unit:
        reader.read(fields, gateway, names)
    return SentRecord(reader.sequence, tuple(reader.items), reader.trusted)


def _read_columns(unit: list[Fields], gateway: str, names: Mapping[str, ObjectName]) -> list[SentRecord]:
    """Polls in columns: what has the same time is one journal record."""
    try:
        sequences = read_sequences(_text(unit[0], messages.SEQUENCE))
    except ValueError as error:
        raise FormatError(f"{messages.SEQUENCE} of columns is sequences like 12 2 2, not {error}") from error
    reader = _Reader(sequences[0], unit[0])
    by_time: dict[int, list[Item]] = {}
    for fields in unit:
        item = _read_item(fields, gateway, reader, names)
        if not isinstance(item, SentReading):
            raise FormatError(f"{fields[senml.NAME]} cannot stand in columns")
        by_time.setdefault(item.time_ms, []).append(item)
    if len(by_time) != len(sequences):
        raise FormatError(f"columns of {len(by_time)} times have {len(sequences)} sequences")
    return [
        SentRecord(sequence, tuple(items))
        for sequence, (_, items) in zip(sequences, sorted(by_time.items()), strict=True)
    ]


def _read_item(fields: Fields, gateway: str, record: "_Reader", names: Mapping[str, ObjectName]) -> Item:
    about, kind = _read_name(str(fields[senml.NAME]), gateway)
    time_ms = _integer(fields, senml.TIME, 0)
    code, source = _text(fields, messages.CODE), _text(fields, messages.SOURCE)
    number = None if messages.NUMBER not in fields else _integer(fields, messages.NUMBER, -_MAX_INTEGER)
    if kind == senml.ALARM:
        return SentAlarm(about, time_ms, _value(fields, senml.BOOLEAN_VALUE) is True, code, source, number)
    if kind == senml.EVENT:
        return SentEvent(
            about, time_ms, str(_value(fields, senml.TEXT_VALUE)), source, number, _text(fields, messages.DETAIL)
        )
    if kind == senml.RESULT:
        return _read_result(fields, about, time_ms)
    name_known = names.get(about)
    if messages.COUNT in fields:
        window = _read_window(fields, about, kind, record)
        return window if name_known is None else _window_of_point(window, name_known)
    if is_path(about) and senml.BOOLEAN_VALUE in fields:
        exponent, value = 0, int(fields[senml.BOOLEAN_VALUE] is True)
    else:
        exponent, value = senml.parts(_value(fields, senml.VALUE))
    own = None if name_known is None else name_known.conversion.back(value, exponent)
    if name_known is None or own is None:
        return SentReading(about, time_ms, value, exponent, kind, _text(fields, senml.UNIT))
    return SentReading(name_known.point, time_ms, *own, kind, name_known.unit)


def _read_name(name: str, gateway: str) -> tuple[str, str]:
    """(what it is about, kind): of a resource its path, of all else what stands after the gateway's name."""
    about, kind = senml.split_name(name)
    if is_path(about):
        return about, kind
    if not about.startswith(gateway + "/"):
        raise FormatError(f"the name {name} is no resource, and does not begin with {gateway}/")
    about = about[len(gateway) + 1 :]
    if not about:
        raise FormatError(f"the name {name} names nothing")
    return about, kind


def _window_of_point(window: SentWindow, name: ObjectName) -> SentWindow:
    """A window of a resource as one of the point; as it came where the point cannot have it."""
    figures = [name.conversion.back(value, window.exponent) for value in (window.least, window.greatest, window.total)]
    own = [figure for figure in figures if figure is not None]
    if len(own) < len(figures) or not name.conversion.is_linear:
        return window
    (least, exponent), (greatest, _), (total, _) = own
    return replace(
        window, point=name.point, least=least, greatest=greatest, total=total, exponent=exponent, unit=name.unit
    )


def _read_window(fields: Fields, about: str, kind: str, record: "_Reader") -> SentWindow:
    if not record.span_s:
        raise FormatError(f"a window of {about} does not say how long it is")
    labels = (messages.TOTAL, messages.LEAST, messages.GREATEST)
    (exponent, total), (_, least), (_, greatest) = figures = [senml.parts(_value(fields, label)) for label in labels]
    if any(scale != exponent for scale, _ in figures):
        raise FormatError(f"the figures of a window of {about} have different exponents")
    count, time_ms = _integer(fields, messages.COUNT, 1), _integer(fields, senml.TIME, 0)
    return SentWindow(
        about, time_ms, record.span_s, exponent, kind, least, greatest, total, count, record.unit, record.replaces
    )


def _read_ranges(text: str) -> tuple[tuple[int, int], ...]:
    ranges = []
    for part in text.split():
        first, _, last = part.partition("-")
        if not (first.isdecimal() and last.isdecimal()):
            raise FormatError(f"{messages.REPLACES} is ranges like 12-40, not {part}")
        ranges.append((int(first), int(last)))
    return tuple(ranges)


def _read_result(fields: Fields, about: str, time_ms: int) -> SentResult:
    if not about.startswith(senml.COMMAND_PREFIX):
        raise FormatError(f"a result is named {senml.COMMAND_PREFIX}<id>, not {about}")
    level = None if messages.LEVEL not in fields else _integer(fields, messages.LEVEL, 0)
    state = str(_value(fields, senml.TEXT_VALUE))
    return SentResult(about[len(senml.COMMAND_PREFIX) :], time_ms, state, _text(fields, messages.DETAIL), level)


def _value(fields: Fields, label: int | str) -> object:
    if label not in fields:
        raise FormatError(f"{fields[senml.NAME]} has another kind of value than its name says")
    return fields[label]


def _integer(fields: Fields, label: int | str, lowest: int) -> int:
    value = fields[label]
    if type(value) is not int or not lowest <= value <= _MAX_INTEGER:
        raise FormatError(f"{label} of {fields[senml.NAME]} is no integer from {lowest} on")
    return value


def _text(fields: Fields, label: int | str) -> str:
    value = fields.get(label, "")
    if not isinstance(value, str):
        raise FormatError(f"{label} of {fields[senml.NAME]} is no text")
    return value
