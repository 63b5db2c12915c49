"""A reader of compact batches that was written from protocols/spec/telemetry.md alone, to prove that the page suffices.

It imports nothing of the codec, is as plain as the page, and gives plain values:
a record is (sequence, trusted, class, content) with content by class: telemetry [(point, kind, time, value, exponent,
quality)], windows ((point, kind, exponent, span), [(time, members, least, greatest, total)], [(first, last)]), events
(time, name, is alarm, code, source, detail, raised, value), results (time, command, ended, detail, level).
"""

import copy
import hashlib
from typing import Any

KINDS = ("sample", "mean", "min", "max")
ENDED = ("confirmed", "failed", "expired", "refused")
SPANS_S = {4: 60, 5: 300, 6: 900, 7: 3600}
NUMBERS = (
    *("count", "gap", "class", "group", "seconds", "length", "name", "value", "first", "exponent", "windows", "empty"),
    *("least", "spread", "total", "members", "ranges", "range", "asked", "sent", "quality", "level", "ended"),
)
BITS = (
    *("TELEMETRY", "FOLLOWS", "TRUSTED", "QUALITY", "SCHEDULED", "SAME", "DUE", "WHOLE", "LATER", "KNOWN"),
    *("ALARM", "VALUE", "STATE", "RAISED", "LEVEL", "LITERAL"),
)


class Refused(Exception):  # noqa: N818 - what the page calls it
    """The batch breaks a rule of the page."""


def new_context() -> list[int]:
    return [32768, 0]


