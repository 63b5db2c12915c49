"""The silence that a NAT allows is found, kept, and tried again seldom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.uplink.idle_time import GOOD_IN_A_ROW, LONGEST_S, SHORTEST_S, IdleTime
from tests.gateway_agent.uplink.test_confirmation import Hours


def live(clock: Hours, idle: IdleTime, allows_s: float, days: float) -> tuple[int, int]:
    """Words that were heard and that were missed behind a NAT that forgets after `allows_s`."""
    heard = missed = 0
    until = clock.now_s + days * 86_400
    while clock.now_s < until:
        clock.now_s += idle.wait_s
        if idle.wait_s <= allows_s:
            idle.heard()
            heard += 1
        else:
            idle.missed()
            missed += 1
    return heard, missed


@pytest.mark.parametrize("allows_s", [12.0, 30.0, 60.0, 120.0, 300.0, 3600.0])
def test_the_silence_that_is_kept_comes_near_to_what_is_allowed_and_little_is_missed(allows_s: float) -> None:
    clock = Hours()
    idle = IdleTime(clock)
    live(clock, idle, allows_s, 6)
    assert 0.6 * allows_s <= idle.wait_s <= 1.16 * allows_s
    _, missed = live(clock, idle, allows_s, 6)
    assert missed <= 7


def test_a_way_that_never_closes_is_used_four_times_in_sixteen_hours() -> None:
    clock = Hours()
    idle = IdleTime(clock)
    live(clock, idle, 1e9, 3)
    assert idle.wait_s == LONGEST_S


def test_a_nat_that_becomes_shorter_is_followed() -> None:
    clock = Hours()
    idle = IdleTime(clock)
    live(clock, idle, 600, 3)
    _, missed = live(clock, idle, 40, 1)
    assert idle.wait_s <= 40
    assert missed <= 12


@given(st.lists(st.booleans(), max_size=200))
def test_whatever_is_heard_the_silence_stays_within_its_bounds(heard: list[bool]) -> None:
    clock = Hours()
    idle = IdleTime(clock)
    for is_heard in heard:
        clock.now_s += idle.wait_s
        if is_heard:
            idle.heard()
        else:
            idle.missed()
        assert SHORTEST_S <= idle.wait_s <= LONGEST_S


def test_one_word_is_not_enough_to_try_a_longer_silence() -> None:
    idle = IdleTime(Hours())
    assert [idle.heard() for _ in range(GOOD_IN_A_ROW)] == [False, True]
