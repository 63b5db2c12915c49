"""The wait for an answer, as RFC 6298 reckons it and as Karn's rule spares it."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.bearers.round_trip import Bounds, RoundTrips

BOUNDS = Bounds(first_s=10, least_s=2, most_s=60)
DAY_MS = 86_400_000


def test_the_first_wait_is_that_of_the_kind_of_link() -> None:
    assert RoundTrips(BOUNDS).wait_s == 10


def test_the_first_measure_and_the_second_are_those_of_rfc_6298() -> None:
    trips = RoundTrips(BOUNDS)
    trips.answered(4.0, 1, 0)
    assert trips.wait_s == pytest.approx(4 + 4 * 2)
    trips.answered(2.0, 1, 0)
    deviation = 0.75 * 2 + 0.25 * 2
    assert trips.wait_s == pytest.approx(4 - 2 / 8 + 4 * deviation)


def test_what_was_repeated_measures_nothing_and_makes_patient_until_a_clean_answer() -> None:
    trips = RoundTrips(BOUNDS)
    for _ in range(50):
        trips.answered(3.0, 1, 0)
    calm_s = trips.wait_s
    trips.answered(0.1, 2, 0)
    assert trips.smoothed_s == pytest.approx(3.0)
    assert trips.wait_s == pytest.approx(2 * calm_s)
    trips.unanswered()
    assert trips.wait_s == pytest.approx(2 * calm_s)
    trips.answered(3.0, 1, 0)
    assert trips.wait_s == pytest.approx(calm_s)


def test_a_link_of_two_to_ten_seconds_is_seldom_repeated_too_early() -> None:
    random = Random(1)
    trips = RoundTrips(BOUNDS)
    early = 0
    for _ in range(2000):
        took_s = random.uniform(2, 10)
        is_early = took_s > trips.wait_s
        early += is_early
        trips.answered(took_s, 2 if is_early else 1, 0)
    assert early < 20


@given(st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 5))))
def test_the_wait_stays_within_its_bounds(exchanges: list[tuple[float, int]]) -> None:
    trips = RoundTrips(BOUNDS)
    for took_s, transmissions in exchanges:
        trips.answered(took_s, transmissions, 0)
        assert BOUNDS.least_s <= trips.wait_s <= BOUNDS.most_s


def test_a_restart_goes_on_with_what_was_measured_within_a_week() -> None:
    trips = RoundTrips(BOUNDS)
    trips.answered(5.0, 1, DAY_MS)
    again, late = RoundTrips(BOUNDS), RoundTrips(BOUNDS)
    again.recall(trips.kept(), 2 * DAY_MS)
    late.recall(trips.kept(), 9 * DAY_MS)
    assert again.wait_s == trips.wait_s
    assert late.wait_s == BOUNDS.first_s


@pytest.mark.parametrize(
    "kept",
    [{}, {"smoothed_s": -1, "deviation_s": 0, "last_ms": 0}, {"smoothed_s": 1, "deviation_s": "x", "last_ms": 0}],
)
def test_what_cannot_have_been_kept_is_refused(kept: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        RoundTrips(BOUNDS).recall(kept, 0)
