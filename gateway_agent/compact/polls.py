"""The readings of a record of telemetry, said with a coder: telemetry.md, "Telemetry" and "A value"."""

from collections.abc import Iterable, Sequence

from gateway_agent.compact.limits import LARGEST, MAX_PARTS
from gateway_agent.compact.schedule import Schedule
from gateway_agent.compact.state import GROUP_CONTEXTS, expectation, learn
from gateway_agent.compact.symbols import AT_DUE, CLASS, EXPONENT, FIRST, GROUP, LITERAL, SAME_TIME, SCHEDULED, Symbols
from gateway_agent.compact.table import KINDS, ChannelTable
from gateway_agent.records import Reading
from gateway_agent.uplink.errors import FormatError

Part = tuple[int, int, Sequence[tuple[int, int]]]
"""Group, time (ms), and (channel, value) with channels ascending."""


class Polls:
    """Goes through the readings of records; the state of `symbols` is changed on the way."""

    def __init__(self, symbols: Symbols) -> None:
        self._said = symbols
        self._coder = symbols.coder
        self._state = symbols.state
        self._table = symbols.state.table
        self._schedule = Schedule(symbols.coder, symbols.state)
        self._present: dict[int, tuple[int, ...]] = {}

    def walk(self, parts: list[Part | Reading] | None, waiting: set[tuple[int, int]]) -> tuple[Reading, ...]:
        """The readings of a record. `waiting` are the (group, time) that are still to come in this batch."""
        said = self._said
        readings: list[Reading] = []
        index = 0
        while True:
            part = None if parts is None else parts[index]
            group = self._part(part, index == 0, waiting, readings)
            index += 1
            more = parts is not None and index < len(parts)
            at = group * GROUP_CONTEXTS + 2
            if not self._coder.bit(self._state.groups, at, more) if group >= 0 else not said.bit(LITERAL, more):
                return tuple(readings)
            if index >= MAX_PARTS:
                raise FormatError(f"a record has at most {MAX_PARTS} parts")

    def _part(
        self, part: Part | Reading | None, is_first: bool, waiting: set[tuple[int, int]], readings: list[Reading]
    ) -> int:
        """One group, or one reading whose channel the table does not have; the number of the group, -1 for none."""
        state, said = self._state, self._said
        due_ms = state.due_ms
        wanted = -1 if not isinstance(part, tuple) else part[0]
        time_ms = 0 if part is None else (part[1] if isinstance(part, tuple) else part.time_ms)
        group = -1
        if is_first and said.bit(
            SCHEDULED, isinstance(part, tuple) and self._schedule.is_next(wanted, time_ms, waiting)
        ):
            group = self._schedule.next_group(wanted)
            time_ms = said.checked(due_ms[group] or 0)
        else:
            group = said.number(GROUP, wanted + 1) - 1
            if group >= len(due_ms):
                raise FormatError(f"group {group} is not in the table")
            known = due_ms[group] if group >= 0 else None
            if known is not None and said.bit(AT_DUE, time_ms == known):
                time_ms = known
            elif not is_first and said.bit(SAME_TIME, time_ms == state.time_ms):
                time_ms = state.time_ms
            else:
                time_ms = said.time(time_ms)
        state.time_ms = time_ms
        if group < 0:
            readings.append(self._literal(part if isinstance(part, Reading) else None, time_ms))
            return group
        period = self._table.periods_ms[group]
        due_ms[group] = time_ms + period if period else None
        self._values(group, time_ms, part[2] if isinstance(part, tuple) else None, readings)
        return group

    def _values(
        self, group: int, time_ms: int, given: Sequence[tuple[int, int]] | None, readings: list[Reading]
    ) -> None:
        state, coder, said = self._state, self._coder, self._said
        members = self._table.groups[group]
        present = self._present.get(group)
        if present is None:
            mask = state.masks[group]
            present = tuple(channel for place, channel in enumerate(members) if mask >> place & 1)
        numbers = {} if given is None else dict(given)
        if not coder.bit(state.groups, group * GROUP_CONTEXTS + 1, tuple(numbers) == present):
            said.step(len(members))
            comes = [coder.bit(state.presence, channel, channel in numbers) for channel in members]
            present = tuple(channel for channel, bit in zip(members, comes, strict=True) if bit)
            if not present:
                raise FormatError(f"nothing of group {group} comes")
            state.masks[group] = sum(1 << place for place, bit in enumerate(comes) if bit)
        self._present[group] = present
        said.step(len(present))
        values, channels, table = state.values, state.channels, self._table.channels
        is_writing = given is not None
        for channel in present:
            value = values[channel]
            number = numbers[channel] if is_writing else 0
            if value is None:
                number = said.integer(FIRST, number)
                exact = number << 8
                values[channel] = [exact, exact, exact, 0, 0, 0]
            else:
                expected = expectation(value)
                whole = (expected + 128) >> 8
                hint = (expected - (whole << 8) + 128) * 3 >> 8
                number = whole + coder.signed(channels[channel], 0, number - whole, hint)
                learn(value, number)
            if not -LARGEST <= number <= LARGEST:
                raise FormatError("a value of more than 63 bits and a sign")
            about = table[channel]
            readings.append(Reading(about.point, time_ms, number, about.exponent, about.kind))

    def _literal(self, reading: Reading | None, time_ms: int) -> Reading:
        said = self._said
        point = said.text("" if reading is None else reading.point)
        kind = said.number(CLASS, 0 if reading is None else KINDS.index(reading.kind))
        exponent = said.integer(EXPONENT, 0 if reading is None else reading.exponent)
        value = said.value(FIRST, 0 if reading is None else reading.value)
        said.step(1)
        if kind >= len(KINDS) or abs(exponent) > 18:
            raise FormatError("a reading of an unknown kind, or an exponent beyond 18")
        return Reading(point, time_ms, value, exponent, KINDS[kind])


def parts_of(content: Iterable[Reading], table: ChannelTable) -> Iterable[Part | Reading]:
    """The readings of a record in their order, as parts of one group and time each."""
    numbers, group_of = table.numbers, table.group_of
    part: list[tuple[int, int]] = []
    group = time_ms = last = -1
    for reading in content:
        channel = numbers.get((reading.point, reading.kind, reading.exponent))
        if channel is None:
            if part:
                yield group, time_ms, part
                part = []
            yield reading
            continue
        if part and (group_of[channel] != group or reading.time_ms != time_ms or channel <= last):
            yield group, time_ms, part
            part = []
        group, time_ms, last = group_of[channel], reading.time_ms, channel
        part.append((channel, reading.value))
    if part:
        yield group, time_ms, part
