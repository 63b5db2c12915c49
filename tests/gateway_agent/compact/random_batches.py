"""Tables and records of every kind for hypothesis, and records as the plain values of second_decoder.py."""

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from gateway_agent.compact import Channel, ChannelTable
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Record
from gateway_agent.journal.codec import KINDS, SPANS_S
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window

LARGEST = (1 << 63) - 1
EPOCH = 77
STATES = ("confirmed", "failed", "expired", "refused")

values = st.one_of(st.integers(-3, 3), st.integers(0, 5000), st.integers(-LARGEST, LARGEST))
times = st.one_of(st.integers(0, 40).map(lambda n: 1_800_000_000_000 + 500 * n), st.integers(0, (1 << 52)))
texts = st.one_of(st.sampled_from(["", "meter", "meter/power", "air/pm2_5"]), st.text(max_size=40))
exponents = st.integers(-18, 18)


@st.composite
def tables(draw: st.DrawFn) -> ChannelTable:
    """A few channels in a few groups, of all kinds."""
    keys = draw(
        st.lists(
            st.tuples(st.sampled_from(["meter/power", "meter/energy", "air/pm2_5", "lone"]), st.sampled_from(KINDS)),
            min_size=1,
            max_size=8,
            unique=True,
        )
    )
    return ChannelTable(
        tuple(
            Channel(
                point,
                kind,
                draw(st.sampled_from(["", "W", "Cel"])),
                draw(st.integers(-2, 1)),
                draw(st.sampled_from([0, 500, 1000, 60_000])),
                draw(st.integers(0, 3)),
                draw(st.sampled_from([0, 0, 1, 9, 31])),
            )
            for point, kind in keys
        )
    )


@st.composite
def contents(draw: st.DrawFn, table: ChannelTable) -> tuple[int, Any]:
    """(class, content) of one record."""
    record_class = draw(st.sampled_from([TELEMETRY] * 5 + [ALARM, EVENT, RESULT, *THINNED]))
    if record_class == TELEMETRY:
        return record_class, draw(polls(table))
    if record_class in THINNED:
        return record_class, draw(thinned(table, SPANS_S[record_class - TELEMETRY - 1]))
    if record_class == RESULT:
        level = draw(st.none() | st.integers(0, 100))
        return record_class, CommandResult(draw(texts), draw(st.sampled_from(STATES)), draw(texts), draw(times), level)
    kind = "alarm" if record_class == ALARM else "event"
    raised, value = draw(st.sampled_from([None, False, True])), draw(st.none() | values)
    event = Event(draw(texts), kind, draw(texts), draw(times), raised, value, draw(texts), detail=draw(texts))
    return record_class, event


@st.composite
def polls(draw: st.DrawFn, table: ChannelTable) -> tuple[Reading, ...]:
    """Readings of one record, most of channels of the table, in any order and at one time or several."""
    readings = []
    time_ms = draw(times)
    for _ in range(draw(st.integers(1, 6))):
        if draw(st.integers(0, 4)) == 0:
            time_ms = draw(times)
        if draw(st.integers(0, 9)):
            channel = draw(st.sampled_from(table.channels))
            readings.append(Reading(channel.point, time_ms, draw(values), channel.exponent, channel.kind))
        else:
            readings.append(Reading(draw(texts), time_ms, draw(values), draw(exponents), draw(st.sampled_from(KINDS))))
    return tuple(readings)


@st.composite
def thinned(draw: st.DrawFn, table: ChannelTable, span_s: int) -> Thinned:
    """Windows of one channel, which the table has or has not, and what they replace."""
    channel = draw(st.sampled_from(table.channels))
    point, kind, exponent = draw(
        st.sampled_from([(channel.point, channel.kind, channel.exponent), ("gone/point", "mean", 3)])
    )
    time_ms = draw(st.integers(0, 1 << 40)) * 1000
    windows = []
    for _ in range(draw(st.integers(1, 5))):
        members = sorted(draw(st.lists(values, min_size=1, max_size=4)))
        windows.append(
            Window(point, time_ms, span_s, exponent, kind, members[0], members[-1], sum(members), len(members))
        )
        time_ms += 1000 * span_s * draw(st.integers(1, 3))
    edges = sorted(draw(st.lists(st.integers(0, LARGEST), max_size=6)))
    return Thinned(tuple(windows), tuple(zip(edges[::2], edges[1::2], strict=False)))


@st.composite
def records(draw: st.DrawFn, table: ChannelTable, most: int = 8) -> list[Record]:
    """Records of one epoch with ascending sequences."""
    sequence = draw(st.integers(1, 1 << 40))
    found = []
    for _ in range(draw(st.integers(1, most))):
        record_class, content = draw(contents(table))
        found.append(Record(sequence, record_class, content, EPOCH, draw(st.booleans())))
        sequence += draw(st.sampled_from([1, 1, 1, 2, 900]))
    return found


def plain(record: Record, qualities: Mapping[tuple[int, int], int]) -> tuple[Any, ...]:
    """The record as the second decoder tells it."""
    content = record.content
    told: Any
    if isinstance(content, Thinned):
        first = content.windows[0]
        told = (
            (first.point, first.kind, first.exponent, first.span_s),
            [(one.time_ms, one.count, one.least, one.greatest, one.total) for one in content.windows],
            list(content.replaces),
        )
    elif isinstance(content, Event):
        texts_of = (content.code, content.source, content.detail)
        told = (content.time_ms, content.name, content.kind == "alarm", *texts_of, content.state, content.value)
    elif isinstance(content, CommandResult):
        told = (content.time_ms, content.command_id, content.state, content.detail, content.level_pct)
    else:
        told = [
            (one.point, one.kind, one.time_ms, one.value, one.exponent, qualities.get((record.sequence, place), 0))
            for place, one in enumerate(content)
        ]
    return record.sequence, record.trusted, record.record_class, told