def distance_contexts(model: int) -> list[list[int]]:
    contexts = [new_context() for _ in range(38)]
    if model == 0:
        return contexts

    def sure(one: int) -> list[int]:
        return [max(64, min(65472, one)), 6]

    r = 65536 * 2**model // (2**model + 1024)
    p = [r]
    for i in range(15):
        p.append(p[i] * p[i] >> 16)
    for i in range(3):
        contexts[i] = sure(65536 * (65536 - r) // (65536 + r))
        contexts[3 + i] = sure(32768)
    for i in range(16):
        contexts[6 + i] = sure(p[i])
    for i in range(1, 16):
        contexts[22 + i] = sure(65536 * p[i - 1] // (65536 + p[i - 1]))
    return contexts


class Table:
    """`rows` are those of the channel table: [point, kind, unit, exponent, period, group, model]."""

    def __init__(self, rows: list[list[Any]]) -> None:
        self.rows = rows
        said: list[int] = []
        self.groups: list[list[int]] = []
        for number, row in enumerate(rows):
            if row[5] not in said:
                said.append(row[5])
                self.groups.append([])
            self.groups[said.index(row[5])].append(number)
        names = ["", *(row[0].split("/", 1)[0] for row in rows), *(row[0] for row in rows)]
        self.names = list(dict.fromkeys(names))

    def period(self, group: int) -> int:
        period: int = self.rows[self.groups[group][0]][4]
        return period

    def late(self, group: int) -> int:
        return self.period(group) if self.rows[self.groups[group][0]][1] != 0 else 0


class Memory:
    """The state."""

    def __init__(self, table: Table, epoch: int) -> None:
        self.table, self.epoch, self.id = table, epoch, b""
        self.sequence = self.time = self.count = 0
        self.distance = [distance_contexts(row[6]) for row in table.rows]
        self.expected: list[list[int] | None] = [None for _ in table.rows]
        self.comes = [new_context() for _ in table.rows]
        self.due: list[int | None] = [None for _ in table.groups]
        self.mask = [list(group) for group in table.groups]
        self.now = [new_context() for _ in table.groups]
        self.same = [new_context() for _ in table.groups]
        self.more = [new_context() for _ in table.groups]
        self.bits = {name: new_context() for name in BITS}
        self.numbers = {name: [new_context() for _ in range(32)] for name in NUMBERS}


class Bits:
    """The coder."""

    def __init__(self, body: bytes) -> None:
        self.body, self.taken, self.code, self.range, self.low = body, 0, 0, 2**32 - 1, 0
        for _ in range(4):
            self.take()

    def take(self) -> None:
        if self.taken >= len(self.body) + 16 and self.taken >= 4:
            raise Refused("cut short")
        byte = self.body[self.taken] if self.taken < len(self.body) else 0
        self.code = (self.code << 8 | byte) % 2**32
        self.taken += 1
        self.low <<= 8 if self.taken > 4 else 0

    def ends(self) -> None:
        """Refuses a body that is not the one of a writer."""
        zeros = 32
        while (number := -(-self.low // 2**zeros) * 2**zeros) >= self.low + self.range:
            zeros -= 1
        whole = number.to_bytes(self.taken, "big")
        for shorter in range(self.taken, max(0, self.taken - 16), -1):
            if whole[shorter - 1]:
                break
            whole = whole[: shorter - 1]
        if whole != self.body:
            raise Refused("not the body of a writer")

    def bit(self, context: list[int]) -> int:
        one, learned = context
        bound = (self.range >> 16) * one
        rate = 131072 // (2 * learned + 3)
        if self.code < bound:
            bit, self.range = 1, bound
            one += (65536 - one) * rate >> 16
        else:
            bit = 0
            self.code -= bound
            self.low += bound
            self.range -= bound
            one -= one * rate >> 16
        context[:] = [one, min(63, learned + 1)]
        while self.range < 2**24:
            self.range <<= 8
            self.take()
        return bit

    def raw(self, bits: int) -> int:
        value = 0
        for _ in range(bits):
            self.range >>= 1
            bit = 1 if self.code < self.range else 0
            if not bit:
                self.code -= self.range
                self.low += self.range
            if self.range < 2**24:
                self.range <<= 8
                self.take()
            value = 2 * value + bit
        return value

    def number(self, contexts: list[list[int]]) -> int:
        n = 0
        while self.bit(contexts[min(n, 15)]):
            n += 1
            if n > 80:
                raise Refused("a number")
        if n == 0:
            return 0
        m = 2 + self.bit(contexts[16 + min(n, 15)])
        return (m << (n - 1)) + self.raw(n - 1) - 1

    def distance(self, contexts: list[list[int]], hint: int) -> int:
        if self.bit(contexts[hint]):
            return 0
        sign = 1 if self.bit(contexts[3 + hint]) else -1
        return sign * (self.number(contexts[6:]) + 1)


class Reader:
    """Reads the body of one batch."""

    def __init__(self, body: bytes, state: Memory) -> None:
        self.bits, self.state, self.steps = Bits(body), state, 0

    def bit(self, name: str) -> int:
        return self.bits.bit(self.state.bits[name])

    def number(self, name: str) -> int:
        return self.bits.number(self.state.numbers[name])

    def integer(self, name: str) -> int:
        u = self.number(name)
        return u // 2 if u % 2 == 0 else -(u + 1) // 2

    def step(self, steps: int = 1) -> None:
        self.steps += steps
        if self.steps > 65536:
            raise Refused("steps")

    def checked_value(self, value: int) -> int:
        if abs(value) >= 2**63:
            raise Refused("a value")
        return value

    def checked_time(self, time: int) -> int:
        if not 0 <= time < 2**53:
            raise Refused("a time")
        return time

    def text(self) -> str:
        if self.bit("KNOWN"):
            number = self.number("name")
            if number >= len(self.state.table.names):
                raise Refused("a name")
            known: str = self.state.table.names[number]
            return known
        length = self.number("length")
        if length > 1024:
            raise Refused("a text")
        try:
            return bytes(self.bits.raw(8) for _ in range(length)).decode()
        except UnicodeDecodeError as error:
            raise Refused("a text") from error

    def time(self) -> int:
        later = self.bit("LATER")
        if self.bit("WHOLE"):
            distance = 1000 * self.number("seconds")
        else:
            distance = 1000 * self.number("seconds") + self.bits.raw(10)
        return self.checked_time(self.state.time + (distance if later else -distance))

    def batch(self, asks: bool, tells: bool) -> tuple[list[Any], int | None, int | None]:
        state = self.state
        state.count += self.integer("count")
        if not 1 <= state.count <= 4096:
            raise Refused("count")
        asked = self.number("asked") if asks else None
        records = [self.record(place == 0) for place in range(state.count)]
        clock = state.time + 250 * self.integer("sent") if tells else None
        self.bits.ends()
        first = None if asked is None else records[0][0] - asked
        if (first is not None and first < 1) or (clock is not None and not 0 <= clock < 2**53):
            raise Refused("what is asked, or the clock")
        return records, first, clock

    def record(self, is_first: bool) -> tuple[Any, ...]:
        state = self.state
        gap = 1 if self.bit("FOLLOWS") else self.integer("gap")
        sequence = state.sequence + gap
        if not 1 <= sequence < 2**63 or (gap < 1 and not is_first):
            raise Refused("a sequence")
        trusted = bool(self.bit("TRUSTED"))
        content: Any
        if self.bit("TELEMETRY"):
            number, content = 3, self.telemetry()
        else:
            number = self.number("class")
            if number in (0, 1):
                content = self.event()
            elif number == 2:
                content = self.result()
            elif number in SPANS_S:
                content = self.windows(SPANS_S[number])
            else:
                raise Refused("a class")
        state.sequence = sequence
        return sequence, trusted, number, content

    def telemetry(self) -> list[tuple[Any, ...]]:
        readings: list[tuple[Any, ...]] = []
        for part in range(512):
            if not self.part(part == 0, readings):
                break
        else:
            raise Refused("parts")
        qualities = [0] * len(readings)
        if self.bit("QUALITY"):
            qualities = [self.number("quality") for _ in readings]
        if max(qualities) > 255:
            raise Refused("a quality")
        return [(*reading, quality) for reading, quality in zip(readings, qualities, strict=True)]

    def part(self, is_first: bool, readings: list[tuple[Any, ...]]) -> int:
        state, table = self.state, self.state.table
        if is_first and self.bit("SCHEDULED"):
            group = self.scheduled()
            time = state.due[group] or 0
        else:
            group = self.number("group") - 1
            if group >= len(table.groups):
                raise Refused("a group")
            due = state.due[group] if group >= 0 else None
            if due is not None and self.bit("DUE"):
                time = due
            elif not is_first and self.bit("SAME"):
                time = state.time
            else:
                time = self.time()
        state.time = self.checked_time(time)
        if group < 0:
            self.step()
            point, kind = self.text(), self.number("class")
            exponent, value = self.integer("exponent"), self.checked_value(self.integer("first"))
            if kind > 3 or abs(exponent) > 18:
                raise Refused("a kind or exponent")
            readings.append((point, KINDS[kind], time, value, exponent))
            return self.bit("LITERAL")
        period = table.period(group)
        state.due[group] = time + period if period else None
        if not self.bits.bit(state.same[group]):
            self.step(len(table.groups[group]))
            state.mask[group] = [one for one in table.groups[group] if self.bits.bit(state.comes[one])]
            if not state.mask[group]:
                raise Refused("nothing comes")
        self.step(len(state.mask[group]))
        for channel in state.mask[group]:
            row = table.rows[channel]
            readings.append((row[0], KINDS[row[1]], time, self.value(channel), row[3]))
        return self.bits.bit(state.more[group])

    def scheduled(self) -> int:
        state, table = self.state, self.state.table
        order = sorted((due + table.late(g), g) for g, due in enumerate(state.due) if due is not None)
        for _, group in order[:33]:
            if self.bits.bit(state.now[group]):
                return group
            state.due[group] = (state.due[group] or 0) + table.period(group)
        raise Refused("none is due")

    def value(self, channel: int) -> int:
        known = self.state.expected[channel]
        if known is None:
            value = self.checked_value(self.integer("first"))
            self.state.expected[channel] = [256 * value] * 3 + [0] * 3
            return value
        e0, e1, e2, d0, d1, d2 = known
        expected = e0 if d0 <= d1 and d0 <= d2 else e1 if d1 < d0 and d1 <= d2 else e2
        whole = (expected + 128) >> 8
        hint = (expected - 256 * whole + 128) * 3 >> 8
        value = self.checked_value(whole + self.bits.distance(self.state.distance[channel], hint))
        x = 256 * value
        d0 += (abs(x - e0) - d0) >> 5
        d1 += (abs(x - e1) - d1) >> 5
        d2 += (abs(x - e2) - d2) >> 5
        self.state.expected[channel] = [x, e1 + ((x - e1) >> 1), e2 + ((x - e2) >> 2), d0, d1, d2]
        return value

    def event(self) -> tuple[Any, ...]:
        self.state.time = time = self.time()
        name, is_alarm = self.text(), bool(self.bit("ALARM"))
        code, source, detail = self.text(), self.text(), self.text()
        raised = bool(self.bit("RAISED")) if self.bit("STATE") else None
        value = self.checked_value(self.integer("value")) if self.bit("VALUE") else None
        return time, name, is_alarm, code, source, detail, raised, value

    def result(self) -> tuple[Any, ...]:
        self.state.time = time = self.time()
        command, ended = self.text(), self.number("ended")
        if ended > 3:
            raise Refused("an end")
        detail = self.text()
        level = self.number("level") if self.bit("LEVEL") else None
        if level is not None and level > 65535:
            raise Refused("a level")
        return time, command, ENDED[ended], detail, level

    def windows(self, span_s: int) -> tuple[Any, ...]:
        number = self.number("name")
        if number > len(self.state.table.rows):
            raise Refused("a channel")
        if number:
            row = self.state.table.rows[number - 1]
            point, kind, exponent = row[0], row[1], row[3]
        else:
            point, kind, exponent = self.text(), self.number("class"), self.integer("exponent")
        if kind > 3 or abs(exponent) > 18:
            raise Refused("a kind or exponent")
        count = self.number("windows") + 1
        if count > 64:
            raise Refused("windows")
        self.step(count)
        self.state.time = time = self.time()
        windows, least = [], 0
        for place in range(count):
            if place:
                time = self.checked_time(time + 1000 * span_s * (self.number("empty") + 1))
            members = self.number("members") + 1
            least = self.checked_value(least + self.integer("least"))
            greatest = self.checked_value(least + self.number("spread"))
            windows.append((time, members, least, greatest, members * least + self.integer("total")))
        count, last, ranges = self.number("ranges"), 0, []
        if count > 1024:
            raise Refused("ranges")
        self.step(count)
        for _ in range(count):
            first = last + self.integer("range")
            last = first + self.number("range")
            if not 0 <= first <= last < 2**63:
                raise Refused("a range")
            ranges.append((first, last))
        return (point, KINDS[kind], exponent, span_s), windows, ranges


def read(payload: bytes, tables: dict[bytes, Table], states: dict[bytes, Memory]) -> dict[str, Any]:
    """What a batch says, and under "state" the state after it; KeyError for a table or state that is not there."""
    if not payload or payload[0] >> 4 != 1:
        raise Refused("version")
    flags = payload[0] & 15
    if flags & 8:
        state, body = copy.deepcopy(states[payload[1:4]]), payload[4:]
        before = payload[1:4]
    else:
        if len(payload) < 9:
            raise Refused("cut short")
        state, body, before = Memory(tables[payload[5:9]], int.from_bytes(payload[1:5], "big")), payload[9:], b""
    records, first, clock = Reader(body, state).batch(bool(flags & 4), bool(flags & 2))
    state.id = hashlib.sha256(before + payload).digest()[:3]
    return {
        "epoch": state.epoch,
        "records": records,
        "asks_from": first,
        "sent_ms": clock,
        "is_late": bool(flags & 1),
        "state": state,
    }
