"""The walk over the records of a batch, the same for writing and reading: telemetry.md, "The records".

With an Encoder each step is given what stands in the records, with a Decoder nothing; both go on with what the coder
returns, and leave the state as the next batch finds it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop
from itertools import islice

from gateway_agent.compact.range_coder import NUMBER_CONTEXTS, Coder
from gateway_agent.compact.state import GROUP_CONTEXTS, SHARED_BITS, State, expectation, learn
from gateway_agent.compact.table import KINDS, ChannelTable
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Record
from gateway_agent.journal.codec import SPANS_S
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.errors import FormatError

MAX_RECORDS, MAX_PARTS, MAX_TEXT, MAX_WINDOWS, MAX_RANGES = 4096, 512, 1024, 64, 1024
MAX_SKIPS = 32
MAX_STEPS = 1 << 16
"""Steps of one batch, so that few bytes cannot make much work: one for each reading, window and range of sequences, and
one for each channel of which a record says whether it comes."""
MAX_DETAIL = 160
"""Characters of a detail that are sent, as in SenML."""
_LARGEST = (1 << 63) - 1
_MAX_LEVEL = 0xFFFF
_END_MS = 1 << 53
_STATES = ("confirmed", "failed", "expired", "refused")

(_IS_TELEMETRY, _FOLLOWS, _TRUSTED, _HAS_QUALITY, _SCHEDULED, _SAME_TIME, _AT_DUE, _WHOLE_S, _LATER, _KNOWN_TEXT) = (
    range(10)
)
(_IS_ALARM, _HAS_NUMBER, _HAS_STATE, _IS_RAISED, _HAS_LEVEL, _LITERAL) = range(10, 16)


def _numbers(index: int) -> int:
    return SHARED_BITS + index * NUMBER_CONTEXTS


(_COUNT, _GAP, _CLASS, _GROUP, _SECONDS, _LENGTH, _NAME, _VALUE, _FIRST, _EXPONENT, _WINDOWS) = map(_numbers, range(11))
(_EMPTY, _LEAST, _SPREAD, _TOTAL, _WINDOW_COUNT, _RANGES, _RANGE, _ASKED, _SENT, _QUALITY, _LEVEL, _STATE) = map(
    _numbers, range(11, 23)
)

Part = tuple[int, int, Sequence[tuple[int, int]]]
"""Group, time (ms), and (channel, value) with channels ascending."""
Qualities = Mapping[tuple[int, int], int]


class Walk:
    """Goes through the records with a coder; `state` is changed on the way."""

    def __init__(self, coder: Coder, state: State) -> None:
        self.qualities: dict[tuple[int, int], int] = {}
        self._coder = coder
        self._state = state
        self._table = state.table
        self._shared = state.shared
        self._is_first = True
        self._steps = 0
        self._present: dict[int, tuple[int, ...]] = {}
        self._names = _names_of(state)
        self._name_numbers = {name: number for number, name in enumerate(self._names)}

    def count(self, count: int) -> int:
        """How many records there are."""
        state = self._state
        read = state.count + self._integer(_COUNT, count - state.count)
        if not 1 <= read <= MAX_RECORDS:
            raise FormatError(f"a batch has 1 to {MAX_RECORDS} records")
        state.count = read
        return read

    def asked(self, before: int) -> int:
        """How many sequences before the first record the question begins."""
        return self._number(_ASKED, before)

    def sent(self, after: int) -> int:
        """Quarters of a second from the last time in the batch to when it was sent."""
        return self._integer(_SENT, after)

    def write(self, records: Sequence[Record], qualities: Qualities, is_full: Callable[[], bool]) -> int:
        """Write the records until `is_full` or the steps are used up; how many of them a batch can hold, at least one.
        Raises FormatError when one cannot be written.
        """
        parts = [
            list(_parts(record.content, self._table)) if isinstance(record.content, tuple) else None
            for record in records
        ]
        waiting = {
            (part[0], part[1]) for record_parts in parts for part in record_parts or () if not isinstance(part, Reading)
        }
        for done, (record, record_parts) in enumerate(zip(records, parts, strict=True)):
            # What a record takes is known only afterwards: the one that is too much is written in vain.
            before, self._steps = self._steps, 0
            self._record(record, record_parts, waiting, qualities)
            self._steps += before
            self._is_first = False
            if done and (self._steps > MAX_STEPS or is_full()):
                return done
        return len(records)

    def read(self, count: int) -> list[Record]:
        """Read that many records."""
        records = []
        for _ in range(count):
            records.append(self._record(None, None, set(), {}))
            self._is_first = False
        return records

    def _record(
        self,
        record: Record | None,
        parts: list[Part | Reading] | None,
        waiting: set[tuple[int, int]],
        qualities: Qualities,
    ) -> Record:
        state = self._state
        gap = 1 if record is None else record.sequence - state.sequence
        gap = 1 if self._bit(_FOLLOWS, gap == 1) else self._integer(_GAP, gap)
        sequence = state.sequence + gap
        if not 1 <= sequence <= _LARGEST or (gap < 1 and not self._is_first):
            raise FormatError("the sequences of a batch ascend from 1 on")
        trusted = bool(self._bit(_TRUSTED, record is None or record.trusted))
        record_class = TELEMETRY if record is None else record.record_class
        is_telemetry = self._bit(_IS_TELEMETRY, record_class == TELEMETRY)
        record_class = TELEMETRY if is_telemetry else self._number(_CLASS, record_class)
        if record_class == TELEMETRY and not is_telemetry:
            raise FormatError("a record that is said not to be telemetry, and is")
        content = None if record is None else record.content
        read: tuple[Reading, ...] | Thinned | Event | CommandResult
        if record_class == TELEMETRY:
            own = {} if record is None else {at: q for (owner, at), q in qualities.items() if owner == sequence}
            read = self._telemetry(parts, waiting)
            self._qualities(sequence, len(read), own)
        elif record_class in THINNED:
            read = self._thinned(
                content if isinstance(content, Thinned) else None, SPANS_S[record_class - TELEMETRY - 1]
            )
        elif record_class in (ALARM, EVENT):
            read = self._event(content if isinstance(content, Event) else None)
        elif record_class == RESULT:
            read = self._result(content if isinstance(content, CommandResult) else None)
        else:
            raise FormatError(f"a record of the unknown class {record_class}")
        state.sequence = sequence
        return Record(sequence, record_class, read, state.epoch, trusted)

    def _telemetry(self, parts: list[Part | Reading] | None, waiting: set[tuple[int, int]]) -> tuple[Reading, ...]:
        readings: list[Reading] = []
        index = 0
        while True:
            part = None if parts is None else parts[index]
            group = self._part(part, index == 0, waiting, readings)
            index += 1
            more = parts is not None and index < len(parts)
            at = group * GROUP_CONTEXTS + 2
            if not self._coder.bit(self._state.groups, at, more) if group >= 0 else not self._bit(_LITERAL, more):
                return tuple(readings)
            if index >= MAX_PARTS:
                raise FormatError(f"a record has at most {MAX_PARTS} parts")

    def _part(
        self, part: Part | Reading | None, is_first: bool, waiting: set[tuple[int, int]], readings: list[Reading]
    ) -> int:
        """One group, or one reading whose channel the table does not have; the number of the group, -1 for none."""
        state = self._state
        due_ms = state.due_ms
        wanted = -1 if not isinstance(part, tuple) else part[0]
        time_ms = 0 if part is None else (part[1] if isinstance(part, tuple) else part.time_ms)
        group = -1
        if is_first and self._bit(_SCHEDULED, isinstance(part, tuple) and self._is_scheduled(wanted, time_ms, waiting)):
            group = self._scheduled(wanted)
            time_ms = self._checked(due_ms[group] or 0)
        else:
            group = self._number(_GROUP, wanted + 1) - 1
            if group >= len(due_ms):
                raise FormatError(f"group {group} is not in the table")
            known = due_ms[group] if group >= 0 else None
            if known is not None and self._bit(_AT_DUE, time_ms == known):
                time_ms = known
            elif not is_first and self._bit(_SAME_TIME, time_ms == state.time_ms):
                time_ms = state.time_ms
            else:
                time_ms = self._time(time_ms)
        state.time_ms = time_ms
        if group < 0:
            readings.append(self._literal(part if isinstance(part, Reading) else None, time_ms))
            return group
        period = self._table.periods_ms[group]
        due_ms[group] = time_ms + period if period else None
        self._values(group, time_ms, part[2] if isinstance(part, tuple) else None, readings)
        return group

    def _order(self) -> Iterator[int]:
        """Groups in the order in which they are expected."""
        keys = [
            (due + late, group)
            for group, (due, late) in enumerate(zip(self._state.due_ms, self._table.late_ms, strict=True))
            if due is not None
        ]
        heapify(keys)
        while keys:
            yield heappop(keys)[1]

    def _is_scheduled(self, wanted: int, time_ms: int, waiting: set[tuple[int, int]]) -> bool:
        """Whether the group comes when it is due, and those that are due before it do not come at all."""
        due_ms = self._state.due_ms
        if due_ms[wanted] != time_ms:
            return False
        for skips, group in enumerate(self._order()):
            if group == wanted:
                return skips <= MAX_SKIPS
            if (group, due_ms[group]) in waiting:
                return False
        return False

    def _scheduled(self, wanted: int) -> int:
        """The group, after those that were due before it and did not come."""
        state = self._state
        for group in islice(self._order(), MAX_SKIPS + 1):
            if self._coder.bit(state.groups, group * GROUP_CONTEXTS, group == wanted):
                return group
            due = state.due_ms[group]
            state.due_ms[group] = None if due is None else due + self._table.periods_ms[group]
        raise FormatError(f"none of the first {MAX_SKIPS + 1} groups that are due comes")

    def _values(
        self, group: int, time_ms: int, given: Sequence[tuple[int, int]] | None, readings: list[Reading]
    ) -> None:
        state, coder = self._state, self._coder
        members = self._table.groups[group]
        present = self._present.get(group)
        if present is None:
            mask = state.masks[group]
            present = tuple(channel for place, channel in enumerate(members) if mask >> place & 1)
        numbers = {} if given is None else dict(given)
        if not coder.bit(state.groups, group * GROUP_CONTEXTS + 1, tuple(numbers) == present):
            self._step(len(members))
            comes = [coder.bit(state.presence, channel, channel in numbers) for channel in members]
            present = tuple(channel for channel, bit in zip(members, comes, strict=True) if bit)
            if not present:
                raise FormatError(f"nothing of group {group} comes")
            state.masks[group] = sum(1 << place for place, bit in enumerate(comes) if bit)
        self._present[group] = present
        self._step(len(present))
        values, channels, table = state.values, state.channels, self._table.channels
        is_writing = given is not None
        for channel in present:
            value = values[channel]
            number = numbers[channel] if is_writing else 0
            if value is None:
                number = self._integer(_FIRST, number)
                exact = number << 8
                values[channel] = [exact, exact, exact, 0, 0, 0]
            else:
                expected = expectation(value)
                whole = (expected + 128) >> 8
                hint = (expected - (whole << 8) + 128) * 3 >> 8
                number = whole + coder.signed(channels[channel], 0, number - whole, hint)
                learn(value, number)
            if not -_LARGEST <= number <= _LARGEST:
                raise FormatError("a value of more than 63 bits and a sign")
            about = table[channel]
            readings.append(Reading(about.point, time_ms, number, about.exponent, about.kind))

    def _literal(self, reading: Reading | None, time_ms: int) -> Reading:
        point = self._text("" if reading is None else reading.point)
        kind = self._number(_CLASS, 0 if reading is None else KINDS.index(reading.kind))
        exponent = self._integer(_EXPONENT, 0 if reading is None else reading.exponent)
        value = self._integer(_FIRST, 0 if reading is None else reading.value)
        self._step(1)
        if not -_LARGEST <= value <= _LARGEST:
            raise FormatError("a value of more than 63 bits and a sign")
        if kind >= len(KINDS) or abs(exponent) > 18:
            raise FormatError("a reading of an unknown kind, or an exponent beyond 18")
        return Reading(point, time_ms, value, exponent, KINDS[kind])

    def _qualities(self, sequence: int, readings: int, given: Mapping[int, int]) -> None:
        if not self._bit(_HAS_QUALITY, bool(given)):
            return
        for at in range(readings):
            quality = self._number(_QUALITY, given.get(at, 0))
            if quality > 255:
                raise FormatError("a quality is a number of a byte")
            if quality:
                self.qualities[sequence, at] = quality

    def _event(self, event: Event | None) -> Event:
        given = event or Event("", "event", "", 0)
        time_ms = self._time(given.time_ms)
        self._state.time_ms = time_ms
        name = self._text(given.name)
        kind = "alarm" if self._bit(_IS_ALARM, given.kind == "alarm") else "event"
        code, source, detail = self._text(given.code), self._text(given.source), self._detail(given.detail)
        state = None
        if self._bit(_HAS_STATE, given.state is not None):
            state = bool(self._bit(_IS_RAISED, bool(given.state)))
        value = None
        if self._bit(_HAS_NUMBER, given.value is not None):
            value = self._integer(_VALUE, given.value or 0)
            if not -_LARGEST <= value <= _LARGEST:
                raise FormatError("a number of more than 63 bits and a sign")
        return Event(name, kind, code, time_ms, state, value, source, detail=detail)

    def _result(self, result: CommandResult | None) -> CommandResult:
        given = result or CommandResult("", _STATES[0], "", 0)
        time_ms = self._time(given.time_ms)
        self._state.time_ms = time_ms
        command_id = self._text(given.command_id)
        state = self._number(_STATE, _STATES.index(given.state))
        if state >= len(_STATES):
            raise FormatError("a command that ended in no known way")
        detail = self._detail(given.detail)
        level = None
        if self._bit(_HAS_LEVEL, given.level_pct is not None):
            level = self._number(_LEVEL, given.level_pct or 0)
            if level > _MAX_LEVEL:
                raise FormatError(f"a level is at most {_MAX_LEVEL}")
        return CommandResult(command_id, _STATES[state], detail, time_ms, level)

    def _thinned(self, thinned: Thinned | None, span_s: int) -> Thinned:
        first = None if thinned is None else thinned.windows[0]
        channel = self._window_channel(first)
        point, kind, exponent = channel
        count = self._number(_WINDOWS, 0 if thinned is None else len(thinned.windows) - 1) + 1
        if count > MAX_WINDOWS:
            raise FormatError(f"a record has at most {MAX_WINDOWS} windows")
        self._step(count)
        windows: list[Window] = []
        time_ms = self._time(0 if first is None else first.time_ms)
        self._state.time_ms = time_ms
        least = 0
        for index in range(count):
            given = None if thinned is None else thinned.windows[index]
            if index:
                between = 0 if given is None else (given.time_ms - time_ms) // (1000 * span_s) - 1
                time_ms = self._checked(time_ms + 1000 * span_s * (self._number(_EMPTY, between) + 1))
            members = self._number(_WINDOW_COUNT, 0 if given is None else given.count - 1) + 1
            least += self._integer(_LEAST, 0 if given is None else given.least - least)
            greatest = least + self._number(_SPREAD, 0 if given is None else given.greatest - given.least)
            if least < -_LARGEST or greatest > _LARGEST:
                raise FormatError("a value of more than 63 bits and a sign")
            low = members * least
            total = low + self._integer(_TOTAL, 0 if given is None else given.total - low)
            windows.append(Window(point, time_ms, span_s, exponent, kind, least, greatest, total, members))
        return Thinned(tuple(windows), self._replaces(None if thinned is None else thinned.replaces))

    def _window_channel(self, window: Window | None) -> tuple[str, str, int]:
        table = self._table
        number = -1
        if window is not None:
            number = table.numbers.get((window.point, window.kind, window.exponent), -1)
        number = self._number(_NAME, number + 1) - 1
        if number >= len(table.channels):
            raise FormatError(f"channel {number} is not in the table")
        if number >= 0:
            channel = table.channels[number]
            return channel.point, channel.kind, channel.exponent
        point = self._text("" if window is None else window.point)
        kind = self._number(_CLASS, 0 if window is None else KINDS.index(window.kind))
        exponent = self._integer(_EXPONENT, 0 if window is None else window.exponent)
        if kind >= len(KINDS) or abs(exponent) > 18:
            raise FormatError("a window of an unknown kind, or an exponent beyond 18")
        return point, KINDS[kind], exponent

    def _replaces(self, given: Sequence[tuple[int, int]] | None) -> tuple[tuple[int, int], ...]:
        count = self._number(_RANGES, 0 if given is None else len(given))
        if count > MAX_RANGES:
            raise FormatError(f"a record replaces at most {MAX_RANGES} ranges")
        self._step(count)
        ranges: list[tuple[int, int]] = []
        before = 0
        for index in range(count):
            low, high = (0, 0) if given is None else given[index]
            low = before + self._integer(_RANGE, low - before)
            high = low + self._number(_RANGE, high - low)
            if not 0 <= low <= high <= _LARGEST:
                raise FormatError("a record replaces sequences from 0 on")
            before = high
            ranges.append((low, high))
        return tuple(ranges)

    def _bit(self, at: int, bit: bool) -> int:
        return self._coder.bit(self._shared, at, 1 if bit else 0)

    def _number(self, at: int, value: int) -> int:
        return self._coder.number(self._shared, at, value)

    def _integer(self, at: int, value: int) -> int:
        read = self._coder.number(self._shared, at, value << 1 if value >= 0 else (-value << 1) - 1)
        return -(read + 1 >> 1) if read & 1 else read >> 1

    def _time(self, time_ms: int) -> int:
        """A time, as what it is after or before the last."""
        last = self._state.time_ms
        after = time_ms - last
        is_later = self._bit(_LATER, after >= 0)
        distance = abs(after)
        if self._bit(_WHOLE_S, distance % 1000 == 0):
            distance = 1000 * self._number(_SECONDS, distance // 1000)
        else:
            seconds = self._number(_SECONDS, distance // 1000)
            distance = 1000 * seconds + self._coder.raw(distance % 1000, 10)
        return self._checked(last + distance if is_later else last - distance)

    def _checked(self, time_ms: int) -> int:
        if not 0 <= time_ms < _END_MS:
            raise FormatError("a time beyond what a time can be")
        return time_ms

    def _step(self, count: int) -> None:
        self._steps += count
        if self._steps > MAX_STEPS:
            raise FormatError(f"a batch takes at most {MAX_STEPS} steps")

    def _detail(self, detail: str) -> str:
        return self._text(detail[:MAX_DETAIL])

    def _text(self, text: str) -> str:
        number = self._name_numbers.get(text, -1)
        if self._bit(_KNOWN_TEXT, number >= 0):
            number = self._number(_NAME, number)
            if number >= len(self._names):
                raise FormatError(f"name {number} is not in the table")
            return self._names[number]
        data = text.encode()
        length = self._number(_LENGTH, len(data))
        if length > MAX_TEXT:
            raise FormatError(f"a text has at most {MAX_TEXT} bytes")
        read = bytes(self._coder.raw(data[at] if at < len(data) else 0, 8) for at in range(length))
        try:
            return read.decode()
        except UnicodeDecodeError as error:
            raise FormatError("a text that is not UTF-8") from error


def _names_of(state: State) -> tuple[str, ...]:
    """Names that texts may be given by number: none, then devices and points of the table."""
    names: dict[str, None] = {"": None}
    for channel in state.table.channels:
        names[channel.point.partition("/")[0]] = None
    for channel in state.table.channels:
        names[channel.point] = None
    return tuple(names)


def _parts(content: Iterable[Reading], table: ChannelTable) -> Iterable[Part | Reading]:
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
