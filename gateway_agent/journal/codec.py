"""Bodies of the journal's rows: values as short CBOR, and back. Who vouches for the bytes is in rows.py.

A body is short because a disk wears and has an end: numbers instead of names (channels.py), what repeats is said once,
trailing defaults are left out. Times are told apart from the body: a row has one, and a body only what differs from it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import cbor2

from gateway_agent.journal.errors import JournalError
from gateway_agent.records import Command, CommandResult, Event, Reading, Thinned, Window

ALARM, EVENT, RESULT, TELEMETRY = 0, 1, 2, 3
"""Classes of records, most urgent first; above TELEMETRY stand its thinned forms, one class for each of SPANS_S."""
SPANS_S = (60, 300, 900, 3600)
"""Windows to which telemetry is thinned, one after another."""
CLASSES = tuple(range(TELEMETRY + 1 + len(SPANS_S)))
THINNED = CLASSES[TELEMETRY + 1 :]
WINDOWS_EACH = 12
"""Windows that one thinned record holds at most: as many as one message takes."""

KINDS = ("sample", "mean", "min", "max")
LARGEST = (1 << 63) - 1
"""Largest magnitude of a reading's value: what SQLite, most platforms and SenML decoders take."""

MESSAGE_BYTES = 896
"""What the readings of one record may come to as SenML; a record is never split, and a message holds at least one."""
_READING_BYTES = 46
"""Bound of one reading in SenML-CBOR beside its name: unit, value, time, sequence and heads at their longest."""

Content = tuple[Reading, ...] | Thinned | Event | CommandResult
Channel = tuple[str, int, str]
"""What a channel number stands for: point, exponent, kind."""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the journal; `content` is by `record_class`.

    (`epoch`, `sequence`) name it for ever, also at the platform. `trusted` is False when its times are by a clock that
    was never found right.
    """

    sequence: int
    record_class: int
    content: Content
    epoch: int = 0
    trusted: bool = True

    @property
    def readings(self) -> int:
        """How many readings it holds; windows are none."""
        return len(self.content) if isinstance(self.content, tuple) else 0


def span_s(record_class: int) -> int:
    """Seconds of the windows of a class of thinned records."""
    return SPANS_S[record_class - TELEMETRY - 1]


def is_storable(reading: Reading) -> bool:
    """Whether the reading's numbers fit: value within 63 bits and sign, exponent within 18, a kind that we know."""
    return (
        -LARGEST <= reading.value <= LARGEST
        and -18 <= reading.exponent <= 18
        and reading.kind in KINDS
        and len(reading.point) <= MESSAGE_BYTES - _READING_BYTES
    )


def split_poll(readings: Sequence[Reading]) -> Iterator[tuple[Reading, ...]]:
    """The readings of one poll in parts that each fit one message and belong to one device; mostly a single part."""
    part: list[Reading] = []
    size = 0
    for reading in readings:
        needs = _READING_BYTES + len(reading.point)
        if part and (size + needs > MESSAGE_BYTES or _device(part[0].point) != _device(reading.point)):
            yield tuple(part)
            part, size = [], 0
        part.append(reading)
        size += needs
    if part:
        yield tuple(part)


def encode_readings(readings: Sequence[Reading], number: Callable[[Channel], int]) -> bytes:
    """Body of a telemetry record whose time is the first reading's: [channel, value, channel, value, ...], and where
    times differ [first part, ms after the record's time, part, ms, part, ...], each part such an array."""
    base_ms = readings[0].time_ms
    parts: list[Any] = [[]]
    after_ms = 0
    for reading in readings:
        if reading.time_ms - base_ms != after_ms:
            after_ms = reading.time_ms - base_ms
            parts += (after_ms, [])
        parts[-1] += (number((reading.point, reading.exponent, reading.kind)), reading.value)
    return cbor2.dumps(parts[0] if len(parts) == 1 else parts)


def decode_readings(body: bytes, time_ms: int, channel: Callable[[int], Channel]) -> tuple[Reading, ...]:
    """Readings of a telemetry body that was found sound. Raises JournalError."""
    return _decode("a telemetry record", _read_readings, body, time_ms, channel)


