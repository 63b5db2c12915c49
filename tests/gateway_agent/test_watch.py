"""Alarm rules: hysteresis and time to hold, by the samples' own time."""

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.records import Event, Reading
from gateway_agent.watch import Limit, Watch


def states(watch: Watch, samples: list[tuple[int, int]]) -> list[tuple[int, bool | None]]:
    events = [event for time, value in samples for event in watch.look_at([Reading("gas/ch4", time, value, 0)])]
    return [(event.time_ms, event.state) for event in events]


def test_an_alarm_is_raised_above_and_cleared_well_below() -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15)])
    assert states(watch, [(0, 20), (1, 21), (2, 16), (3, 15), (4, 14), (5, 18)]) == [(1, True), (4, False)]


def test_a_low_alarm_is_its_mirror() -> None:
    watch = Watch([Limit("gas/ch4", "below", 18, 19)])
    assert states(watch, [(0, 18), (1, 17), (2, 19), (3, 20)]) == [(1, True), (3, False)]


def test_the_condition_must_hold_before_anything_happens() -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15, hold_ms=2_000)])
    samples = [(0, 25), (1_000, 19), (2_000, 25), (4_000, 25), (5_000, 10), (6_999, 10), (7_000, 10)]
    assert states(watch, samples) == [(4_000, True), (7_000, False)]


def test_the_event_names_point_limit_value_and_time() -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15)])
    (event,) = watch.look_at([Reading("gas/ch4", 5, 22, 0)])
    assert event == Event("gas/ch4", "alarm", "above", 5, state=True, value=22)


def test_what_has_held_for_a_while_goes_on_holding_when_the_clock_steps() -> None:
    for step in (-86_400_000, 31_536_000_000):
        watch = Watch([Limit("gas/ch4", "above", 20, 15, hold_ms=2_000)])
        assert states(watch, [(0, 25), (1_000, 25)]) == []
        watch.move(step)
        assert states(watch, [(step + 1_999, 25), (step + 2_000, 25)]) == [(step + 2_000, True)]


def test_a_clock_that_was_set_back_starts_the_time_to_hold_anew() -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15, hold_ms=2_000)])
    assert states(watch, [(10_000, 25), (1_000, 25), (3_000, 25)]) == [(3_000, True)]


def test_an_alarm_that_an_earlier_run_left_standing_can_be_cleared() -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15)], raised=[("gas/ch4", "above")])
    assert states(watch, [(0, 25), (1, 3)]) == [(1, False)]


@given(st.lists(st.integers(0, 40), max_size=100), st.integers(0, 5))
def test_raised_and_cleared_take_turns(values: list[int], hold: int) -> None:
    watch = Watch([Limit("gas/ch4", "above", 20, 15, hold_ms=hold)])
    changes = [state for _, state in states(watch, list(enumerate(values)))]
    assert changes == [index % 2 == 0 for index in range(len(changes))]
