"""Journal records as bytes: they come back exactly, and no changed bit passes."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway_agent.journal import codec
from gateway_agent.journal.errors import JournalError
from gateway_agent.journal.rows import checksum, item_checksum, record_checksum
from gateway_agent.records import Command, CommandResult, Event, Reading

names = st.from_regex(r"\A[a-z][a-z0-9_]{0,11}\Z")
points = st.builds("{}/{}".format, st.sampled_from(("air", "gas", "lamp_node")), names)
times = st.integers(-(1 << 41), 1 << 41)
numbers = st.integers(-codec.LARGEST, codec.LARGEST)
readings = st.builds(Reading, points, times, numbers, st.integers(-18, 18), st.sampled_from(codec.KINDS))
events = st.builds(
    Event,
    points,
    st.sampled_from(("alarm", "event")),
    names,
    times,
    st.none() | st.booleans(),
    st.none() | numbers,
    names | st.just(""),
    st.none() | st.tuples(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1)),
)
results = st.builds(CommandResult, names, names, st.text(max_size=40), times, st.none() | st.integers(0, 100))


class Channels:
    """Numbers of channels as the journal gives them."""

    def __init__(self) -> None:
        self.numbers: dict[codec.Channel, int] = {}

    def number(self, channel: codec.Channel) -> int:
        return self.numbers.setdefault(channel, 1 + len(self.numbers))

    def channel(self, number: int) -> codec.Channel:
        return {mine: channel for channel, mine in self.numbers.items()}[number]


@given(st.lists(readings, min_size=1, max_size=40))
def test_the_readings_of_a_poll_come_back_in_order(poll: list[Reading]) -> None:
    channels = Channels()
    back = [
        reading
        for part in codec.split_poll(poll)
        for reading in codec.decode_readings(
            codec.encode_readings(part, channels.number), part[0].time_ms, channels.channel
        )
    ]
    assert back == poll


@given(st.lists(readings, min_size=1, max_size=60))
def test_a_part_of_a_poll_is_of_one_device_and_fits_a_message(poll: list[Reading]) -> None:
    for part in codec.split_poll(poll):
        assert len({reading.point.split("/")[0] for reading in part}) == 1
        assert len(part) == 1 or sum(len(reading.point) + 46 for reading in part) <= codec.MESSAGE_BYTES


def test_the_poll_of_an_air_station_is_one_record() -> None:
    poll = [Reading(f"air/quantity_{number}", 1_000, number, -1) for number in range(12)]
    assert len(list(codec.split_poll(poll))) == 1


@given(events)
def test_an_event_comes_back(event: Event) -> None:
    assert codec.decode_event(codec.encode_event(event), event.time_ms) == event


@given(results)
def test_a_result_comes_back(result: CommandResult) -> None:
    back = codec.decode_result(codec.encode_result(result), result.time_ms)
    assert back == replace(result, detail=result.detail.encode("utf-8", "replace").decode())


@given(st.builds(Command, names, names, names, st.dictionaries(names, numbers, max_size=3), times))
def test_a_command_comes_back(command: Command) -> None:
    assert codec.decode_command(codec.encode_command(command)) == command


@st.composite
def figures(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """count, least, greatest, total of a window, as readings give them."""
    count, least, greatest = draw(st.integers(1, 100_000)), *sorted((draw(numbers), draw(numbers)))
    if count == 1:
        return 1, least, least, least
    low, high = count * least + greatest - least, count * greatest - greatest + least
    low, high = max(low, -codec.LARGEST), min(high, codec.LARGEST)
    assume(low <= high)
    return count, least, greatest, draw(st.integers(low, high))


@given(
    st.integers(1, 1 << 20),
    st.lists(st.none() | figures(), min_size=1, max_size=codec.WINDOWS_EACH),
    st.lists(st.tuples(st.integers(1, 1 << 50), st.integers(1, 1 << 50)), max_size=4),
)
def test_windows_come_back(
    channel: int, windows: list[tuple[int, int, int, int] | None], replaces: list[tuple[int, int]]
) -> None:
    assert codec.read_windows(codec.encode_windows(channel, windows, replaces)) == (channel, replaces, windows)


@given(st.lists(readings, min_size=1, max_size=5), st.integers(1, 1 << 40), st.data())
def test_no_flipped_bit_passes_in_any_column(poll: list[Reading], sequence: int, data: st.DataObject) -> None:
    body = codec.encode_readings(poll, Channels().number)
    columns = [sequence, codec.TELEMETRY, poll[0].time_ms, 1, len(poll), 0]
    crc32 = record_checksum(*columns, body)
    at = data.draw(st.integers(0, len(columns)))
    if at == len(columns):
        bit = data.draw(st.integers(0, 8 * len(body) - 1))
        flipped = bytearray(body)
        flipped[bit // 8] ^= 1 << bit % 8
        body = bytes(flipped)
    else:
        columns[at] ^= 1 << data.draw(st.integers(0, 61))
    assert record_checksum(*columns, body) != crc32


@given(numbers, st.integers(0, 7), names, numbers, st.binary(max_size=40))
def test_a_row_of_one_table_does_not_pass_in_another(
    number: int, kind: int, key: str, version: int, body: bytes
) -> None:
    assert -(1 << 31) <= item_checksum(number, kind, key, version, body) < 1 << 31
    assert checksum("record", number, kind, key, version, body) != checksum("item", number, kind, key, version, body)


@given(st.binary(max_size=40), times)
def test_bytes_that_are_no_body_are_a_journal_error(body: bytes, time_ms: int) -> None:
    channels = Channels()
    for record_class in codec.CLASSES:
        try:
            codec.decode_content(record_class, time_ms, body, channels.channel)
        except JournalError:
            continue


def test_a_class_that_does_not_exist_is_a_journal_error() -> None:
    with pytest.raises(JournalError, match="no class 99"):
        codec.decode_content(99, 0, b"", Channels().channel)


def test_numbers_that_cannot_travel_are_not_storable() -> None:
    assert codec.is_storable(Reading("a/b", 0, -codec.LARGEST, -18, "mean"))
    assert not codec.is_storable(Reading("a/b", 0, codec.LARGEST + 1, 0))
    assert not codec.is_storable(Reading("a/b", 0, 1, 19))
    assert not codec.is_storable(Reading("a/b", 0, 1, 0, "median"))
    assert not codec.is_storable(Reading("a/" + "b" * 1000, 0, 1, 0))
    for event in (
        Event("a", "event", "x", 0, value=1 << 63),
        Event("a", "event", "x", -(1 << 63)),
        Event("a", "event", "x", 0, source="n", origin=(1, 1 << 63)),
    ):
        with pytest.raises(ValueError, match="cannot be stored"):
            codec.encode_event(event)
    with pytest.raises(ValueError, match="surrogates"):
        codec.encode_event(Event("a", "event", "\udc80", 0))
