"""Compact batches of a pole: how long they are, and what a hostile one can ask of its reader."""

from random import Random

import pytest

from gateway_agent.compact import (
    Channel,
    ChannelTable,
    State,
    decode_batch,
    encode_batch,
)
from gateway_agent.compact.batch import Decoded
from gateway_agent.journal import TELEMETRY, Record
from gateway_agent.records import Reading
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


def test_a_batch_that_promises_much_and_says_little_does_not_keep_its_reader_busy() -> None:
    # All zeros or all ones take the likelier way at each bit, the most steps that few bytes can make.
    for fill in (0x00, 0xFF, 0x55):
        payload = b"\x10" + EPOCH.to_bytes(4, "big") + TABLE.digest + bytes((fill,)) * 1100
        with pytest.raises(FormatError):
            Platform().read(payload)


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
