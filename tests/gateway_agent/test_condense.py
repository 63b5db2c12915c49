"""Condensing: what travels, and that every figure is what a straightforward recomputation gives."""

import itertools
from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.condense import WINDOW_GRACE_MS, Condenser, ReportRule, rounded_mean
from gateway_agent.records import Reading

START_MS = 1_781_740_800_000
PERIOD_MS = 2_000
WINDOW_MS = 10_000
WINDOW = ReportRule(PERIOD_MS, window_ms=WINDOW_MS)


def sample(value: int, at_ms: int, point: str = "air/pm2_5") -> Reading:
    return Reading(point, START_MS + at_ms, value, -1)


def through(rule: ReportRule, samples: list[Reading], last_sample_ms: dict[str, int] | None = None) -> list[Reading]:
    condenser = Condenser({"air/pm2_5": rule}, last_sample_ms)
    kept = [reading for one in samples for reading in condenser.add([one])]
    return kept + condenser.flush()


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=50))
def test_the_mean_is_the_decimal_mean_with_one_more_digit_rounded_half_to_even(values: list[int]) -> None:
    exact = Decimal(sum(values) * 10) / Decimal(len(values))
    assert rounded_mean(values) == int(exact.quantize(Decimal(1), ROUND_HALF_EVEN))


def test_a_whole_window_gives_mean_least_and_greatest_at_its_beginning() -> None:
    values = [10, 13, 11, 12, 15]
    kept = through(WINDOW, [sample(value, 400 + PERIOD_MS * slot) for slot, value in enumerate(values)])
    assert kept == [
        Reading("air/pm2_5", START_MS, 122, -2, "mean"),
        Reading("air/pm2_5", START_MS, 10, -1, "min"),
        Reading("air/pm2_5", START_MS, 15, -1, "max"),
    ]


def test_a_window_with_a_hole_gives_its_samples() -> None:
    samples = [sample(5, 400 + PERIOD_MS * slot) for slot in (0, 1, 3, 4)]
    assert through(WINDOW, samples) == samples


def test_two_samples_in_one_slot_and_none_in_another_give_no_figure() -> None:
    samples = [sample(5, at) for at in (0, 2_000, 4_000, 4_900, 8_000)]
    assert through(WINDOW, samples) == samples


def test_samples_at_uneven_distances_give_no_figure() -> None:
    uneven = [sample(5, at) for at in (120, 2_500, 4_510, 6_500, 8_490)]
    assert through(WINDOW, uneven) == uneven
    even = [sample(5, at) for at in (450, 2_500, 4_690, 6_500, 8_490)]
    assert len(through(WINDOW, even)) == 3


def test_a_late_sample_of_a_closed_window_travels_as_a_sample() -> None:
    whole = [sample(5, 400 + PERIOD_MS * slot) for slot in range(5)]
    late = sample(9, 3_000)
    assert through(WINDOW, [*whole, late])[-1] == late


def test_the_last_value_of_a_window_travels_as_the_sample_that_it_is() -> None:
    rule = ReportRule(PERIOD_MS, window_ms=4_000, figures=("last",))
    samples = [sample(5, 100), sample(7, 2_100)]
    assert through(rule, samples) == samples[1:]


def test_a_window_that_stays_open_is_closed_by_time() -> None:
    condenser = Condenser({"air/pm2_5": WINDOW})
    one = sample(5, 0)
    assert condenser.add([one]) == []
    assert condenser.tick(START_MS + WINDOW_MS + WINDOW_GRACE_MS - 1) == []
    assert condenser.tick(START_MS + WINDOW_MS + WINDOW_GRACE_MS) == [one]


