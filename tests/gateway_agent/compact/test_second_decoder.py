"""A reader that was made from the page alone reads what ours writes, and refuses what ours refuses."""

from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.compact import ChannelTable, State, UnknownState, UnknownTable, decode_batch, encode_batch
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact import second_decoder
from tests.gateway_agent.compact.random_batches import EPOCH, plain, records, tables


def second_table(table: ChannelTable) -> second_decoder.Table:
    return second_decoder.Table(cbor2.loads(table.encode())[1])


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_reader_made_from_the_page_reads_chains_of_batches(data: st.DataObject) -> None:
    table = data.draw(tables())
    known = {table.digest: second_table(table)}
    states: dict[bytes, second_decoder.Memory] = {}
    state: State | None = None
    for _ in range(data.draw(st.integers(1, 4))):
        batch = data.draw(records(table))
        place = (batch[0].sequence, 0)
        qualities = {place: data.draw(st.integers(1, 255))} if data.draw(st.booleans()) and batch[0].readings else {}
        asked = data.draw(st.none() | st.integers(1, batch[0].sequence))
        clock = data.draw(st.none() | st.integers(0, 1 << 43).map(lambda quarter: 250 * quarter))
        encoded = encode_batch(
            batch, table, state=state, epoch=EPOCH, first_waiting=asked, sent_ms=clock, qualities=qualities
        )
        told = second_decoder.read(encoded.payload, known, states)
        assert told["records"] == [plain(record, qualities) for record in batch[: encoded.count]]
        assert (told["epoch"], told["asks_from"], told["is_late"]) == (EPOCH, asked, False)
        assert clock is None or 0 <= told["sent_ms"] - clock < 250
        assert told["state"].id == encoded.state.id
        states[encoded.state.id] = told["state"]
        state = encoded.state if data.draw(st.integers(0, 4)) else None


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_what_is_damaged_is_read_or_refused_by_both_alike(data: st.DataObject) -> None:
    table = data.draw(tables())
    first = encode_batch(data.draw(records(table)), table, epoch=EPOCH)
    second = encode_batch(
        data.draw(records(table)), table, state=first.state, epoch=EPOCH, first_waiting=1, sent_ms=1000
    )
    payload = bytearray(data.draw(st.sampled_from([first.payload, second.payload])))
    for _ in range(data.draw(st.integers(1, 3))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    damaged = bytes(payload[: data.draw(st.integers(0, len(payload)))]) + data.draw(st.binary(max_size=4))
    known = {table.digest: second_table(table)}
    after = second_decoder.read(first.payload, known, {})["state"]
    assert ours(damaged, table, first.state) == theirs(damaged, known, {first.state.id: after})


def ours(payload: bytes, table: ChannelTable, state: State) -> Any:
    try:
        told = decode_batch(
            payload, lambda it: table if it == table.digest else None, lambda it: state if it == state.id else None
        )
    except (UnknownState, UnknownTable):
        return "unknown"
    except FormatError:
        return "refused"
    return told.epoch, told.first_waiting, told.sent_ms, [plain(record, told.qualities) for record in told.records]


def theirs(payload: bytes, known: dict[bytes, second_decoder.Table], states: dict[bytes, second_decoder.Memory]) -> Any:
    try:
        told = second_decoder.read(payload, known, states)
    except KeyError:
        return "unknown"
    except second_decoder.Refused:
        return "refused"
    return told["epoch"], told["asks_from"], told["sent_ms"], told["records"]
