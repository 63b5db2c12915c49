"""Records of the journal as bytes: packed CBOR bodies with a CRC-32, and back.

A body is short because a disk wears: positions instead of names, what repeats is said once, trailing defaults are left
out. The CRC covers sequence and class too, so that a row in the wrong place is noticed as well as a flipped bit.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import cbor2

from gateway_agent.journal.errors import JournalError
from gateway_agent.records import Command, CommandResult, Event, Reading

ALARM, EVENT, RESULT, TELEMETRY = 0, 1, 2, 3
"""Classes of records, most urgent first."""
CLASSES = (ALARM, EVENT, RESULT, TELEMETRY)

KINDS = ("sample", "mean", "min", "max")
LARGEST = (1 << 63) - 1
"""Largest magnitude of a reading's value: what SQLite, most platforms and SenML decoders take."""

MESSAGE_BYTES = 896
"""What the readings of one record may come to as SenML; a record is never split, and a message holds at least one."""
_READING_BYTES = 46
"""Bound of one reading in SenML-CBOR beside its name: unit, value, time, sequence and heads at their longest."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the journal. `content` is a tuple of readings, an event or a command result, by `record_class`."""

    sequence: int
    record_class: int
    content: tuple[Reading, ...] | Event | CommandResult

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        return len(self.content) if isinstance(self.content, tuple) else 0


def is_storable(reading: Reading) -> bool:
    """Whether the reading's numbers fit: value within 63 bits and sign, exponent within 18, a kind that we know."""
    return (
        -LARGEST <= reading.value <= LARGEST
        and -18 <= reading.exponent <= 18
        and reading.kind in KINDS
        and len(reading.point) <= MESSAGE_BYTES - _READING_BYTES
    )


def checksum(sequence: int, record_class: int, body: bytes) -> int:
    """CRC-32 of a record (as in zlib and IEEE 802.3)."""
    return zlib.crc32(body, zlib.crc32(struct.pack(">QB", sequence, record_class)))


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


def encode_readings(readings: Sequence[Reading]) -> bytes:
    """Body of a telemetry record: [device, first time, [name, value, exponent, time after the first, kind], ...]."""
    device = _device(readings[0].point)
    base_ms = readings[0].time_ms
    rows = []
    for reading in readings:
        row = [
            reading.point[len(device) :],
            reading.value,
            reading.exponent,
            reading.time_ms - base_ms,
            KINDS.index(reading.kind),
        ]
        while row[-1] == 0 and len(row) > 2:
            row.pop()
        rows.append(row)
    return cbor2.dumps([device, base_ms, *rows])


def decode_readings(body: bytes) -> tuple[Reading, ...]:
    """Readings of a telemetry body whose CRC was right. Raises JournalError."""
    try:
        device, base_ms, *rows = cbor2.loads(body)
        return tuple(_reading(device, base_ms, *row) for row in rows)
    except (cbor2.CBORDecodeError, TypeError, ValueError, IndexError) as error:
        raise JournalError(f"a telemetry record cannot be read: {error}") from error


def encode_event(event: Event) -> bytes:
    """Body of an alarm or event record. Raises ValueError for numbers beyond 63 bits or text that is no Unicode."""
    epoch, sequence = event.origin or (None, None)
    for number in (event.time_ms, event.value, epoch, sequence):
        if number is not None and not -LARGEST <= number <= LARGEST:
            raise ValueError(f"event {event.name} {event.code} holds the number {number}, which cannot be stored")
    fields = [event.name, event.kind, event.code, event.time_ms, event.state, event.value, event.source]
    return cbor2.dumps([*fields, epoch, sequence])


def decode_event(body: bytes) -> Event:
    """Event of a body whose CRC was right. Raises JournalError."""
    try:
        name, kind, code, time_ms, state, value, source, epoch, sequence = cbor2.loads(body)
        origin = None if epoch is None else (epoch, sequence)
        return Event(name, kind, code, time_ms, state, value, source, origin)
    except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
        raise JournalError(f"an event record cannot be read: {error}") from error


def encode_result(result: CommandResult) -> bytes:
    """Body of a command result record; what is no Unicode in `detail` becomes question marks."""
    detail = result.detail.encode("utf-8", "replace").decode()
    return cbor2.dumps([result.command_id, result.state, detail, result.time_ms, result.level_pct])


def decode_result(body: bytes) -> CommandResult:
    """Command result of a body whose CRC was right. Raises JournalError."""
    try:
        return CommandResult(*cbor2.loads(body))
    except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
        raise JournalError(f"a command result cannot be read: {error}") from error


def encode_command(command: Command) -> bytes:
    """Body of a row of the command table."""
    arguments: Mapping[str, int] = dict(sorted(command.arguments.items()))
    return cbor2.dumps([command.id, command.action, command.target, arguments, command.expires_ms])


def decode_command(body: bytes) -> Command:
    """Command of a body whose CRC was right. Raises JournalError."""
    try:
        return Command(*cbor2.loads(body))
    except (cbor2.CBORDecodeError, TypeError, ValueError) as error:
        raise JournalError(f"a command cannot be read: {error}") from error


def decode_record(sequence: int, record_class: int, crc32: int, body: bytes) -> Record:
    """The record of a row. Raises JournalError when its CRC is wrong or its body cannot be read."""
    if checksum(sequence, record_class, body) != crc32:
        raise JournalError(f"record {sequence} fails its checksum")
    if record_class == TELEMETRY:
        return Record(sequence, record_class, decode_readings(body))
    if record_class == RESULT:
        return Record(sequence, record_class, decode_result(body))
    if record_class in (ALARM, EVENT):
        return Record(sequence, record_class, decode_event(body))
    raise JournalError(f"record {sequence} is of the unknown class {record_class}")


def _device(point: str) -> str:
    return point[: point.find("/") + 1]


def _reading(
    device: str, base_ms: int, name: str, value: int, exponent: int = 0, after_ms: int = 0, kind: int = 0
) -> Reading:
    return Reading(device + name, base_ms + after_ms, value, exponent, KINDS[kind])
