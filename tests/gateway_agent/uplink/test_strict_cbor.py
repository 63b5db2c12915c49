"""CBOR from strangers: a value or a FormatError for any bytes, and none of cbor2's extras."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.strict_cbor import Limits, decode

LIMITS = Limits(size_bytes=512, depth=3, items=64, decimal_fractions=True)

scalars = st.integers(-(1 << 64), (1 << 64) - 1) | st.booleans() | st.text(max_size=8) | st.binary(max_size=8)
values = st.recursive(
    scalars | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 9) | st.text(max_size=4), inner),
    max_leaves=12,
)


def depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


@given(values)
def test_what_cbor2_writes_is_read_back(value: object) -> None:
    data = cbor2.dumps(value)
    if len(data) <= 512 and depth(value) <= 3:
        assert decode(data, Limits(512, 3, 1000, True)) == value


@given(st.binary(max_size=64))
def test_any_bytes_give_a_value_or_a_format_error(data: bytes) -> None:
    try:
        value = decode(data, LIMITS)
    except FormatError:
        return
    assert depth(value) <= 3


@given(values, st.data())
def test_a_changed_byte_gives_a_value_or_a_format_error(value: object, data: st.DataObject) -> None:
    message = bytearray(cbor2.dumps(value))
    message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(message), LIMITS)
    except FormatError:
        return


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", ""),
        ("trailing bytes", "0101"),
        ("an indefinite array", "9f01ff"),
        ("an indefinite string", "7f6161ff"),
        ("a date", "c11a514b67b0"),
        ("a big integer", "c24101"),
        ("a regular expression", "d8236161"),
        ("a shared list that holds itself", "d81c81d81d00"),
        ("a repeated key", "a201020103"),
        ("null", "f6"),
        ("undefined", "f7"),
        ("a simple value", "f820"),
        ("a decimal fraction of floats", "c482f93c0001"),
        ("a decimal fraction of three", "c483010203"),
        ("a decimal fraction within one", "c482c482010102"),
        ("an array longer than the message", "9a7fffffff01"),
        ("text longer than the message", "7b7fffffffffffffff61"),
        ("a reserved length", "1c"),
        ("half an integer", "1901"),
        ("nested too deep", "8181818101"),
        ("too many items", "9841" + "00" * 65),
        ("text that is no Unicode", "62c328"),
        ("a message that is too long", "590200" + "00" * 512),
    ],
    ids=lambda value: value if " " in value else "",
)
def test_what_is_not_plain_is_refused(name: str, message: str) -> None:
    with pytest.raises(FormatError):
        decode(bytes.fromhex(message), LIMITS)


def test_a_decimal_fraction_keeps_its_exponent_and_is_refused_where_none_is_expected() -> None:
    message = bytes.fromhex("c4822000")
    assert decode(message, LIMITS) == (-1, 0)
    with pytest.raises(FormatError):
        decode(message, Limits(512, 3, 64, decimal_fractions=False))
