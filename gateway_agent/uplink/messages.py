"""Journal records as SenML records: which name, value and fields each kind of record gets.

The page for readers of these bytes is protocols/spec/uplink.md. A record of the journal becomes one or more SenML
records that stay together; the first of them carries the journal sequence as `q`.
"""

from collections.abc import Mapping

from gateway_agent.journal import ALARM, Record
from gateway_agent.records import CommandResult, Event, Reading
from gateway_agent.uplink.senml_cbor import Fields
from protocols import senml

SEQUENCE = "q"
"""Field of the first SenML record of each journal record: its sequence."""
CODE, SOURCE, NUMBER, DETAIL, LEVEL = "code", "source", "number", "detail", "level"
"""Further fields of alarms and events (code, source, number) and of command results (detail, level)."""

MAX_DETAIL = 160
"""Characters of a result's detail that are sent."""


def base_fields(gateway: str, base_s: int) -> Fields:
    """What the first record of a message says for all: the gateway's name and the time that others count from."""
    return {senml.BASE_NAME: gateway + "/", senml.BASE_TIME: base_s}


def first_time_ms(record: Record) -> int:
    """Time of the record's first part (unix milliseconds)."""
    content = record.content
    return content[0].time_ms if isinstance(content, tuple) else content.time_ms


def senml_fields(record: Record, base_s: int, units: Mapping[str, str]) -> list[Fields]:
    """The SenML records of one journal record, times counted from `base_s` (unix seconds), without base fields.

    `units` gives the SenML unit of a point; a point without one is sent without. One reading gives one record.
    """
    content = record.content
    if isinstance(content, tuple):
        fields = [_reading_fields(reading, base_s, units) for reading in content]
    elif isinstance(content, CommandResult):
        fields = [_result_fields(content, base_s)]
    elif record.record_class == ALARM:
        fields = [_alarm_fields(content, base_s)]
    else:
        fields = [_event_fields(content, base_s)]
    fields[0][SEQUENCE] = record.sequence
    return fields


def _reading_fields(reading: Reading, base_s: int, units: Mapping[str, str]) -> Fields:
    fields: Fields = {senml.NAME: senml.figure_name(reading.point, reading.kind)}
    unit = units.get(reading.point)
    if unit:
        fields[senml.UNIT] = unit
    fields[senml.VALUE] = senml.number(reading.value, reading.exponent)
    return _with_time(fields, reading.time_ms, base_s)


def _alarm_fields(event: Event, base_s: int) -> Fields:
    fields: Fields = {senml.NAME: f"{event.name}:{senml.ALARM}", senml.BOOLEAN_VALUE: event.state is not False}
    if event.code:
        fields[CODE] = event.code
    return _with_event_fields(_with_time(fields, event.time_ms, base_s), event)


def _event_fields(event: Event, base_s: int) -> Fields:
    fields: Fields = {senml.NAME: f"{event.name}:{senml.EVENT}", senml.TEXT_VALUE: event.code}
    return _with_event_fields(_with_time(fields, event.time_ms, base_s), event)


def _result_fields(result: CommandResult, base_s: int) -> Fields:
    fields: Fields = {
        senml.NAME: f"{senml.COMMAND_PREFIX}{result.command_id}:{senml.RESULT}",
        senml.TEXT_VALUE: result.state,
    }
    _with_time(fields, result.time_ms, base_s)
    if result.detail:
        fields[DETAIL] = result.detail[:MAX_DETAIL]
    if result.level_pct is not None:
        fields[LEVEL] = result.level_pct
    return fields


def _with_time(fields: Fields, time_ms: int, base_s: int) -> Fields:
    if time_ms != base_s * 1000:
        fields[senml.TIME] = senml.seconds(time_ms - base_s * 1000)
    return fields


def _with_event_fields(fields: Fields, event: Event) -> Fields:
    if event.source:
        fields[SOURCE] = event.source
    if event.value is not None:
        fields[NUMBER] = event.value
    return fields
