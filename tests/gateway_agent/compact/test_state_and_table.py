"""States and channel tables that somebody else wrote: as they should be, or refused with a sentence."""

import zlib
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.compact import Channel, ChannelTable, State, encode_batch
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact.random_batches import EPOCH, records, tables
from tests.gateway_agent.compact.test_batch import POLE, steady

STATE = encode_batch(steady(3), POLE, epoch=EPOCH).state
ROW: list[Any] = ["meter/a", 0, "W", -1, 60_000, 0, 0]


def changed(place: int, value: object) -> bytes:
    content = cbor2.loads(zlib.decompress(STATE.dump()))
    content[place] = value
    return zlib.compress(cbor2.dumps(content))


def test_a_state_is_loaded_as_it_was() -> None:
    assert State.load(STATE.dump(), POLE) == STATE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no state",
        STATE.dump()[:-1],
        STATE.dump() + b"more",
        zlib.compress(b"\xff"),
        zlib.compress(cbor2.dumps({})),
        zlib.compress(cbor2.dumps([1, 2])),
        changed(0, "epoch"),
        changed(1, b"four"),
        changed(2, []),
        changed(2, [[0] * 38] * 6),
        changed(3, [[1, 2]] * 6),
        changed(4, [None]),
        changed(5, [0, 1]),
        changed(6, [1 << 40] * 6),
        changed(8, None),
        changed(9, 1.5),
    ],
)
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="not a state of compact batches"):
        State.load(data, POLE)


def test_a_state_of_another_table_is_refused() -> None:
    other = ChannelTable(POLE.channels[:-1])
    with pytest.raises(FormatError, match="with this channel table"):
        State.load(STATE.dump(), other)


def test_a_state_that_would_fill_the_memory_is_refused() -> None:
    bomb = zlib.compress(cbor2.dumps([bytes(1 << 26)]))
    with pytest.raises(FormatError):
        State.load(bomb, POLE)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_a_state_with_any_byte_changed_is_used_or_refused(data: st.DataObject) -> None:
    table = data.draw(tables())
    state = encode_batch(data.draw(records(table)), table, epoch=EPOCH).state
    content = bytearray(zlib.decompress(state.dump()))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    batch = data.draw(records(table))
    try:
        loaded = State.load(zlib.compress(bytes(content)), table)
        encoded = encode_batch(batch, table, state=loaded, epoch=EPOCH)
    except FormatError:
        return
    assert encoded.count >= 1


@given(tables())
def test_a_table_comes_back_as_it_was(table: ChannelTable) -> None:
    assert ChannelTable.decode(table.encode()) == table


@given(tables(), st.data())
def test_any_change_of_a_table_gives_another_table_or_an_error(table: ChannelTable, data: st.DataObject) -> None:
    content = bytearray(table.encode())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    changed = bytes(content[: data.draw(st.integers(0, len(content)))]) + data.draw(st.binary(max_size=8))
    try:
        found = ChannelTable.decode(changed)
    except FormatError:
        return
    assert found.encode() == changed
    assert (found == table) == (changed == table.encode())
    assert State.load(replace(State.new(found, EPOCH), id=b"abc").dump(), found).table == found


@pytest.mark.parametrize(
    ("place", "value", "says"),
    [
        (0, "", "point is text of 1 to 128"),
        (0, "x" * 129, "point is text of 1 to 128"),
        (0, 7, "point is text"),
        (1, 4, "kind"),
        (1, "mean", "kind"),
        (2, 5, "unit"),
        (3, 19, "exponent"),
        (3, True, "exponent"),
        (4, -1, "period"),
        (4, 1.5, "period"),
        (5, 1024, "group"),
        (6, 32, "model"),
    ],
)
def test_a_wrong_field_of_a_table_is_named_with_its_row(place: int, value: object, says: str) -> None:
    row = list(ROW)
    row[place] = value
    data = cbor2.dumps([1, [["meter/b", *ROW[1:]], row]])
    with pytest.raises(FormatError, match=f"row 1 of the channel table: {says}"):
        ChannelTable.decode(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        cbor2.dumps([2, [ROW]]),
        cbor2.dumps([1, {}]),
        cbor2.dumps([1, [ROW, ROW]]),
        cbor2.dumps([1, [ROW[:6]]]),
        cbor2.dumps([1, [ROW]]) + b"\0",
        b"\x82\x18\x01\x80",
        cbor2.dumps([1, [[f"p/{n}", *ROW[1:]] for n in range(4097)]]),
    ],
    ids=["empty", "version", "rows", "twice", "short row", "trailing", "long head", "too many"],
)
def test_what_is_no_table_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        ChannelTable.decode(data)


def test_a_table_that_is_made_wrong_is_refused_too() -> None:
    with pytest.raises(FormatError, match="kind is one of sample, mean, min, max"):
        ChannelTable((Channel("meter/a", "median", "W", 0, 0, 0),))
