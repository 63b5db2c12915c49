"""From registers to values, with `struct` and pymodbus as the other readers."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import ModbusTcpClient

from gateway_agent.profiles import Point, load_profile, resolve
from gateway_agent.profiles.decode import asks_again, decode
from protocols import quality
from tests.gateway_agent.profiles.points import point

DATATYPE = ModbusTcpClient.DATATYPE
WORDS = {"u16": 1, "s16": 1, "u32": 2, "s32": 2, "f32": 2, "u48": 3, "u64": 4}
PYMODBUS = {
    "u16": DATATYPE.UINT16,
    "s16": DATATYPE.INT16,
    "u32": DATATYPE.UINT32,
    "s32": DATATYPE.INT32,
    "u64": DATATYPE.UINT64,
    "f32": DATATYPE.FLOAT32,
}
words = st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4)
wide = "[-1e30, 1e30]"


def points_of(kind: str) -> dict[str, Point]:
    orders = ["big", "little"] if WORDS[kind] > 1 else [""]
    return {
        order: point(
            f'function = 3, address = 7, type = "{kind}"' + (f', word_order = "{order}"' if order else ""),
            low_high=wide,
        )
        for order in orders
    }


INTEGERS = {kind: points_of(kind) for kind in WORDS if kind != "f32"}
FLOATS = points_of("f32")


@pytest.mark.parametrize("kind", sorted(set(PYMODBUS) - {"f32"}))
@given(registers=words)
def test_whole_registers_read_as_pymodbus_reads_them(kind: str, registers: list[int]) -> None:
    used = registers[: WORDS[kind]]
    for order, described in INTEGERS[kind].items():
        expected = ModbusTcpClient.convert_from_registers(
            used, PYMODBUS[kind], word_order="little" if order == "little" else "big"
        )
        assert decode(described, used, 7) == (expected, quality.GOOD)


@given(st.integers(0, 2**48 - 1))
def test_48_bits_read_as_struct_packs_them(value: int) -> None:
    registers = list(struct.unpack(">3H", value.to_bytes(6, "big")))
    assert decode(INTEGERS["u48"]["big"], registers, 7) == (value, quality.GOOD)
    assert decode(INTEGERS["u48"]["little"], registers[::-1], 7) == (value, quality.GOOD)


@given(st.floats(width=32))
def test_a_float_reads_as_the_nearest_count_and_nan_as_no_value(value: float) -> None:
    registers = list(struct.unpack(">2H", struct.pack(">f", value)))
    expected = ModbusTcpClient.convert_from_registers(registers, DATATYPE.FLOAT32)
    for order, used in (("big", registers), ("little", registers[::-1])):
        got = decode(FLOATS[order], used, 7)
        if math.isfinite(value):
            assert expected == value
            nearest = round(value)
            assert got == ((nearest, quality.GOOD) if -(2**31) <= nearest < 2**31 else (None, quality.RANGE))
        else:
            assert got == (None, quality.INVALID)


@pytest.mark.parametrize(
    ("register", "registers", "value"),
    [
        ('address = 0, type = "u16", bits = [7, 4]', [0xABCD], 0xC),
        ('address = 0, type = "u16", bits = [15, 0]', [0xABCD], 0xABCD),
        ('type = "bits", parts = [{ address = 0, bits = [7, 6] }, { address = 1 }]', [0x00C0, 0x0001], 0x30001),
        (
            'type = "bits", parts = [{ address = 1, bits = [3, 0] }, { address = 0, bits = [15, 12] }]',
            [0xA000, 5],
            0x5A,
        ),
    ],
)
def test_bits_are_taken_out_and_put_together(register: str, registers: list[int], value: int) -> None:
    assert decode(point(f"function = 3, {register}"), registers, 0) == (value, quality.GOOD)


@pytest.mark.parametrize(
    ("register", "more", "expected"),
    [
        ('address = 0, type = "bool"', "", {0: 0, 1: 1, 0xFFFF: 1}),
        ('address = 0, type = "bool"', "inverted = true", {0: 1, 1: 0, 0xFFFF: 0}),
        ('address = 0, type = "bool", bits = [3, 3]', "", {0: 0, 7: 0, 8: 1}),
        ('address = 0, type = "bool", bits = [3, 3]', "inverted = true", {0: 1, 7: 1, 8: 0}),
    ],
)
def test_a_bool_is_one_for_any_bit_and_can_be_turned_over(register: str, more: str, expected: dict[int, int]) -> None:
    described = point(f"function = 3, {register}", more, unit="bool")
    assert {raw: decode(described, [raw], 0)[0] for raw in expected} == expected


@pytest.mark.parametrize(
    ("kind", "sentinel", "registers"),
    [
        ("u16", 0xFFFF, [0xFFFF]),
        ("s16", 0x8000, [0x8000]),
        ("s16", 0x7FFF, [0x7FFF]),
        ("u32", 0xFFFFFFFF, [0xFFFF, 0xFFFF]),
        ("s32", 0x7FFFFFFF, [0x7FFF, 0xFFFF]),
        ("u48", 0xFFFFFFFFFFFF, [0xFFFF] * 3),
        ("u64", 0xFFFFFFFFFFFFFFFE, [0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE]),
        ("f32", 0xFF7FFFFF, [0xFF7F, 0xFFFF]),
    ],
)
def test_a_sentinel_is_no_value(kind: str, sentinel: int, registers: list[int]) -> None:
    described = point(f'function = 3, address = 0, type = "{kind}"', f"invalid = [1, {sentinel:#x}]", low_high=wide)
    assert decode(described, registers, 0) == (None, quality.INVALID)
    other = registers[:-1] + [registers[-1] ^ 0x100]
    assert decode(described, other, 0)[1] != quality.INVALID


def test_a_value_outside_its_range_is_no_value() -> None:
    described = point('function = 3, address = 0, type = "s16"', "scale = -1", unit="Cel", low_high="[-40, 80]")
    assert decode(described, [0x10000 - 400], 0) == (-400, quality.GOOD)
    assert decode(described, [0x10000 - 401], 0) == (None, quality.RANGE)
    assert decode(described, [800], 0) == (800, quality.GOOD)
    assert decode(described, [801], 0) == (None, quality.RANGE)


def test_an_offset_is_added_to_the_count() -> None:
    station = resolve(load_profile("greenioiot-micro-station"))
    assert decode(station.point("temperature"), [6525], 9) == (2525, quality.GOOD)
    assert decode(station.point("temperature"), [0], 9) == (-4000, quality.GOOD)


def test_a_zero_that_means_retry_is_asked_for_again() -> None:
    humidity = resolve(load_profile("renke-rs-fsxcs")).point("humidity")
    assert decode(humidity, [0], 504) == (None, quality.INVALID)
    assert asks_again(humidity, [0], 504)
    assert decode(humidity, [431], 504) == (431, quality.GOOD)
    assert not asks_again(humidity, [431], 504)
    assert not asks_again(resolve(load_profile("xy-md02")).point("humidity"), [0], 2)


def gas(unit: int, decimals: int, concentration: int, status: int) -> list[int]:
    high = concentration >> 16
    return [unit << 12 | decimals << 8 | high << 6, concentration & 0xFFFF, 0, 0, 0, status]


@pytest.mark.parametrize(
    ("name", "registers", "expected"),
    [
        ("ch4", gas(2, 0, 37, 1), (370, quality.GOOD)),
        ("ch4", gas(2, 4, 377, 1), (377, quality.GOOD)),
        ("ch4", gas(2, 8, 3775, 1), (378, quality.GOOD)),
        ("ch4", gas(2, 8, 3765, 1), (376, quality.GOOD)),
        ("ch4", gas(2, 12, 70001, 1), (700, quality.GOOD)),
        ("o2", gas(4, 4, 209, 1), (209, quality.GOOD)),
        ("o2", gas(2, 4, 209, 1), (None, quality.INVALID)),
        ("o2", gas(4, 3, 209, 1), (None, quality.INVALID)),
        ("co", gas(0, 0, 12, 0), (None, quality.WARMING_UP)),
        ("co", gas(0, 0, 12, 4), (12, quality.GOOD)),
        ("co", gas(0, 0, 12, 5), (12, quality.GOOD)),
        ("co", gas(0, 0, 12, 6), (12, quality.GOOD)),
        ("h2s", gas(0, 4, 50, 3), (None, quality.FAULT)),
        ("h2s", gas(0, 4, 50, 0x0F), (None, quality.FAULT)),
        ("h2s", gas(0, 4, 50, 0x33), (None, quality.FAULT)),
        ("h2s", gas(0, 0, 0x2FFFF, 1), (None, quality.RANGE)),
    ],
)
def test_the_gas_module_tells_unit_decimals_and_status_itself(
    name: str, registers: list[int], expected: tuple[int | None, int]
) -> None:
    assert decode(resolve(load_profile("4mz-hh4")).point(name), registers, 0) == expected


@pytest.mark.parametrize(
    ("table", "unit", "decimals", "raw", "expected"),
    [
        ("qdy30a", 1, 0, 127, (1270, quality.GOOD)),
        ("qdy30a", 1, 1, 1273, (1273, quality.GOOD)),
        ("qdy30a", 2, 0, 1273, (1273, quality.GOOD)),
        ("qdy30a", 2, 1, 12735, (1274, quality.GOOD)),
        ("qdy30a", 1, 0, -2, (-20, quality.GOOD)),
        ("qdy30a", 5, 0, 12, (None, quality.INVALID)),
        ("qdy30a-b", 16, 3, 1273, (1273, quality.GOOD)),
        ("qdy30a-b", 16, 4, 12735, (1274, quality.GOOD)),
        ("qdy30a-b", 17, 0, 127, (1270, quality.GOOD)),
        ("qdy30a-b", 1, 0, 127, (None, quality.INVALID)),
        ("qdy30a", 1, 0, 30000, (None, quality.RANGE)),
    ],
)
def test_the_level_probe_tells_its_unit_and_decimals(
    table: str, unit: int, decimals: int, raw: int, expected: tuple[int | None, int]
) -> None:
    level = resolve(load_profile("qdy30a"), {"unit_table": table}).point("level")
    assert decode(level, [unit, decimals, raw & 0xFFFF], 2) == expected


def test_an_answer_that_does_not_cover_the_point_is_an_error() -> None:
    with pytest.raises(IndexError):
        decode(point('function = 3, address = 7, type = "u32"'), [1], 7)
