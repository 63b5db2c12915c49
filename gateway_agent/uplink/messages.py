"""Journal records as SenML records: which name, value and fields each kind of record gets.

The page for readers of these bytes is protocols/spec/uplink.md. A record of the journal becomes one or more SenML
records that stay together; the first of them carries the journal sequence as `q`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway_agent.condense import rounded_tenths
from gateway_agent.journal import Record
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.objects import ObjectName
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
    where two or more of its readings share it, for that is shorter than a time in each. What is a resource of an OMA
    object has the object's instance in the base name, so that its own name is the number of the resource; the gateway
    is not said with it, for the key or the query names it.
    """

    def __init__(self, gateway: str, units: Mapping[str, str], names: Mapping[str, ObjectName]) -> None:
        """`units` gives the SenML unit of a point; a point without one is sent without. `names` gives the OMA names of
        points; a point without one is sent by its own."""
        self.gateway = gateway
        self.units = units
        self._names = names
        self._own_base = gateway + "/"
        self._base_ms: int | None = None
        self._base_name: str | None = None

    @property
    def state(self) -> tuple[int | None, str | None]:
        """The base time and base name that are in force, None where they are not known."""
        return self._base_ms, self._base_name

    @state.setter
    def state(self, state: tuple[int | None, str | None]) -> None:
        self._base_ms, self._base_name = state

    def fields(self, record: Record) -> list[Fields]:
        """The SenML records of the next journal record; one reading gives one."""
        content = record.content
        if isinstance(content, Thinned):
            return self._marked(record, self._windows(content))
        if isinstance(content, tuple):
            return self._marked(record, self._readings(content))
        base = self._base(self._own_base, content.time_ms, is_shared=False)
        return self._marked(record, [base | self._other(content) | self._time(content.time_ms)])

    def object_name(self, item: Reading | Window) -> ObjectName | None:
        """The OMA name by which a reading or window is sent; None for its own, where the resource cannot say it."""
        name = self._names.get(item.point)
        if name is None:
            return None
        is_window = isinstance(item, Window)
        if not name.conversion.is_linear and (is_window or item.kind != senml.SAMPLE):
            return None
        values = (item.least, item.greatest, item.total) if isinstance(item, Window) else (item.value,)
        sayable = all(name.conversion.there(value, item.exponent) is not None for value in values)
        return name if sayable else None

    def full_name(self, name: ObjectName | None, item: Reading | Window) -> str:
        """What a point is called in a message: by the path of its resource, or by the gateway and its own name."""
        if name is None:
            return f"{self.gateway}/{senml.figure_name(item.point, item.kind)}"
        return senml.figure_name(name.path, item.kind)

    def value(self, name: ObjectName | None, reading: Reading) -> Fields:
        """A reading's value, and its unit where its name does not tell it."""
        if name is None:
            unit = self.units.get(reading.point)
            fields: Fields = {senml.UNIT: unit} if unit else {}
            return fields | {senml.VALUE: senml.number(reading.value, reading.exponent)}
        there = name.conversion.there(reading.value, reading.exponent)
        if isinstance(there, tuple):
            return {senml.VALUE: senml.number(*there)}
        return {senml.BOOLEAN_VALUE: there}

    def _readings(self, readings: Sequence[Reading]) -> list[Fields]:
        named = [(self.object_name(reading), reading) for reading in readings]
        bases = [name.base if name else self._own_base for name, _ in named]
        # What has the base name that is in force comes first, then the others together.
        order = sorted(range(len(named)), key=lambda at: (bases[at] != self._base_name, bases[at]))
        fields: list[Fields] = []
        times = [reading.time_ms for reading in readings]
        for at in order:
            name, reading = named[at]
            is_shared = times.count(reading.time_ms) > 1 and not fields
            base_name, named_by = bases[at], reading.point if name is None else str(name.resource_id)
            label: Fields = {senml.NAME: senml.figure_name(named_by, reading.kind)}
            if name and base_name != self._base_name and bases.count(base_name) == 1 < len(bases):
                # The only one of its object, among others: its whole name is shorter than a base and a name.
                base_name, label = self.full_name(name, reading), {}
            base = self._base(base_name, reading.time_ms, is_shared=is_shared)
            fields.append(base | label | self.value(name, reading) | self._time(reading.time_ms))
        return fields

    def _base(self, base_name: str, time_ms: int, *, is_shared: bool) -> Fields:
        """The base fields that change: the name where it is another, the time where that is shorter."""
        base: Fields = {}
        if base_name != self._base_name:
            base[senml.BASE_NAME] = self._base_name = base_name
        if self._base_ms is None or (is_shared and time_ms != self._base_ms):
            base[senml.BASE_TIME] = senml.seconds(time_ms)
            self._base_ms = time_ms
        return base

    def _marked(self, record: Record, fields: list[Fields]) -> list[Fields]:
        fields[0] = fields[0] | {SEQUENCE: record.sequence}
        if not record.trusted:
            fields[0][CLOCK] = UNTRUSTED
        return fields

    def _windows(self, thinned: Thinned) -> list[Fields]:
        """Windows of one point: its name is the base name, so that it is said once."""
        first = thinned.windows[0]
        named = [self.object_name(window) for window in thinned.windows]
        name = named[0] if None not in named else None
        base_name = self.full_name(name, first)
        base: Fields = {}
        if base_name != self._base_name:
            base[senml.BASE_NAME] = base_name
        self._base_name = base_name
        base[senml.BASE_TIME] = senml.seconds(first.time_ms)
        self._base_ms = first.time_ms
        unit = self.units.get(first.point)
        if unit and name is None:
            base[senml.UNIT] = unit
        replaces = " ".join(f"{low}-{high}" for low, high in thinned.replaces)
        fields = [self._window(_converted(window, name)) for window in thinned.windows]
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

    def _other(self, item: Event | CommandResult) -> Fields:
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


def _converted(window: Window, name: ObjectName | None) -> Window:
    """The window in the unit of the object, which can say it."""
    if name is None:
        return window
    figures = [name.conversion.there(value, window.exponent) for value in (window.least, window.greatest, window.total)]
    (least, exponent), (greatest, _), (total, _) = (figure for figure in figures if isinstance(figure, tuple))
    return replace(window, least=least, greatest=greatest, total=total, exponent=exponent)


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
