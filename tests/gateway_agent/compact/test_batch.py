"""Compact batches there and back: every kind of record, chains, limits of bytes, and bytes from somebody else."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.compact import (
    Channel,
    ChannelTable,
    Encoded,
    State,
    UnknownState,
    UnknownTable,
    decode_batch,
    encode_batch,
)
from gateway_agent.compact.limits import MAX_DETAIL, MAX_STEPS
from gateway_agent.journal import EVENT, RESULT, TELEMETRY, Record
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact.random_batches import EPOCH, LARGEST, records, tables, times

POLE = ChannelTable(
    tuple(
        Channel(f"{device}/{point}", "sample", "W", -1, 60_000, group)
        for group, device in enumerate(("meter", "air"))
        for point in ("a", "b", "c")
    )
)


def poll(sequence: int, minute: int, values: tuple[int, int, int], device: str = "meter") -> Record:
    readings = zip(("a", "b", "c"), values, strict=True)
    content = tuple(Reading(f"{device}/{point}", 60_000 * minute, value, -1) for point, value in readings)
    return Record(sequence, TELEMETRY, content, EPOCH)


def steady(count: int, first: int = 1) -> list[Record]:
    return [poll(first + at, first + at, (5, 6, 7)) for at in range(count)]


def read(encoded: Encoded, table: ChannelTable, state: State | None = None) -> list[Record]:
    kept = {} if state is None else {state.id: state}
    decoded = decode_batch(encoded.payload, {table.digest: table}.get, kept.get)
    assert decoded.state == encoded.state
    return decoded.records


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_chains_of_batches_come_back_as_they_were_whichever_states_they_refer_to(data: st.DataObject) -> None:
    table = data.draw(tables())
    states: list[State] = []
    for _ in range(data.draw(st.integers(1, 5))):
        batch = data.draw(records(table))
        state = data.draw(st.sampled_from([None, *states, *states[-1:] * 3]))
        before = None if state is None else state.copy()
        encoded = encode_batch(batch, table, state=state, epoch=EPOCH, is_late=data.draw(st.booleans()))
        assert state == before, "an encoder leaves the state that it was given alone"
        kept = None if state is None else State.load(state.dump(), table)
        assert kept == state
        assert read(encoded, table, kept) == batch[: encoded.count]
        assert encoded.count == len(batch) or len(encoded.payload) <= 1024
        states.append(encoded.state)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_backlog_arrives_whole_in_a_chain_of_batches_that_keep_their_limit(
    data: st.DataObject,
) -> None:
    table = data.draw(tables())
    rest = backlog = data.draw(records(table, most=20))
    state, arrived = None, list[Record]()
    while rest:
        asked = data.draw(st.none() | st.integers(1, rest[0].sequence))
        sent_ms = data.draw(st.none() | times)
        limit = data.draw(st.integers(20, 400))
        encoded = encode_batch(
            rest, table, state=state, epoch=EPOCH, first_waiting=asked, sent_ms=sent_ms, limit_bytes=limit
        )
        kept = {} if state is None else {state.id: state}
        told = decode_batch(encoded.payload, {table.digest: table}.get, kept.get)
        assert told.state == encoded.state
        assert told.first_waiting == asked
        assert (told.sent_ms is None) == (sent_ms is None)
        assert sent_ms is None or told.sent_ms is None or 0 <= told.sent_ms - sent_ms < 250
        assert encoded.count >= 1
        assert len(encoded.payload) <= limit or encoded.count == 1
        arrived += told.records
        state, rest = encoded.state, rest[encoded.count :]
    assert arrived == backlog


def test_a_limit_of_bytes_is_used_well() -> None:
    batch = [poll(at, at, (at * at % 977, at, 7 * at % 31)) for at in range(1, 2000)]
    encoded = encode_batch(batch, POLE, epoch=EPOCH, limit_bytes=1024)
    assert 900 < len(encoded.payload) <= 1024
    assert read(encoded, POLE) == batch[: encoded.count]


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_bytes_and_any_change_of_a_batch_give_a_value_or_an_error(data: st.DataObject) -> None:
    table = data.draw(tables())
    first = encode_batch(data.draw(records(table)), table, epoch=EPOCH, first_waiting=1)
    second = encode_batch(data.draw(records(table)), table, state=first.state, epoch=EPOCH, sent_ms=9)
    payload = bytearray(data.draw(st.sampled_from([first.payload, second.payload])))
    if data.draw(st.booleans()):
        payload[4:] = data.draw(st.binary(max_size=200))
    for _ in range(data.draw(st.integers(0, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    before = first.state.copy()
    try:
        decoded = decode_batch(bytes(payload), lambda _: table, lambda _: first.state)
    except FormatError:
        decoded = None
    assert first.state == before, "a decoder leaves the state that it was given alone"
    if decoded is not None:
        again = encode_batch(decoded.records, table, epoch=decoded.epoch, limit_bytes=1 << 20)
        assert read(again, table) == [short(record) for record in decoded.records]


def short(record: Record) -> Record:
    """The record as it is sent: of a detail the beginning."""
    content = record.content
    if isinstance(content, (Event, CommandResult)):
        return replace(record, content=replace(content, detail=content.detail[:MAX_DETAIL]))
    return record


def test_what_a_batch_refers_to_and_is_not_here_is_named() -> None:
    first = encode_batch(steady(1), POLE, epoch=EPOCH)
    with pytest.raises(UnknownTable) as table:
        decode_batch(first.payload, lambda _: None, lambda _: None)
    assert table.value.digest == POLE.digest
    second = encode_batch(steady(1, 2), POLE, state=first.state, epoch=EPOCH)
    with pytest.raises(UnknownState) as state:
        decode_batch(second.payload, lambda _: POLE, lambda _: None)
    assert state.value.id == first.state.id


def test_steady_polls_are_nearly_free() -> None:
    first = encode_batch(steady(600), POLE, epoch=EPOCH)
    second = encode_batch(steady(600, 601), POLE, state=first.state, epoch=EPOCH)
    assert len(second.payload) < 20
    assert read(second, POLE, first.state) == steady(600, 601)


def test_numbers_at_their_largest_come_back_also_at_the_end_of_a_batch() -> None:
    """Then a batch ends in many zeros, which are not sent."""
    extremes = (LARGEST, -LARGEST, LARGEST - 1)
    for value in extremes:
        batch = [*steady(40), Record(41, EVENT, Event("", "event", "", 0, None, value), EPOCH)]
        assert read(encode_batch(batch, POLE, epoch=EPOCH), POLE) == batch
    batch = [poll(1, 0, (LARGEST, -LARGEST, 0)), poll(2, 1, (-LARGEST, LARGEST, 1)), poll(3, 2, (0, 0, -1))]
    assert read(encode_batch(batch, POLE, epoch=EPOCH), POLE) == batch


@pytest.mark.parametrize(
    "record",
    [
        poll(1, 0, (LARGEST + 1, 0, 0)),
        poll(0, 0, (1, 2, 3)),
        poll(1, -1, (1, 2, 3)),
        Record(1, EVENT, Event("x" * 1025, "event", "", 0), EPOCH),
        Record(1, RESULT, CommandResult("", "confirmed", "", 0, 65536), EPOCH),
        Record(1, 4, Thinned((Window("meter/a", 0, 60, -1, "sample", 0, LARGEST + 1, 0, 1),), ()), EPOCH),
        Record(1, 4, Thinned((Window("meter/a", 0, 60, -1, "sample", 3, 2, 0, 1),), ()), EPOCH),
    ],
    ids=["value", "sequence", "time", "text", "level", "window", "spread"],
)
def test_what_cannot_be_said_is_refused_by_the_writer(record: Record) -> None:
    with pytest.raises(FormatError):
        encode_batch([record], POLE, epoch=EPOCH)


def test_the_first_sequence_asked_for_is_not_after_the_first_record() -> None:
    with pytest.raises(FormatError):
        encode_batch(steady(1, 5), POLE, epoch=EPOCH, first_waiting=6)


def test_of_a_detail_the_beginning_is_sent() -> None:
    record = Record(1, EVENT, Event("lamp", "event", "odd", 0, detail="ü" * 500), EPOCH)
    assert read(encode_batch([record], POLE, epoch=EPOCH), POLE) == [short(record)]


def test_few_bytes_cannot_make_much_work() -> None:
    wide = ChannelTable(tuple(Channel(f"d/{n}", "sample", "", 0, 1000, 0) for n in range(4096)))
    batch = [
        Record(n + 1, TELEMETRY, tuple(Reading(one.point, 1000 * n, 5, 0) for one in wide.channels), EPOCH)
        for n in range(MAX_STEPS // 4096 + 1)
    ]
    encoded = encode_batch(batch, wide, epoch=EPOCH, limit_bytes=1 << 20)
    assert encoded.count * 4096 <= MAX_STEPS
    assert read(encoded, wide) == batch[: encoded.count]