@given(
    st.lists(st.tuples(st.integers(0, 59), st.integers(-100, 100)), max_size=60, unique_by=lambda item: item[0]),
    st.integers(0, 1_999),
)
def test_figures_equal_a_recomputation_and_nothing_is_lost_or_doubled(
    slots: list[tuple[int, int]], phase_ms: int
) -> None:
    samples = [sample(value, slot * PERIOD_MS + phase_ms) for slot, value in sorted(slots)]
    kept = through(WINDOW, samples)
    expected: set[Reading] = set()
    for start in range(START_MS, START_MS + 120_000, WINDOW_MS):
        inside = [one for one in samples if start <= one.time_ms < start + WINDOW_MS]
        if len(inside) == WINDOW_MS // PERIOD_MS:
            values = [one.value for one in inside]
            mean = int((Decimal(sum(values) * 10) / 5).quantize(Decimal(1), ROUND_HALF_EVEN))
            expected.add(Reading("air/pm2_5", start, mean, -2, "mean"))
            expected.add(Reading("air/pm2_5", start, min(values), -1, "min"))
            expected.add(Reading("air/pm2_5", start, max(values), -1, "max"))
        else:
            expected.update(inside)
    assert len(kept) == len(expected)
    assert set(kept) == expected


def test_a_sample_travels_when_it_has_changed_enough() -> None:
    rule = ReportRule(PERIOD_MS, change=5)
    samples = [sample(value, PERIOD_MS * slot) for slot, value in enumerate((20, 22, 24, 25, 29, 19))]
    assert [one.value for one in through(rule, samples)] == [20, 25, 19]


def test_a_sample_travels_at_least_so_often_even_when_nothing_changes() -> None:
    rule = ReportRule(PERIOD_MS, change=5, every_ms=60_000)
    samples = [sample(7, PERIOD_MS * slot + 300 + slot % 3) for slot in range(95)]
    times = [one.time_ms - START_MS for one in through(rule, samples)]
    assert [time // 60_000 for time in times] == [0, 1, 2, 3]
    assert all(later - earlier <= 60_000 + 10 for earlier, later in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("late_ms", "is_whole"),
    [(0, True), (1_001, True), (1_250, True), (1_251, False), (900, True)],
)
def test_a_sample_that_carries_its_slot_is_even_with_one_that_came_a_little_too_late_to(
    late_ms: int, is_whole: bool
) -> None:
    for phase_ms in (0, 300):
        rule = ReportRule(PERIOD_MS, window_ms=WINDOW_MS, phase_ms=phase_ms)
        samples = [sample(5, phase_ms + PERIOD_MS * slot + (late_ms if slot == 3 else 0)) for slot in range(5)]
        kept = through(rule, samples)
        assert [one.kind for one in kept] == (["mean", "min", "max"] if is_whole else ["sample"] * 5)


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=80), st.integers(1, 200), st.integers(2, 30))
def test_what_is_not_reported_is_never_further_off_than_the_change(
    values: list[int], change: int, every_slots: int
) -> None:
    rule = ReportRule(PERIOD_MS, change=change, every_ms=every_slots * PERIOD_MS)
    samples = [sample(value, PERIOD_MS * slot) for slot, value in enumerate(values)]
    kept = through(rule, samples)
    shown = kept[0]
    for one in samples:
        if one in kept:
            shown = one
        assert abs(one.value - shown.value) < change or one == shown
        assert one.time_ms - shown.time_ms < every_slots * PERIOD_MS


def test_a_sample_that_an_earlier_run_has_kept_is_not_repeated() -> None:
    rule = ReportRule(PERIOD_MS)
    kept = through(rule, [sample(5, 1_010), sample(6, 3_000)], {"air/pm2_5": START_MS + 1_000})
    assert [one.value for one in kept] == [6]


def test_a_clock_that_was_set_back_does_not_silence_a_point() -> None:
    rule = ReportRule(PERIOD_MS)
    kept = through(rule, [sample(5, 0), sample(6, 2_000)], {"air/pm2_5": START_MS + 3_600_000})
    assert [one.value for one in kept] == [5, 6]


def test_a_point_without_a_rule_reports_every_sample() -> None:
    samples = [sample(5, slot, "x/y") for slot in range(3)]
    assert Condenser({}).add(samples) == samples