def numbers_of(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(channel, value, ms after the record's time) of each reading of a telemetry body."""
    content = cbor2.loads(body)
    if not content or isinstance(content[0], int):
        content = [content]
    after_ms = 0
    for index, part in enumerate(content):
        if index % 2:
            after_ms = part
        else:
            for at in range(0, len(part), 2):
                yield part[at], part[at + 1], after_ms


def encode_windows(
    channel: int, windows: Sequence[tuple[int, int, int, int] | None], replaces: Sequence[tuple[int, int]]
) -> bytes:
    """Body of a thinned record: consecutive windows of one channel, each (count, least, greatest, total) or None.

    [channel, [first, last, ...] of the sequences replaced, window, ...]; a window of one reading is its value, else
    [count, least, greatest - least, total - count * least] without trailing zeros.
    """
    ranges = [edge for span in replaces for edge in span]
    return cbor2.dumps([channel, ranges, *map(_short_window, windows)])


def read_windows(body: bytes) -> tuple[int, list[tuple[int, int]], list[tuple[int, int, int, int] | None]]:
    """(channel, replaced sequences, windows) of a thinned body, as in `encode_windows`."""
    channel, ranges, *windows = cbor2.loads(body)
    return channel, list(zip(ranges[::2], ranges[1::2], strict=True)), [_long_window(window) for window in windows]


def encode_event(event: Event) -> bytes:
    """Body of an alarm or event record. Raises ValueError for numbers beyond 63 bits or text that is no Unicode."""
    epoch, sequence = event.origin or (None, None)
    for number in (event.time_ms, event.value, epoch, sequence):
        if number is not None and not -LARGEST <= number <= LARGEST:
            raise ValueError(f"event {event.name} {event.code} holds the number {number}, which cannot be stored")
    fields = [event.name, event.kind, event.code, event.state, event.value, event.source, epoch, sequence]
    return cbor2.dumps(fields + [event.detail] if event.detail else fields)


def decode_event(body: bytes, time_ms: int) -> Event:
    """Event of a body that was found sound. Raises JournalError."""
    return _decode("an event record", _read_event, body, time_ms)


def encode_result(result: CommandResult) -> bytes:
    """Body of a command result record; what is no Unicode in `detail` becomes question marks."""
    detail = result.detail.encode("utf-8", "replace").decode()
    return cbor2.dumps([result.command_id, result.state, detail, result.level_pct])


def decode_result(body: bytes, time_ms: int) -> CommandResult:
    """Command result of a body that was found sound. Raises JournalError."""
    return _decode("a command result", _read_result, body, time_ms)


def encode_command(command: Command) -> bytes:
    """A command as it is kept with its state."""
    arguments: Mapping[str, int] = dict(sorted(command.arguments.items()))
    return cbor2.dumps([command.id, command.action, command.target, arguments, command.expires_ms])


def decode_command(body: bytes) -> Command:
    """Command of a body that was found sound. Raises JournalError."""
    return _decode("a command", lambda content: Command(*cbor2.loads(content)), body)


def decode_content(record_class: int, time_ms: int, body: bytes, channel: Callable[[int], Channel]) -> Content:
    """What a record holds. Raises JournalError when the body cannot be read."""
    if record_class == TELEMETRY:
        return decode_readings(body, time_ms, channel)
    if record_class in THINNED:
        return _decode("a thinned record", _read_thinned, body, time_ms, span_s(record_class), channel)
    if record_class == RESULT:
        return decode_result(body, time_ms)
    if record_class in (ALARM, EVENT):
        return decode_event(body, time_ms)
    raise JournalError(f"there is no class {record_class} of records")


def _decode(what: str, read: Callable[..., Result], *arguments: Any) -> Result:
    try:
        return read(*arguments)
    except (cbor2.CBORDecodeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise JournalError(f"{what} cannot be read: {error}") from error


def _read_readings(body: bytes, time_ms: int, channel: Callable[[int], Channel]) -> tuple[Reading, ...]:
    found = []
    for number, value, after_ms in numbers_of(body):
        point, exponent, kind = channel(number)
        found.append(Reading(point, time_ms + after_ms, value, exponent, kind))
    return tuple(found)


def _read_thinned(body: bytes, time_ms: int, each_s: int, channel: Callable[[int], Channel]) -> Thinned:
    number, replaces, windows = read_windows(body)
    point, exponent, kind = channel(number)
    return Thinned(
        tuple(
            Window(point, time_ms + 1000 * each_s * place, each_s, exponent, kind, least, greatest, total, count)
            for place, window in enumerate(windows)
            if window is not None
            for count, least, greatest, total in (window,)
        ),
        tuple(replaces),
    )


def _read_event(body: bytes, time_ms: int) -> Event:
    name, kind, code, state, value, source, epoch, sequence, *detail = cbor2.loads(body)
    origin = None if epoch is None else (epoch, sequence)
    return Event(name, kind, code, time_ms, state, value, source, origin, *detail)


def _read_result(body: bytes, time_ms: int) -> CommandResult:
    command_id, state, detail, level_pct = cbor2.loads(body)
    return CommandResult(command_id, state, detail, time_ms, level_pct)


def _short_window(window: tuple[int, int, int, int] | None) -> Any:
    if window is None:
        return None
    count, least, greatest, total = window
    if count == 1:
        return least
    fields = [count, least, greatest - least, total - count * least]
    while fields[-1] == 0 and len(fields) > 2:
        fields.pop()
    return fields


def _long_window(window: Any) -> tuple[int, int, int, int] | None:
    if window is None:
        return None
    if isinstance(window, int):
        return 1, window, window, window
    count, least, spread, above = (*window, 0, 0)[:4]
    return count, least, least + spread, count * least + above


def _device(point: str) -> str:
    return point[: point.find("/") + 1]
