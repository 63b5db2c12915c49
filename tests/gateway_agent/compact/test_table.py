"""The channel table: comes back, is named by its digest, and nonsense is refused."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.compact import Channel, ChannelTable, State
from gateway_agent.uplink.errors import FormatError
from tests.gateway_agent.compact.test_batches import TABLE

channels = st.builds(
    Channel,
    st.text(min_size=1, max_size=20),
    st.sampled_from(("sample", "mean", "min", "max")),
    st.text(max_size=6),
    st.integers(-18, 18),
    st.integers(0, 1 << 40),
    st.integers(0, 1023),
    st.integers(0, 31),
)


@given(st.lists(channels, max_size=30, unique_by=lambda channel: (channel.point, channel.kind, channel.exponent)))
def test_a_table_comes_back(rows: list[Channel]) -> None:
    table = ChannelTable(tuple(rows))
    assert ChannelTable.decode(table.encode()) == table
    assert ChannelTable.decode(table.encode()).digest == table.digest
    assert State.new(table, 1).dump()


@given(st.binary(max_size=60))
def test_any_bytes_give_a_table_or_a_format_error(data: bytes) -> None:
    try:
        ChannelTable.decode(data)
    except FormatError:
        return


@pytest.mark.parametrize(
    "content",
    [
        [2, []],
        [1],
        [1, [["a", 0, "", 0, 0, 0]]],
        [1, [["a", 4, "", 0, 0, 0, 0]]],
        [1, [["a", 0, "", 19, 0, 0, 0]]],
        [1, [["a", 0, "", 0, -1, 0, 0]]],
        [1, [["a", 0, "", 0, 0, True, 0]]],
        [1, [["a", 0, "", 0, 0, 0, 32]]],
        [1, [["a", 0, "", 0, 0, 0, 0], ["a", 0, "V", 0, 0, 0, 0]]],
    ],
)
def test_what_is_no_table_is_refused_with_its_row(content: object) -> None:
    with pytest.raises(FormatError):
        ChannelTable.decode(cbor2.dumps(content))


def test_bytes_that_are_no_state_are_refused() -> None:
    for data in (b"", b"abc", State.new(TABLE, 5).dump()[:-3]):
        with pytest.raises(FormatError):
            State.load(data, TABLE)
