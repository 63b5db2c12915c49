"""Journal records as SenML records: which name, value and fields each kind of record gets.

The page for readers of these bytes is protocols/spec/uplink.md. A record of the journal becomes one or more SenML
records that stay together; the first of them carries the journal sequence as `q`.
"""

from collections.abc import Mapping

from gateway_agent.journal import Record
from gateway_agent.records import CommandResult, Event, Reading
from gateway_agent.uplink.senml_cbor import Fields
from protocols import senml

SEQUENCE = "q"
"""Field of the first SenML record of each journal record: its sequence."""
CODE, SOURCE, NUMBER, DETAIL, LEVEL = "code", "source", "number", "detail", "level"
"""Further fields of alarms and events (code, source, number) and of command results (detail, level)."""

MAX_DETAIL = 160
"""Characters of a result's detail that are sent."""


class MessageWriter:
    """Turns the records of one message into SenML, one after another, and keeps the base fields that are in force.

    The first SenML record says the gateway's name and its time, exactly; a later journal record says a new base time
    where two or more of its readings share it, for that is shorter than a time in each.
    """

    def __init__(self, gateway: str, units: Mapping[str, str]) -> None:
        """`units` gives the SenML unit of a point; a point without one is sent without."""
        self._gateway = gateway
        self._units = units
        self._base_ms: int | None = None

    def fields(self, record: Record) -> list[Fields]:
        """The SenML records of the next journal record; one reading gives one."""
        content = record.content
        items = content if isinstance(content, tuple) else (content,)
        first_ms = items[0].time_ms
        base: Fields = {}
        if self._base_ms is None:
            base = {senml.BASE_NAME: self._gateway + "/", senml.BASE_TIME: senml.seconds(first_ms)}
            self._base_ms = first_ms
        elif first_ms != self._base_ms and sum(item.time_ms == first_ms for item in items) > 1:
            base = {senml.BASE_TIME: senml.seconds(first_ms)}
            self._base_ms = first_ms
        fields = [self._one(item) | self._time(item.time_ms) for item in items]
        fields[0] = base | fields[0] | {SEQUENCE: record.sequence}
        return fields

    def _one(self, item: Reading | Event | CommandResult) -> Fields:
        if isinstance(item, Reading):
            return _reading_fields(item, self._units.get(item.point))
        if isinstance(item, CommandResult):
            return _result_fields(item)
        return _alarm_fields(item) if item.kind == senml.ALARM else _event_fields(item)

    def _time(self, time_ms: int) -> Fields:
        after_ms = time_ms - (self._base_ms or 0)
        return {senml.TIME: senml.seconds(after_ms)} if after_ms else {}


def _reading_fields(reading: Reading, unit: str | None) -> Fields:
    fields: Fields = {senml.NAME: senml.figure_name(reading.point, reading.kind)}
    if unit:
        fields[senml.UNIT] = unit
    return fields | {senml.VALUE: senml.number(reading.value, reading.exponent)}


def _alarm_fields(event: Event) -> Fields:
    fields: Fields = {senml.NAME: f"{event.name}:{senml.ALARM}", senml.BOOLEAN_VALUE: event.state is not False}
    if event.code:
        fields[CODE] = event.code
    return fields | _details(event)


def _event_fields(event: Event) -> Fields:
    return {senml.NAME: f"{event.name}:{senml.EVENT}", senml.TEXT_VALUE: event.code} | _details(event)


def _details(event: Event) -> Fields:
    fields: Fields = {}
    if event.source:
        fields[SOURCE] = event.source
    if event.value is not None:
        fields[NUMBER] = event.value
    return fields


def _result_fields(result: CommandResult) -> Fields:
    fields: Fields = {
        senml.NAME: f"{senml.COMMAND_PREFIX}{result.command_id}:{senml.RESULT}",
        senml.TEXT_VALUE: result.state,
    }
    if result.detail:
        fields[DETAIL] = result.detail[:MAX_DETAIL]
    if result.level_pct is not None:
        fields[LEVEL] = result.level_pct
    return fields
