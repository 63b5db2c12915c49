"""Angles by integers: near enough to the real ones, and without heap."""

import math
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.machine import package_files, run_script
from protocols import angle

ROOT = Path(__file__).parents[2]


def vector(length: float, polar: float, around: float) -> tuple[int, int, int]:
    return (
        round(length * math.sin(polar) * math.cos(around)),
        round(length * math.sin(polar) * math.sin(around)),
        round(length * math.cos(polar)),
    )


def real_tenths(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    cosine = sum(x * y for x, y in zip(a, b)) / math.hypot(*a) / math.hypot(*b)
    return 10 * math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


POLAR, AROUND = st.floats(0, math.pi), st.floats(0, 2 * math.pi)


@given(POLAR, AROUND, POLAR, AROUND, st.floats(900, 1100), st.floats(500, 2000))
def test_an_angle_is_right_to_a_tenth_or_two(
    polar: float, around: float, other_polar: float, other_around: float, first: float, second: float
) -> None:
    a, b = vector(first, polar, around), vector(second, other_polar, other_around)
    assert abs(angle.between(*a, *b) - real_tenths(a, b)) <= 1.5


def test_nothing_has_no_angle() -> None:
    assert angle.between(0, 0, 1000, 0, 0, 0) == 0
    assert angle.between(0, 0, 1000, 0, 0, 1000) == 0
    assert angle.between(0, 0, 1000, 0, 0, -1000) == 1800
    assert angle.between(0, 0, 1000, 0, 1000, 0) == 900


@given(st.integers(0, (1 << 30) - 1))
def test_a_root_is_the_whole_root(value: int) -> None:
    assert angle.root(value) == math.isqrt(value)


SCRIPT = """
import gc
from protocols import angle

def work():
    for x in range(-2000, 2001, 400):
        for z in range(-2000, 2001, 400):
            angle.between(100, -50, 1000, x, 700, z)

before = 0
work()
gc.collect()
gc.disable()
before = gc.mem_alloc()
work()
print(angle.between(0, 0, 1000, 0, 174, 985), gc.mem_alloc() - before)
"""


def test_no_heap_under_micropython() -> None:
    assert run_script(package_files(ROOT / "protocols", "protocols"), SCRIPT).split() == ["100", "0"]
