"""The count of a run notices what it is there to notice."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.count import Period, _tenths_of_mean, tally
from hardware.rig.truth import Truth

START = 1_000_000
PERIODS = {"air/noise": Period(every_ms=2000, window_ms=10_000), "air/wind": Period(every_ms=2000, window_ms=0)}


@pytest.fixture
def truth() -> Truth:
    truth = Truth()
    for slot, value in enumerate((400, 410, 430, 420, 415)):
        truth.hold("air/noise", START + 2000 * slot, value, -1)
        truth.hold("air/wind", START + 2000 * slot, value // 100 + slot, 0)
    truth.close(START + 10_000)
    return truth


def sample(offset_ms, value, point="air/noise"):
    return (point, START + offset_ms, value, -1, "sample")


def test_a_run_without_a_fault_counts_no_fault(truth):
    rows = [
        sample(600, 400),
        sample(2600, 410),
        ("air/noise", START, 4150, -2, "mean"),
        ("air/noise", START, 400, -1, "min"),
        ("air/noise", START, 430, -1, "max"),
    ]
    found = tally(rows, rows, truth, PERIODS)
    assert (found.journaled, found.delivered, found.lost, found.duplicated, found.wrong) == (5, 5, 0, 0, 0)


def test_a_committed_reading_that_the_platform_lacks_is_lost(truth):
    assert tally([sample(600, 400), sample(2600, 410)], [sample(600, 400)], truth, PERIODS).lost == 1


def test_a_reading_stored_twice_is_duplicated(truth):
    assert tally([sample(600, 400)], [sample(600, 400), sample(600, 400)], truth, PERIODS).duplicated == 1


def test_the_same_moment_with_another_value_is_duplicated_and_wrong(truth):
    found = tally([sample(600, 400)], [sample(600, 400), sample(600, 399)], truth, PERIODS)
    assert (found.duplicated, found.wrong) == (1, 1)


@pytest.mark.parametrize(
    "row",
    [
        sample(600, 401),
        sample(600, 410),
        sample(2000 + 100, 400),
        sample(0, 400, "air/unknown"),
        ("air/noise", START, 4151, -2, "mean"),
        ("air/noise", START, 401, -1, "min"),
        ("air/noise", START + 10_000, 420, -1, "max"),
        ("air/wind", START, 4, 0, "min"),
    ],
)
def test_a_value_that_the_truth_does_not_give_is_wrong(truth, row):
    assert tally([row], [row], truth, PERIODS).wrong == 1


def test_a_stamp_that_is_late_by_an_answers_time_is_forgiven(truth):
    assert tally([sample(2040, 400)], [sample(2040, 400)], truth, PERIODS).wrong == 0


@pytest.mark.parametrize(
    ("offset_ms", "phase_ms", "value", "wrong"),
    [(1500, 1500, 410, 0), (1500, 0, 410, 1), (900, 900, 410, 1), (2000, 0, 410, 0), (2000, 0, 420, 1)],
)
def test_a_sample_that_carries_its_slot_may_hold_what_came_within_a_second(truth, offset_ms, phase_ms, value, wrong):
    rows = [sample(offset_ms, value)]
    periods = {"air/noise": Period(2000, 10_000, phase_ms)}
    assert tally(rows, rows, truth, periods).wrong == wrong


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=60))
def test_the_mean_is_rounded_half_to_even(values):
    assert _tenths_of_mean(values) == round(Fraction(10 * sum(values), len(values)))
