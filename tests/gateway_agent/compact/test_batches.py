"""Compact batches: every record comes back exactly, and any bytes give a value or an error in bounded time."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.compact import (
    Channel,
    ChannelTable,
    State,
    UnknownState,
    UnknownTable,
    decode_batch,
    encode_batch,
)
from gateway_agent.compact.batch import Decoded
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, Record
from gateway_agent.journal.codec import SPANS_S
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.errors import FormatError

EPOCH = 0xDEADBEEF
START_MS = 1_781_740_800_000
TABLE = ChannelTable(
    (
        Channel("lamp/power", "sample", "W", -1, 60_000, 0),
        Channel("lamp/energy", "sample", "kWh", -3, 60_000, 0),
        Channel("air/pm2_5", "sample", "ug/m3", 0, 60_000, 1, 9),
        Channel("air/temperature", "sample", "Cel", -1, 60_000, 1, 8),
        Channel("air/pm2_5", "mean", "ug/m3", -1, 900_000, 2),
        Channel("air/pm2_5", "max", "ug/m3", 0, 900_000, 2),
        Channel("cover/open", "sample", "bool", 0, 0, 3, 1),
    )
)
KEYS = [(channel.point, channel.kind, channel.exponent) for channel in TABLE.channels]
words = st.text(max_size=12)
times = st.integers(START_MS - 10**9, START_MS + 10**9)
values = st.one_of(st.integers(-300, 300), st.integers(-(1 << 63) + 1, (1 << 63) - 1))


@st.composite
def readings(draw: st.DrawFn) -> tuple[Reading, ...]:
    known = st.sampled_from(KEYS)
    unknown = st.tuples(words, st.sampled_from(("sample", "mean", "min", "max")), st.integers(-18, 18))
    keys = draw(st.lists(st.one_of(known, known, known, unknown), min_size=1, max_size=8))
    time_ms = draw(times)
    found = []
    for point, kind, exponent in keys:
        if draw(st.integers(0, 5)) == 0:
            time_ms = draw(times)
        found.append(Reading(point, time_ms, draw(values), exponent, kind))
    return tuple(found)


events = st.builds(
    Event, words, st.sampled_from(("alarm", "event")), words, times, st.sampled_from((None, True, False)),
    st.one_of(st.none(), values), words, st.none(), words,
)  # fmt: skip
results = st.builds(
    CommandResult, words, st.sampled_from(("confirmed", "failed", "expired", "refused")), words, times,
    st.one_of(st.none(), st.integers(0, 100)),
)  # fmt: skip


@st.composite
def thinned(draw: st.DrawFn) -> tuple[int, Thinned]:
    level = draw(st.integers(0, len(SPANS_S) - 1))
    point, kind, exponent = draw(st.sampled_from([*KEYS, ("gone/point", "sample", -2)]))
    time_ms, windows = draw(times), []
    for _ in range(draw(st.integers(1, 12))):
        least, spread, count = (
            draw(st.integers(-(1 << 50), 1 << 50)),
            draw(st.integers(0, 1000)),
            draw(st.integers(1, 60)),
        )
        total = count * least + draw(st.integers(0, 1000))
        windows.append(Window(point, time_ms, SPANS_S[level], exponent, kind, least, least + spread, total, count))
        time_ms += 1000 * SPANS_S[level] * draw(st.integers(1, 3))
    first, replaces = 1, []
    for _ in range(draw(st.integers(0, 4))):
        low = first + draw(st.integers(0, 50))
        replaces.append((low, low + draw(st.integers(0, 9))))
        first = replaces[-1][1] + 2
    return TELEMETRY + 1 + level, Thinned(tuple(windows), tuple(replaces))


@st.composite
def batches(draw: st.DrawFn) -> list[Record]:
    sequence, found = draw(st.integers(1, 1 << 40)), []
    for _ in range(draw(st.integers(1, 10))):
        kind = draw(st.integers(0, 9))
        content: tuple[Reading, ...] | Thinned | Event | CommandResult
        if kind < 6:
            record_class, content = TELEMETRY, draw(readings())
        elif kind < 7:
            record_class, content = draw(thinned())
        elif kind < 9:
            content = draw(events)
            record_class = ALARM if content.kind == "alarm" else EVENT
        else:
            record_class, content = RESULT, draw(results)
        found.append(Record(sequence, record_class, content, EPOCH, draw(st.booleans())))
        sequence += draw(st.sampled_from((1, 1, 1, 2, 100)))
    return found


class Platform:
    """Keeps states and the table."""

    def __init__(self) -> None:
        self.states: dict[bytes, bytes] = {}

    def read(self, payload: bytes) -> Decoded:
        decoded = decode_batch(payload, {TABLE.digest: TABLE}.get, self.state)
        self.states[decoded.state.id] = decoded.state.dump()
        return decoded

    def state(self, state_id: bytes) -> State | None:
        kept = self.states.get(state_id)
        return None if kept is None else State.load(kept, TABLE)


@settings(max_examples=150)
@given(st.lists(batches(), min_size=1, max_size=5), st.data())
def test_a_chain_of_batches_comes_back_record_by_record(chain: list[list[Record]], data: st.DataObject) -> None:
    platform, state = Platform(), None
    for records in chain:
        rest = records
        while rest:
            asks = data.draw(st.one_of(st.none(), st.integers(1, rest[0].sequence)))
            sent_ms = data.draw(st.one_of(st.none(), st.integers(START_MS, START_MS + 10**7)))
            before = None if state is None else state.dump()
            encoded = encode_batch(
                rest, TABLE, state=state, epoch=EPOCH, first_waiting=asks, sent_ms=sent_ms, is_late=bool(asks),
                limit_bytes=data.draw(st.sampled_from((40, 200, 1024))),
            )  # fmt: skip
            assert state is None or state.dump() == before
            decoded = platform.read(encoded.payload)
            assert decoded.records == rest[: encoded.count]
            assert (decoded.epoch, decoded.first_waiting, decoded.is_late) == (EPOCH, asks, bool(asks))
            assert (decoded.sent_ms is None) == (sent_ms is None)
            if sent_ms is not None and decoded.sent_ms is not None:
                assert 0 <= sent_ms - decoded.sent_ms < 250
            assert decoded.state.dump() == encoded.state.dump()
            state, rest = encoded.state, rest[encoded.count :]


@given(batches(), st.sampled_from((60, 300, 1024)))
def test_a_batch_keeps_its_limit_unless_a_single_record_is_longer(records: list[Record], limit: int) -> None:
    encoded = encode_batch(records, TABLE, epoch=EPOCH, limit_bytes=limit)
    assert len(encoded.payload) <= limit or encoded.count == 1


@settings(max_examples=300)
@given(batches(), st.data())
def test_changed_bytes_give_records_or_a_format_error(records: list[Record], data: st.DataObject) -> None:
    payload = bytearray(encode_batch(records, TABLE, epoch=EPOCH).payload)
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(payload)))
    for hostile in (bytes(payload), bytes(payload[:cut])):
        try:
            Platform().read(hostile)
        except FormatError:
            continue


@given(st.binary(max_size=1100))
def test_any_bytes_give_records_or_a_format_error(noise: bytes) -> None:
    for head in (b"", b"\x10" + EPOCH.to_bytes(4, "big") + TABLE.digest):
        try:
            Platform().read(head + noise)
        except FormatError:
            continue


def test_a_batch_that_promises_much_and_says_little_does_not_keep_its_reader_busy() -> None:
    # All zeros or all ones take the likelier way at each bit, the most steps that few bytes can make.
    for fill in (0x00, 0xFF, 0x55):
        payload = b"\x10" + EPOCH.to_bytes(4, "big") + TABLE.digest + bytes((fill,)) * 1100
        with pytest.raises(FormatError):
            Platform().read(payload)


def test_what_is_not_here_is_told_by_its_name() -> None:
    records = [Record(1, TELEMETRY, (Reading("air/pm2_5", START_MS, 5, 0),), EPOCH)]
    first = encode_batch(records, TABLE, epoch=EPOCH)
    with pytest.raises(UnknownTable) as table:
        decode_batch(first.payload, lambda digest: None, lambda state_id: None)
    assert table.value.digest == TABLE.digest
    following = encode_batch(records, TABLE, state=first.state, epoch=EPOCH)
    with pytest.raises(UnknownState) as state:
        decode_batch(following.payload, {TABLE.digest: TABLE}.get, lambda state_id: None)
    assert state.value.id == first.state.id


def test_a_state_is_named_by_all_batches_that_led_to_it() -> None:
    records = [Record(1, TELEMETRY, (Reading("air/pm2_5", START_MS, value, 0),), EPOCH) for value in (5, 6)]
    ids = {encode_batch([record], TABLE, epoch=EPOCH).state.id for record in records}
    assert len(ids) == 2


def test_a_steady_pole_takes_a_third_of_a_byte_a_reading_and_a_missed_poll_little_more() -> None:
    random, platform, state = Random(5), Platform(), None
    size = count = 0
    for batch in range(40):
        records = []
        for minute in range(15):
            time_ms = START_MS + 60_000 * (15 * batch + minute)
            for points in (KEYS[:2], KEYS[2:4]):
                if random.random() < 0.02:
                    continue
                content = tuple(Reading(p, time_ms, round(random.gauss(200, 1)), e, kind) for p, kind, e in points)
                records.append(Record(1 + len(records) + 40 * batch, TELEMETRY, content, EPOCH))
        encoded = encode_batch(records, TABLE, state=state, epoch=EPOCH)
        assert platform.read(encoded.payload).records == records
        state = encoded.state
        if batch >= 20:
            size, count = size + len(encoded.payload), count + sum(record.readings for record in records)
    assert size / count < 0.40


def test_a_counter_that_wraps_costs_a_few_bytes_and_comes_back() -> None:
    def poll(number: int, value: int) -> Record:
        return Record(number, TELEMETRY, (Reading("lamp/energy", START_MS + 60_000 * number, value, -3),), EPOCH)

    state, sizes = None, []
    for number in range(1, 60):
        record = poll(number, (65_500 + number) & 0xFFFF)
        encoded = encode_batch([record], TABLE, state=state, epoch=EPOCH)
        state = encoded.state
        sizes.append(len(encoded.payload))
    assert max(sizes[10:]) <= min(sizes[10:]) + 8


def test_qualities_travel_beside_their_readings() -> None:
    content = tuple(Reading(point, START_MS, 7, exponent) for point, kind, exponent in KEYS[:4] if kind == "sample")
    record = Record(9, TELEMETRY, content, EPOCH)
    encoded = encode_batch([record], TABLE, epoch=EPOCH, qualities={(9, 2): 5})
    decoded = decode_batch(encoded.payload, {TABLE.digest: TABLE}.get, lambda _: None)
    assert (decoded.records, dict(decoded.qualities)) == ([record], {(9, 2): 5})
