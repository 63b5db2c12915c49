"""Polls of one device as columns of SenML: each point named once, its values one after another with their times.

In a row of a poll almost every reading says a whole name, for the quantities of a station are resources of many
objects. In columns a name is said once for all polls of a message. protocols/spec/uplink.md, "Columns".
"""

from collections.abc import Sequence
from itertools import pairwise

from gateway_agent.journal import Record
from gateway_agent.records import Reading
from gateway_agent.uplink.messages import SEQUENCE, MessageWriter
from gateway_agent.uplink.senml_cbor import Fields
from protocols import senml

MAX_SEQUENCE = (1 << 63) - 1
"""Highest sequence that is read; a journal never comes near."""


def alike(records: Sequence[Record]) -> list[Record]:
    """The first record and those after it that can stand in columns with it: the same points in the same order, each
    record of one time and later than the one before. Only the first where it cannot stand in columns."""
    first = records[0]
    shape = _shape(first)
    found = [first]
    if shape is None:
        return found
    last_ms = _time_ms(first)
    for record in records[1:]:
        if record.epoch == first.epoch and _shape(record) == shape and _time_ms(record) > last_ms:
            found.append(record)
            last_ms = _time_ms(record)
    return found


def column_fields(records: Sequence[Record], writer: MessageWriter) -> list[Fields]:
    """The SenML records of polls that are alike."""
    fields: list[Fields] = []
    base_ms = _time_ms(records[0])
    said_ms, base_name = writer.state
    for place, first in enumerate(_readings(records[0])):
        column = [_readings(record)[place] for record in records]
        named = [writer.object_name(reading) for reading in column]
        # One value that the object cannot say, and the column keeps its own name.
        name = named[0] if None not in named else None
        base_name = writer.full_name(name, first)
        for at, reading in enumerate(column):
            entry: Fields = {senml.BASE_NAME: base_name} if at == 0 else {}
            if not fields and base_ms != said_ms:
                entry[senml.BASE_TIME] = senml.seconds(base_ms)
            entry |= writer.value(name, reading)
            if reading.time_ms != base_ms:
                entry[senml.TIME] = senml.seconds(reading.time_ms - base_ms)
            if not fields:
                entry[SEQUENCE] = _sequences(records)
            fields.append(entry)
    writer.state = base_ms, base_name
    return fields


def read_sequences(text: str) -> list[int]:
    """The sequences of a message in columns, in the order of their times. Raises ValueError."""
    found: list[int] = []
    for part in text.split(" "):
        if not (part.isascii() and part.isdecimal() and len(part) <= 19) or int(part) < 1:
            raise ValueError(part)
        found.append(int(part) + (found[-1] if found else 0))
        if found[-1] > MAX_SEQUENCE:
            raise ValueError(part)
    return found


def _sequences(records: Sequence[Record]) -> str:
    """The first sequence, then what each is more than the one before it."""
    sequences = [record.sequence for record in records]
    steps = [after - before for before, after in pairwise(sequences)]
    return " ".join(map(str, (sequences[0], *steps)))


def _shape(record: Record) -> tuple[tuple[str, str], ...] | None:
    """What a record is of; None when it cannot stand in columns."""
    content = record.content
    if not isinstance(content, tuple) or not record.trusted or len({reading.time_ms for reading in content}) != 1:
        return None
    shape = tuple((reading.point, reading.kind) for reading in content)
    return shape if len(set(shape)) == len(shape) else None


def _readings(record: Record) -> tuple[Reading, ...]:
    return record.content if isinstance(record.content, tuple) else ()


def _time_ms(record: Record) -> int:
    return _readings(record)[0].time_ms
