"""Journal records as bytes: they come back exactly, and no changed bit passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal import codec
from gateway_agent.journal.errors import JournalError
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


@given(st.lists(readings, min_size=1, max_size=40))
def test_the_readings_of_a_poll_come_back_in_order(poll: list[Reading]) -> None:
    back = [
        reading for part in codec.split_poll(poll) for reading in codec.decode_readings(codec.encode_readings(part))
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
    assert codec.decode_event(codec.encode_event(event)) == event


@given(results)
def test_a_result_comes_back(result: CommandResult) -> None:
    back = codec.decode_result(codec.encode_result(result))
    assert back.detail == result.detail.encode("utf-8", "replace").decode()
    assert (back.command_id, back.state, back.time_ms, back.level_pct) == (
        result.command_id,
        result.state,
        result.time_ms,
        result.level_pct,
    )


@given(st.builds(Command, names, names, names, st.dictionaries(names, numbers, max_size=3), times))
def test_a_command_comes_back(command: Command) -> None:
    assert codec.decode_command(codec.encode_command(command)) == command


@given(st.lists(readings, min_size=1, max_size=5), st.integers(1, 1 << 40), st.data())
def test_no_flipped_bit_passes(poll: list[Reading], sequence: int, data: st.DataObject) -> None:
    body = codec.encode_readings(poll)
    crc32 = codec.checksum(sequence, codec.TELEMETRY, body)
    assert codec.decode_record(sequence, codec.TELEMETRY, crc32, body).sequence == sequence
    bit = data.draw(st.integers(0, 8 * len(body) - 1))
    flipped = bytearray(body)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(JournalError):
        codec.decode_record(sequence, codec.TELEMETRY, crc32, bytes(flipped))


def test_a_record_in_another_place_or_of_another_class_does_not_pass() -> None:
    body = codec.encode_readings([Reading("air/pm2_5", 1, 2, 0)])
    crc32 = codec.checksum(7, codec.TELEMETRY, body)
    for sequence, record_class in ((8, codec.TELEMETRY), (7, codec.EVENT)):
        with pytest.raises(JournalError):
            codec.decode_record(sequence, record_class, crc32, body)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_body_are_a_journal_error(body: bytes) -> None:
    for record_class in codec.CLASSES:
        try:
            codec.decode_record(1, record_class, codec.checksum(1, record_class, body), body)
        except JournalError:
            continue


def test_numbers_that_cannot_travel_are_not_storable() -> None:
    assert codec.is_storable(Reading("a/b", 0, -codec.LARGEST, -18, "mean"))
    assert not codec.is_storable(Reading("a/b", 0, codec.LARGEST + 1, 0))
    assert not codec.is_storable(Reading("a/b", 0, 1, 19))
    assert not codec.is_storable(Reading("a/b", 0, 1, 0, "median"))
    assert not codec.is_storable(Reading("a/" + "b" * 1000, 0, 1, 0))
    with pytest.raises(ValueError, match="cannot be stored"):
        codec.encode_event(Event("a", "event", "x", 0, value=1 << 63))
