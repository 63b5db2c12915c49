"""The virtual loop: time jumps, but never past something that is still under way."""

import asyncio
import socket
import time

import pytest

from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_real, run_virtual

DAY_S = 86_400


def test_a_day_of_waiting_costs_no_time_and_ends_exactly_a_day_later():
    async def main(clock: RigClock) -> tuple[int, int]:
        for _ in range(24):
            await asyncio.sleep(DAY_S / 24)
        return clock.unix_ms(), clock.monotonic_ms()

    unix_ms, monotonic_ms = run_virtual(main)
    assert unix_ms - DEMO_START_UNIX_MS == pytest.approx(DAY_S * 1000, abs=1)
    assert monotonic_ms == pytest.approx(DAY_S * 1000, abs=1)


def test_timers_run_in_the_order_of_their_times():
    async def main(clock: RigClock) -> list[int]:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        for delay in (30, 10, 20):
            loop.call_later(delay, lambda: seen.append(clock.monotonic_ms() // 1000))
        await asyncio.sleep(40)
        return seen

    assert run_virtual(main) == [10, 20, 30]


def test_time_stands_still_while_an_executor_job_runs():
    async def main(clock: RigClock) -> int:
        ticker = asyncio.create_task(asyncio.sleep(3600))
        before = clock.monotonic_ms()
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0.05)
        passed = clock.monotonic_ms() - before
        ticker.cancel()
        return passed

    assert run_virtual(main) == 0


def test_bytes_in_a_socketpair_arrive_before_time_goes_on():
    async def main(clock: RigClock) -> int:
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        loop = asyncio.get_running_loop()
        with near, far:
            near.send(b"ready")
            received = loop.create_task(loop.sock_recv(far, 16))
            await asyncio.sleep(0)
            assert await received == b"ready"
        return clock.monotonic_ms()

    assert run_virtual(main) == 0


def test_a_run_that_waits_for_nothing_that_can_come_is_an_error_not_a_hang(monkeypatch):
    monkeypatch.setattr("hardware.rig.clock._STUCK_AFTER_S", 0.01)

    async def main(_clock: RigClock) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match="never came"):
        run_virtual(main)


def test_the_same_coroutine_runs_in_real_time():
    async def main(clock: RigClock) -> int:
        await asyncio.sleep(0)
        return clock.unix_ms()

    assert abs(run_real(main) - time.time_ns() // 1_000_000) < 60_000


def test_a_year_passes_to_its_end() -> None:
    async def main(clock: RigClock) -> float:
        for _ in range(365 * 24):
            await asyncio.sleep(3600.1)
        return clock.monotonic_ms() / 3600.1e3

    assert run_virtual(main) == pytest.approx(365 * 24, rel=1e-6)
