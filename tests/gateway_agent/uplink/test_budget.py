"""The byte budget: counted by kind, kept across restarts, and telemetry stretched so that the plan lasts."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway_agent.records import Event
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.budget import KEPT_BACK, STEPS, USED_UP, WRITE_EVERY_MS, ByteBudget
from gateway_agent.uplink.coap_message import ALARM, TELEMETRY
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.uplink.pole import pole

DAY_S = 86_400
MIB = 1 << 20


class Calendar:
    """A clock that a test moves."""

    is_trusted = True

    def __init__(self, text: str) -> None:
        self.now_ms = round(datetime.fromisoformat(text).timestamp() * 1000)

    def unix_ms(self) -> int:
        return self.now_ms

    monotonic_ms = unix_ms

    def boot_id(self) -> str:
        return "boot"

    def wait(self, seconds: float) -> None:
        self.now_ms += round(1000 * seconds)


def live_a_month(
    tmp_path: Path, plan: int | None, batch_bytes: int, alarms_a_day: int = 5
) -> tuple[int, ByteBudget, int]:
    """Bytes of a month of batches each 15 minutes, the budget at its end, and how many batches went."""
    clock = Calendar("2026-06-01T00:00:00+00:00")
    budget = ByteBudget(tmp_path / "bytes", clock, plan)
    air, batches, last, used = AirCount(), 0, clock.unix_ms(), 0
    while clock.unix_ms() < round(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000) - 1:
        pace = budget.pace
        apart_s = max(900, min(900 * pace.batch_factor, 3600), pace.least_s)
        if clock.unix_ms() - last >= 1000 * apart_s:
            last, batches = clock.unix_ms(), batches + 1
            size = batch_bytes * apart_s / 900 * (1 if pace.window_s is None else 60 / pace.window_s)
            air.note_sent(TELEMETRY, round(size), 0)
        if clock.unix_ms() // 1000 % (DAY_S // alarms_a_day) == 0:
            air.note_sent(ALARM, 100, 0)
        budget.count(air)
        used = budget.month.total
        clock.wait(300)
    return used, budget, batches


def test_a_plan_that_is_large_enough_changes_nothing(tmp_path: Path) -> None:
    used, budget, batches = live_a_month(tmp_path, 4 * MIB, 400)
    assert batches > 2800
    assert budget.pace == STEPS[0]
    assert used < 2 * MIB


@pytest.mark.parametrize("plan_kib", [1500, 800, 300, 120])
def test_a_plan_that_is_short_lasts_the_month_and_telemetry_goes_on(tmp_path: Path, plan_kib: int) -> None:
    used, _, batches = live_a_month(tmp_path, plan_kib << 10, 700)
    assert used <= plan_kib << 10
    assert batches >= 110


def test_alarms_are_never_held_back_and_only_they_go_over(tmp_path: Path) -> None:
    used, budget, _ = live_a_month(tmp_path, 40 << 10, 3000, alarms_a_day=96)
    assert budget.month.by_kind[ALARM] == pytest.approx(30 * 96 * 128, rel=0.02)
    assert used - budget.month.by_kind[ALARM] < (40 << 10) + 130 * 3000


def test_a_new_month_begins_anew_at_its_day_in_the_zone_of_the_pole(tmp_path: Path) -> None:
    clock = Calendar("2026-02-27T15:59:00+00:00")
    budget = ByteBudget(tmp_path / "bytes", clock, 1000, 28, ZoneInfo("Asia/Shanghai"))
    air = AirCount()
    air.note_sent(TELEMETRY, 2000, 0)
    budget.count(air)
    assert (budget.month.total, budget.pace) == (2028, USED_UP)
    clock.wait(120)
    budget.count(air)
    assert (budget.month.total, budget.pace) == (0, STEPS[0])
    assert budget.month.begins_ms == round(datetime(2026, 2, 27, 16, tzinfo=UTC).timestamp() * 1000)


def test_the_count_survives_a_restart_and_loses_no_more_than_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Calendar("2026-06-10T00:00:00+00:00")
        budget = ByteBudget(tmp_path / "bytes", clock, 1 * MIB)
        air = AirCount()
        for _ in range(60):
            air.note_sent(TELEMETRY, 72, 0)
            budget.count(air)
            await budget.keep()
            clock.wait(60)
            again = ByteBudget(tmp_path / "bytes", clock, 1 * MIB)
            assert 0 <= budget.month.total - again.month.total <= 100 * (WRITE_EVERY_MS // 60_000 + 1)
        assert again.month.total > 0
        await budget.keep(now=True)
        assert ByteBudget(tmp_path / "bytes", clock, 1 * MIB).month == budget.month
        (tmp_path / "bytes").write_text("{")
        assert ByteBudget(tmp_path / "bytes", clock, 1 * MIB).month.total == 0

    asyncio.run(main())


def test_the_agent_s_telemetry_becomes_windows_when_the_plan_is_used_up_and_alarms_go_at_once(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=60) as this:
            await this.measure_for(200)
            counted = this.uplink.air.on_air_bytes
            budget = ByteBudget(tmp_path / "bytes", clock, round(counted / (1 - KEPT_BACK)))
            this.uplink._budget = budget
            before = this.platform.count("readings")
            await this.measure_for(3600 * 7)
            await this.journal.add_event(Event("manhole/cover", "alarm", "cover", clock.unix_ms(), True))
            await asyncio.sleep(1)
            assert this.platform.count("alarms") == 1
            assert budget.pace == USED_UP
            assert this.platform.count("windows") > 0
            assert this.platform.count("readings") - before < 600
            sums = this.rows("SELECT sum(count) FROM windows WHERE point = 'air/pm2_5'")[0][0]
            assert isinstance(sums, int)
            assert sums > 3600 * 5

    run_virtual(main)
