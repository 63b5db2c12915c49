import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.collect.attendance import LOST_AFTER, Attendance, Change
from gateway_agent.collect.slots import ON_TIME_MS, Slots, slot_after, stamp
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.stepped_clock import SteppedClock


@given(st.integers(0, 2**42), st.integers(1, 86_400_000), st.integers(0, 86_399_999))
def test_a_slot_is_the_next_multiple_of_the_period_plus_the_phase(now: int, period: int, phase: int) -> None:
    slot = slot_after(now, period, phase)
    assert 0 < slot - now <= period
    assert (slot - phase) % period == 0


def test_slots_keep_the_grid_of_unix_time_however_long_the_work_takes() -> None:
    async def main(clock: RigClock) -> list[int]:
        slots = Slots(clock, 2_000, 300)
        seen = []
        for work_s in (0.1, 1.9, 2.5, 0.0):
            seen.append(await slots.next())
            await asyncio.sleep(work_s)
        return [*seen, slots.skipped]

    first, second, third, fourth, skipped = run_virtual(main)
    assert first % 2_000 == 300
    assert (second - first, third - second, fourth - third, skipped) == (2_000, 2_000, 4_000, 1)


def test_a_clock_that_is_set_back_by_a_day_delays_nobody_longer_than_a_period() -> None:
    async def main(clock: RigClock) -> float:
        wall = SteppedClock(clock, is_trusted=True)
        slots = Slots(wall, 2_000)
        await slots.next()
        asyncio.get_running_loop().call_later(0.5, setattr, wall, "off_ms", -86_400_000 + 700)
        started = asyncio.get_running_loop().time()
        await slots.next()
        return asyncio.get_running_loop().time() - started

    assert run_virtual(main) <= 4.0


def test_a_device_is_lost_after_three_failed_polls_and_then_asked_ever_less_often() -> None:
    attendance = Attendance(2_000)
    changes = [attendance.failed(slot * 2_000) for slot in range(LOST_AFTER)]
    assert changes == [Change.NONE, Change.NONE, Change.LOST]
    asked = []
    for slot in range(LOST_AFTER, 200):
        if attendance.wants(slot * 2_000):
            asked.append(slot * 2)
            attendance.failed(slot * 2_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == [4, 8, 16, 32, 60, 60, 60, 60, 60]
    assert attendance.answered() is Change.BACK
    assert attendance.wants(0)


@pytest.mark.parametrize("step_ms", [-86_400_000, 365 * 86_400_000, 86_400_000 - 1_001, -1_000, 700])
@pytest.mark.parametrize("at_s", [0.0, 0.5, 1.99])
def test_a_clock_that_steps_makes_neither_a_burst_of_polls_nor_a_pause(step_ms: int, at_s: float) -> None:
    async def main(clock: RigClock) -> list[tuple[int, int]]:
        wall = SteppedClock(clock, is_trusted=True)
        slots = Slots(wall, 2_000, 300)
        await slots.next()
        asyncio.get_running_loop().call_later(3 + at_s, setattr, wall, "off_ms", step_ms)
        seen = []
        for _ in range(10):
            slot_ms = await slots.next()
            seen.append((clock.monotonic_ms(), wall.unix_ms() - slot_ms))
        return seen

    seen = run_virtual(main)
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(seen)]
    assert max(gaps) <= 4_000
    assert sum(gap < 1_000 for gap in gaps) <= 1
    assert all(0 <= late_ms <= 2_000 for _, late_ms in seen)


def test_a_sample_carries_its_slot_when_it_was_taken_within_a_second_of_it() -> None:
    assert [stamp(10_000 + late, 10_000, 60_000) for late in (-1, 0, 1_000, 1_001)] == [9_999, 10_000, 10_000, 11_001]
    assert [stamp(10_000 + late, 10_000, 500) for late in (499, 500)] == [10_000, 10_500]
    assert [stamp(10_400, 10_000, 60_000, last_ms) for last_ms in (9_999, 10_000, 10_100)] == [10_000, 10_400, 10_400]


@given(
    st.integers(100, 60_000),
    st.lists(st.tuples(st.integers(1, 200), st.integers(0, 3_000)), min_size=1, max_size=40),
)
def test_times_of_one_point_only_grow_and_are_right_to_a_second(every_ms: int, gaps: list[tuple[int, int]]) -> None:
    taken_ms, last_ms = 1_781_740_800_000, None
    for slots_pct, more_ms in gaps:
        taken_ms += max(10, every_ms * slots_pct // 100 + more_ms)
        carried_ms = stamp(taken_ms, taken_ms - taken_ms % every_ms, -(-every_ms // 2), last_ms)
        assert 0 <= taken_ms - carried_ms <= ON_TIME_MS
        assert carried_ms in (taken_ms, taken_ms - taken_ms % every_ms)
        assert last_ms is None or carried_ms > last_ms
        last_ms = carried_ms
