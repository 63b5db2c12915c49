"""Registers and scaled integers, with `struct` and `fractions` as the judges."""

import json
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import registers

ROOT = Path(__file__).parents[2]
VECTORS: dict[str, Any] = json.loads((ROOT / "protocols/vectors/registers.json").read_text(encoding="utf-8"))

bit_patterns = st.integers(0, 0xFFFFFFFF)
near_counts = st.builds(
    lambda count, digits: struct.unpack(">I", struct.pack(">f", count / 2 / 10**digits))[0],
    st.integers(-(2**33), 2**33),
    st.integers(0, 6),
)


def float_of(bits: int) -> float:
    value: float = struct.unpack(">f", struct.pack(">I", bits))[0]
    return value


def is_finite(bits: int) -> bool:
    return bits >> 23 & 0xFF != 0xFF


def words_of(case: dict[str, Any]) -> list[int]:
    words: list[int] = case["registers"]
    return words


@given(bit_patterns | near_counts, st.integers(0, registers.MAX_F32_DIGITS))
def test_a_float_becomes_the_nearest_count_with_halves_to_even(bits: int, digits: int) -> None:
    got = registers.f32_to_scaled(bits >> 16, bits & 0xFFFF, digits)
    assert registers.f32_is_number(bits >> 16) == is_finite(bits)
    if not is_finite(bits):
        assert got is None
        return
    nearest = round(Fraction(float_of(bits)) * 10**digits)
    assert got == (nearest if -(2**31) <= nearest < 2**31 else None)


@given(st.integers(-(2**31), 2**31 - 1), st.integers(0, 9))
def test_a_count_becomes_the_nearest_float_with_halves_to_even(value: int, digits: int) -> None:
    bits = registers.scaled_to_f32(value, digits)
    exact = Fraction(value, 10**digits)
    error = abs(Fraction(float_of(bits)) - exact)
    for neighbour in (bits - 1, bits + 1):
        if 0 <= neighbour <= 0xFFFFFFFF and is_finite(neighbour):
            other = abs(Fraction(float_of(neighbour)) - exact)
            assert error < other or (error == other and bits % 2 == 0)


@given(st.integers(-(2**23), 2**23), st.integers(0, registers.MAX_F32_DIGITS))
def test_a_count_of_23_bits_survives_the_way_through_a_float(value: int, digits: int) -> None:
    bits = registers.scaled_to_f32(value, digits)
    assert registers.f32_to_scaled(bits >> 16, bits & 0xFFFF, digits) == value


@given(st.integers(1, 4), st.booleans(), st.integers(0, 2**64 - 1))
def test_whole_registers_survive_writing_and_reading(count: int, little: bool, value: int) -> None:
    words = [7] * 6
    registers.put_unsigned(words, 1, count, little, value)
    assert registers.unsigned(words, 1, count, little) == value % (1 << 16 * count)
    assert (words[0], words[count + 1]) == (7, 7)
    assert registers.unsigned(words[1 : count + 1][::-1], 0, count, not little) == value % (1 << 16 * count)


@given(st.integers(-(2**31), 2**31 - 1))
def test_a_sign_survives_writing_and_reading(value: int) -> None:
    words = [0, 0]
    registers.put_unsigned(words, 0, 2, False, value)
    assert struct.pack(">2H", *words) == struct.pack(">i", value)
    assert registers.signed(registers.unsigned(words, 0, 2, False), 32) == value


@given(st.integers(0, 0xFFFF), st.integers(0, 15), st.integers(1, 16), st.integers(0, 0xFFFF))
def test_bits_are_replaced_without_touching_the_others(word: int, low: int, width: int, value: int) -> None:
    width = min(width, 16 - low)
    changed = registers.put_bits(word, low, width, value)
    assert registers.take_bits(changed, low, width) == value % (1 << width)
    assert registers.put_bits(changed, low, width, registers.take_bits(word, low, width)) == word


@given(st.integers(-(2**40), 2**40), st.integers(-9, 9))
def test_powers_of_ten_round_half_to_even(value: int, power: int) -> None:
    assert registers.times_power_of_ten(value, power) == round(Fraction(value) * Fraction(10) ** power)


@pytest.mark.parametrize("case", VECTORS["whole"])
def test_whole_register_vectors(case: dict[str, Any]) -> None:
    words = words_of(case)
    value = registers.unsigned(words, 0, len(words), case["little"])
    if case["type"][0] == "s":
        value = registers.signed(value, 16 * len(words))
    assert value == case["value"]


@pytest.mark.parametrize("case", VECTORS["f32_to_scaled"])
def test_float_vectors(case: dict[str, Any]) -> None:
    high, low = words_of(case)
    assert registers.f32_to_scaled(high, low, case["digits"]) == case["scaled"]


@pytest.mark.parametrize("case", VECTORS["scaled_to_f32"])
def test_encoding_vectors(case: dict[str, Any]) -> None:
    high, low = words_of(case)
    assert registers.scaled_to_f32(case["scaled"], case["digits"]) == high << 16 | low


SCRIPT = """
import json
from protocols import registers

with open("registers.json") as file:
    vectors = json.load(file)
checked = 0
for case in vectors["whole"]:
    words = case["registers"]
    value = registers.unsigned(words, 0, len(words), case["little"])
    if case["type"][0] == "s":
        value = registers.signed(value, 16 * len(words))
    assert value == case["value"], case
    copy = [0] * len(words)
    registers.put_unsigned(copy, 0, len(words), case["little"], value)
    assert copy == words, case
    checked += 1
for case in vectors["bits"]:
    assert registers.take_bits(case["word"], case["low"], case["width"]) == case["value"], case
    assert registers.put_bits(case["word"], case["low"], case["width"], 0) == case["with_zeros"], case
    checked += 1
for case in vectors["powers_of_ten"]:
    assert registers.times_power_of_ten(case["value"], case["power"]) == case["result"], case
    checked += 1
for case in vectors["f32_to_scaled"]:
    high, low = case["registers"]
    assert registers.f32_to_scaled(high, low, case["digits"]) == case["scaled"], case
    checked += 1
for case in vectors["scaled_to_f32"]:
    high, low = case["registers"]
    assert registers.scaled_to_f32(case["scaled"], case["digits"]) == high << 16 | low, case
    checked += 1
print(checked)
"""

HEAP_SCRIPT = """
import gc
from protocols import registers

cases = ((0x4366, 0x6666, 1), (0xC366, 0x6666, 2), (0x3A83, 0x126F, 6), (0x3727, 0xC5AC, 6), (0x4B7F, 0xFFFF, 1))
words = [0x1234, 0x0001]


def work():
    for high, low, digits in cases:
        registers.f32_to_scaled(high, low, digits)
    registers.unsigned(words, 0, 2, True)
    registers.signed(0xFFFE, 16)
    registers.take_bits(0xABCD, 4, 4)
    registers.times_power_of_ten(3775, -1)


work()
before = 0
gc.collect()
gc.disable()
before = gc.mem_alloc()
for _ in range(1000):
    work()
print(gc.mem_alloc() - before)
"""


def test_the_vectors_hold_under_micropython() -> None:
    files = package_files(ROOT / "protocols", "protocols")
    files["registers.json"] = json.dumps(VECTORS)
    count = sum(len(cases) for name, cases in VECTORS.items() if name != "about")
    assert run_script(files, SCRIPT).split() == [str(count)]


def test_reading_allocates_nothing_under_micropython() -> None:
    assert run_script(package_files(ROOT / "protocols", "protocols"), HEAP_SCRIPT).split() == ["0"]
