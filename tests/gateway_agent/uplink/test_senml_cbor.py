"""SenML as CBOR: RFC 8428's bytes, exactness, and bytes from strangers."""

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.senml_cbor import array_head, decode_pack, encode_record
from protocols import errors, senml

# RFC 8428, section 6, figure 2: the pack of 5.1.2 as CBOR, read by hand: 87 is an array of seven, a7 a map of seven,
# 21 is -2 (bn), 22 is -3 (bt), 23 is -4 (bu), 20 is -1 (bver), 00 n, 01 u, 02 v, 06 t; fb a double, f9 a half float.
RFC_BYTES = bytes.fromhex(
    "87 a7 21 78 1b 75 72 6e 3a 64 65 76 3a 6f 77 3a 31 30 65 32 30 37 33 61 30 31 30 38 30 30 36 3a"
    "22 fb 41 d3 03 a1 5b 00 10 62 23 61 41 20 05 00 67 76 6f 6c 74 61 67 65 01 61 56 02 fb 40 5e 06"
    "66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 24 02 fb 3f f3 33 33 33 33 33 33 a3 00 67 63 75"
    "72 72 65 6e 74 06 23 02 fb 3f f4 cc cc cc cc cc cd a3 00 67 63 75 72 72 65 6e 74 06 22 02 fb 3f"
    "f6 66 66 66 66 66 66 a3 00 67 63 75 72 72 65 6e 74 06 21 02 f9 3e 00 a3 00 67 63 75 72 72 65 6e"
    "74 06 20 02 fb 3f f9 99 99 99 99 99 9a a3 00 67 63 75 72 72 65 6e 74 06 00 02 fb 3f fb 33 33 33"
    "33 33 33"
)
RFC_PACK = [
    {-2: "urn:dev:ow:10e2073a0108006:", -3: (-3, 1276020076001), -4: "A", -1: 5, 0: "voltage", 1: "V", 2: (-1, 1201)},
    {0: "current", 6: -5, 2: (-1, 12)},
    {0: "current", 6: -4, 2: (-1, 13)},
    {0: "current", 6: -3, 2: (-1, 14)},
    {0: "current", 6: -2, 2: (-1, 15)},
    {0: "current", 6: -1, 2: (-1, 16)},
    {0: "current", 6: 0, 2: (-1, 17)},
]

numbers = st.integers(-(1 << 63) + 1, (1 << 63) - 1) | st.tuples(
    st.integers(-18, 18), st.integers(-(1 << 63) + 1, (1 << 63) - 1)
)
records = st.fixed_dictionaries(
    {senml.NAME: st.text("abc/_", min_size=1, max_size=20), senml.VALUE: numbers},
    optional={senml.TIME: numbers, senml.UNIT: st.text(max_size=4), "q": st.integers(1, 1 << 40)},
)


def test_the_example_of_the_rfc_is_read_as_it_says() -> None:
    assert decode_pack(RFC_BYTES) == RFC_PACK
    last = senml.resolve(decode_pack(RFC_BYTES), 0)[-1]
    assert last == {
        senml.NAME: "urn:dev:ow:10e2073a0108006:current",
        senml.UNIT: "A",
        senml.TIME: 1276020076001,
        senml.VALUE: (-1, 17),
    }


@given(st.lists(records, max_size=30))
def test_packs_come_back_exactly_exponents_included(pack: list[dict[int | str, object]]) -> None:
    data = array_head(len(pack)) + b"".join(encode_record(record) for record in pack)
    if len(data) <= 1152:
        assert decode_pack(data) == pack


@given(st.integers(0, 65535))
def test_the_head_of_an_array_is_what_cbor2_writes(count: int) -> None:
    assert array_head(count) == cbor2.dumps([0] * count)[: -count or None]


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_a_float_is_read_as_the_decimal_that_means_it(number: float) -> None:
    read = decode_pack(cbor2.dumps([{0: "a", 2: number}]))[0][2]
    exponent, mantissa = read if isinstance(read, tuple) else (0, read)
    assert float(f"{mantissa}e{exponent}") == number


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_refused(number: float) -> None:
    with pytest.raises(FormatError):
        decode_pack(cbor2.dumps([{0: "a", 2: number}]))


@pytest.mark.parametrize("pack", [{}, 1, [1], [{1.5: 1}], [{b"n": 1}], [[]]])
def test_what_is_no_pack_is_refused(pack: object) -> None:
    with pytest.raises(FormatError):
        decode_pack(cbor2.dumps(pack))


@given(st.binary(max_size=80) | st.integers(0, len(RFC_BYTES) - 1).map(lambda cut: RFC_BYTES[:cut]))
def test_any_bytes_give_a_resolved_pack_or_a_clear_error(data: bytes) -> None:
    try:
        resolved = senml.resolve(decode_pack(data), 0)
    except (FormatError, errors.WireError):
        return
    assert all(senml.NAME in record and senml.TIME in record for record in resolved)
