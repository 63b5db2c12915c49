"""Linear light output and the driver's value."""

import math
from itertools import pairwise

from gateway_agent.profiles.lamp_curve import lamp_curve


def test_the_dali_curve_meets_the_published_pairs() -> None:
    curve = lamp_curve("dali-log", 0, 254)
    assert curve[0] == 0
    assert curve[1] == 85  # 0.991 %
    assert curve[3] == 126  # 3.035 %
    assert curve[10] == 170  # 10.091 %
    assert curve[100] == 254


def test_every_step_of_the_dali_curve_is_the_nearest_on_the_log_scale() -> None:
    for level, value in enumerate(lamp_curve("dali-log", 0, 254)[1:], 1):
        exact = 1 + 253 / 3 * (math.log10(level) + 1)
        assert abs(value - exact) <= 0.5 + 1e-9
        light = 10 ** ((value - 1) / (253 / 3) - 1)
        assert abs(light / level - 1) < 0.02


def test_a_linear_curve_is_a_straight_line() -> None:
    assert lamp_curve("linear", 0, 100) == tuple(range(101))
    assert lamp_curve("linear", 0, 200) == tuple(range(0, 201, 2))
    assert lamp_curve("linear", 0, 250)[1:6] == (2, 5, 8, 10, 12)  # halves go to even


def test_curves_never_fall() -> None:
    for curve in (lamp_curve("dali-log", 0, 254), lamp_curve("linear", 0, 255), lamp_curve("linear", 10, 99)):
        assert len(curve) == 101
        assert all(low <= high for low, high in pairwise(curve[1:]))
