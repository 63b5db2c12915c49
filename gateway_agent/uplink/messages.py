"""Journal records as SenML records: which name, value and fields each kind of record gets.

The page for readers of these bytes is protocols/spec/uplink.md. A record of the journal becomes one or more SenML
records that stay together; the first of them carries the journal sequence as `q`.
"""

from collections.abc import Mapping

from gateway_agent.condense import rounded_tenths
from gateway_agent.journal import Record
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.senml_cbor import Fields
from protocols import senml

SEQUENCE = "q"
"""Field of the first SenML record of each journal record: its sequence."""
CODE, SOURCE, NUMBER, DETAIL, LEVEL = "code", "source", "number", "detail", "level"
"""Further fields of alarms and events (code, source, number, detail) and of command results (detail, level)."""
LEAST, GREATEST, TOTAL, COUNT, SPAN, REPLACES = "min", "max", "sum", "count", "span", "replaces"
"""Further fields of windows, whose value is their mean; the last two stand in the first of a journal record: seconds,
and sequences as text. (SenML's own sum is an integral over time.)"""
CLOCK, UNTRUSTED = "clock", "untrusted"
"""Field of the first SenML record of a journal record whose times are by a clock that was never found right."""

MAX_DETAIL = 160
"""Characters of a detail that are sent."""


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
        self._base_name = ""

    def fields(self, record: Record) -> list[Fields]:
        """The SenML records of the next journal record; one reading gives one."""
        content = record.content
        if isinstance(content, Thinned):
            return self._marked(record, self._windows(content))
        items = content if isinstance(content, tuple) else (content,)
        first_ms = items[0].time_ms
        base: Fields = {}
        if self._base_ms is None or self._base_name:
            base = {senml.BASE_NAME: self._gateway + "/", senml.BASE_TIME: senml.seconds(first_ms)}
            self._base_ms, self._base_name = first_ms, ""
        elif first_ms != self._base_ms and sum(item.time_ms == first_ms for item in items) > 1:
            base = {senml.BASE_TIME: senml.seconds(first_ms)}
            self._base_ms = first_ms
        fields = [self._one(item) | self._time(item.time_ms) for item in items]
        fields[0] = base | fields[0]
        return self._marked(record, fields)

    def _marked(self, record: Record, fields: list[Fields]) -> list[Fields]:
        fields[0] = fields[0] | {SEQUENCE: record.sequence}
        if not record.trusted:
            fields[0][CLOCK] = UNTRUSTED
        return fields

    def _windows(self, thinned: Thinned) -> list[Fields]:
        """Windows of one point: its name is the base name, so that it is said once."""
        first = thinned.windows[0]
        name = senml.figure_name(first.point, first.kind)
        base: Fields = {} if name == self._base_name else {senml.BASE_NAME: f"{self._gateway}/{name}"}
        self._base_name = name
        base[senml.BASE_TIME] = senml.seconds(first.time_ms)
        self._base_ms = first.time_ms
        unit = self._units.get(first.point)
        if unit:
            base[senml.UNIT] = unit
        replaces = " ".join(f"{low}-{high}" for low, high in thinned.replaces)
        fields = [self._window(window) for window in thinned.windows]
        fields[0] = base | fields[0] | {SPAN: first.span_s, REPLACES: replaces}
        return fields

    def _window(self, window: Window) -> Fields:
        figures: Fields = {
            senml.VALUE: _mean(window),
            TOTAL: senml.number(window.total, window.exponent),
            LEAST: senml.number(window.least, window.exponent),
            GREATEST: senml.number(window.greatest, window.exponent),
            COUNT: window.count,
        }
        return figures | self._time(window.time_ms)

    def _one(self, item: Reading | Event | CommandResult) -> Fields:
        if isinstance(item, Reading):
            return _reading_fields(item, self._units.get(item.point))
        if isinstance(item, CommandResult):
            return _result_fields(item)
        return _alarm_fields(item) if item.kind == senml.ALARM else _event_fields(item)

    def _time(self, time_ms: int) -> Fields:
        after_ms = time_ms - (self._base_ms or 0)
        return {senml.TIME: senml.seconds(after_ms)} if after_ms else {}


def _mean(window: Window) -> int | tuple[int, int]:
    """The mean: exact where it can be, else with one more digit where there is room for it, else rounded."""
    if window.total % window.count == 0:
        return senml.number(window.total // window.count, window.exponent)
    tenths = rounded_tenths(window.total, window.count)
    if abs(tenths) <= senml.MAX_MANTISSA and window.exponent > -senml.MAX_EXPONENT:
        return senml.number(tenths, window.exponent - 1)
    return senml.number((tenths + 5) // 10, window.exponent)


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
    if event.detail:
        fields[DETAIL] = event.detail[:MAX_DETAIL]
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
