"""The byte budget: counted by kind, kept across restarts, and telemetry stretched so that the plan lasts."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.records import Command, Event
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.budget import ASKING, KEPT_BACK, WRITE_EVERY_MS, ByteBudget, MonthCount, Overrun, Plan
from gateway_agent.uplink.coap_message import ALARM, BACKFILL, TELEMETRY
from gateway_agent.uplink.forms import AUTO
from gateway_agent.uplink.pace import Pace
from gateway_agent.uplink.senml_cbor import decode_pack
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.uplink.pole import Pole, pole

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


COST = {(900, None): 17256, (1800, None): 14397, (3600, None): 12953, (3600, 900): 12073, (3600, 3600): 7020}
"""Bytes on the air for telemetry in a day, by distance of batches and windows: as measured (docs/budget.md)."""
USED_UP_BYTES = 3575
"""The same as windows of an hour, every six hours."""


def live_a_month(
    folder: Path, plan: Plan, load: float = 1.0, alarms_a_day: int = 5, restart_each_s: int = 0
) -> tuple[ByteBudget, list[Pace]]:
    """The budget at the end of a month of a pole that costs `load` times COST, and its pace at each hour."""
    clock = Calendar("2026-06-01T00:00:00+00:00")
    budget = ByteBudget(folder / "bytes", clock, plan)
    air, paces, last_ms = AirCount(), [], clock.unix_ms()
    end_ms = round(datetime(2026, 7, 1, tzinfo=UTC).timestamp() * 1000)
    step_s = 300
    for at_s in range(0, 30 * DAY_S, step_s):
        clock.now_ms = end_ms - 1000 * (30 * DAY_S - at_s)
        pace = budget.pace
        apart_s = budget.batch_s
        if pace.may_send_telemetry and clock.unix_ms() - last_ms >= 1000 * apart_s:
            a_day = USED_UP_BYTES if pace.least_s else COST[round(apart_s), pace.window_s]
            air.note_sent(TELEMETRY, round(load * a_day * (clock.unix_ms() - last_ms) / 1000 / DAY_S) - 28, 0)
            last_ms = clock.unix_ms()
        if at_s % (DAY_S // alarms_a_day // step_s * step_s) == 0:
            air.note_sent(ALARM, 100, 0)
        budget.count(air)
        if at_s % 3600 == 0:
            paces.append(pace)
        if restart_each_s and at_s % restart_each_s == restart_each_s - step_s:
            asyncio.run(budget.keep(now=True))
            budget, air = ByteBudget(folder / "bytes", clock, plan), AirCount()
    return budget, paces


def test_a_plan_that_is_large_enough_changes_nothing(tmp_path: Path) -> None:
    budget, paces = live_a_month(tmp_path, Plan(1 * MIB))
    assert set(paces) == {Pace(1)}
    assert budget.month.total == pytest.approx(30 * (17256 + 5 * 128), rel=0.01)


@pytest.mark.parametrize("restart_each_s", [0, 6 * 3600, 3 * DAY_S])
@pytest.mark.parametrize("plan_kib", [500, 440, 400, 330, 270])
def test_a_plan_that_is_short_lasts_the_month_and_is_used(tmp_path: Path, plan_kib: int, restart_each_s: int) -> None:
    """Also by an agent that is started again and again, which has to learn anew what its steps cost."""
    budget, paces = live_a_month(tmp_path, Plan(plan_kib << 10), restart_each_s=restart_each_s)
    assert 0.8 * (plan_kib << 10) <= budget.month.total <= plan_kib << 10
    assert not any(pace.least_s for pace in paces)


@settings(max_examples=25, deadline=None)
@given(
    plan_bytes=st.integers(20_000, 900_000),
    load=st.floats(0.3, 6),
    alarms_a_day=st.integers(1, 20),
    overrun=st.sampled_from(["windows", "hold"]),
)
def test_no_more_than_the_plan_and_what_is_stated_goes_however_short_it_is(
    plan_bytes: int, load: float, alarms_a_day: int, overrun: Overrun
) -> None:
    """Held, telemetry takes its share of the plan and a batch; else there are the windows of every six hours too."""
    with TemporaryDirectory() as name:
        budget, paces = live_a_month(Path(name), Plan(plan_bytes, overrun=overrun), load, alarms_a_day)
    kinds = budget.month.by_kind
    used_up_days = sum(pace.least_s > 0 for pace in paces) / 24
    over = load * USED_UP_BYTES * (used_up_days + 0.3) if used_up_days else 0
    a_batch = load * max(COST.values()) / 24
    held_back = plan_bytes * (1 - KEPT_BACK)
    assert kinds.get(TELEMETRY, 0) <= held_back + a_batch + over
    if held_back > kinds[ALARM] + kinds.get(TELEMETRY, 0) and not used_up_days:
        assert budget.month.total <= plan_bytes
    # Alarms all went: 30 days of them, more of them where a day does not divide evenly.
    assert kinds[ALARM] >= 30 * alarms_a_day * 128


def test_a_plan_that_is_used_up_sends_windows_as_seldom_as_commands_allow_or_holds(tmp_path: Path) -> None:
    clock = Calendar("2026-06-10T00:00:00+00:00")
    for plan, answers_within_s, pace in (
        (Plan(1000), inf, Pace(1, 3600, 6 * 3600.0)),
        (Plan(1000), 3600.0, Pace(1, 3600, 3600.0)),
        (Plan(1000), 2 * 3600.0, Pace(1, 3600, 2 * 3600.0)),
        (Plan(1000), 86400.0, Pace(1, 3600, 6 * 3600.0)),
        (Plan(1000, overrun="hold"), inf, Pace(may_send_telemetry=False)),
    ):
        budget = ByteBudget(tmp_path / "bytes", clock, plan, answers_within_s=answers_within_s)
        air = AirCount()
        air.note_sent(TELEMETRY, 950, 0)
        assert not budget.is_used_up
        budget.count(air)
        assert budget.is_used_up
        assert budget.pace == pace


def test_batches_are_not_further_apart_than_a_command_may_take(tmp_path: Path) -> None:
    clock = Calendar("2026-06-01T00:00:00+00:00")
    budget = ByteBudget(tmp_path / "bytes", clock, Plan(100_000), answers_within_s=1800.0)
    air = AirCount()
    for _ in range(5):
        budget.count(air)
        clock.wait(3600)
        air.note_sent(TELEMETRY, 900, 0)
    budget.count(air)
    assert not budget.is_used_up
    assert budget.pace.window_s == 3600
    assert budget.batch_s == 1800


def test_what_is_past_may_take_what_the_rest_of_the_month_does_not_need(tmp_path: Path) -> None:
    clock = Calendar("2026-06-01T00:00:00+00:00")
    assert ByteBudget(tmp_path / "bytes", clock).has_room_for_past
    budget, air = ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB)), AirCount()
    air.note_sent(BACKFILL, 300_000, 0)
    budget.count(air)
    assert budget.has_room_for_past
    air.note_sent(BACKFILL, 40_000, 0)
    budget.count(air)
    assert not budget.has_room_for_past, "as long as nothing is known of the days to come, a third must do"
    budget, air = ByteBudget(tmp_path / "other", clock, Plan(1 * MIB)), AirCount()
    for _ in range(24):
        air.note_sent(TELEMETRY, 700, 0)
        budget.count(air)
        clock.wait(3600)
    air.note_sent(BACKFILL, 450_000, 0)
    budget.count(air)
    assert budget.has_room_for_past
    air.note_sent(BACKFILL, 60_000, 0)
    budget.count(air)
    assert not budget.has_room_for_past
    assert budget.pace == Pace(1), "and the present goes on as it did"


def test_a_platform_that_is_away_is_asked_as_often_as_the_plan_allows(tmp_path: Path) -> None:
    clock = Calendar("2026-06-01T00:00:00+00:00")
    assert ByteBudget(tmp_path / "bytes", clock).pause_s(400) == 0
    large, small = (ByteBudget(tmp_path / "bytes", clock, Plan(plan)) for plan in (100 * MIB, 1 * MIB))
    assert large.pause_s(400) == pytest.approx(400 * 30 * DAY_S / (0.25 * 0.95 * 100 * MIB), rel=0.01)
    assert small.pause_s(400) == 3600, "an hour at most"


def test_a_wrong_clock_neither_ends_nor_begins_a_month(tmp_path: Path) -> None:
    """A Raspberry Pi comes up with the time of its last end, or with one of the future."""
    clock = Calendar("2026-06-10T00:00:00+00:00")
    budget, air = ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB)), AirCount()
    air.note_sent(TELEMETRY, 5000, 0)
    budget.count(air)
    asyncio.run(budget.keep())
    for wrong in ("1970-01-01T00:00:00+00:00", "2031-05-01T00:00:00+00:00"):
        start = Calendar(wrong)
        start.is_trusted = False
        again = ByteBudget(tmp_path / "bytes", start, Plan(1 * MIB))
        again.count(AirCount())
        assert again.month.total == 5028
        start.now_ms, start.is_trusted = clock.now_ms, True
        again.count(AirCount())
        assert again.month == budget.month
    first = Calendar("2031-05-01T00:00:00+00:00")
    first.is_trusted = False
    fresh = ByteBudget(tmp_path / "fresh", first, Plan(1 * MIB))
    fresh.count(air)
    first.now_ms, first.is_trusted = clock.now_ms, True
    fresh.count(air)
    assert fresh.month == budget.month, "what went by the wrong clock went in this month"


def test_a_new_month_begins_anew_at_its_day_in_the_zone_of_the_pole(tmp_path: Path) -> None:
    clock = Calendar("2026-02-27T15:59:00+00:00")
    budget = ByteBudget(tmp_path / "bytes", clock, Plan(1000, 28, ZoneInfo("Asia/Shanghai")))
    air = AirCount()
    air.note_sent(TELEMETRY, 2000, 0)
    budget.count(air)
    assert (budget.month.total, budget.is_used_up) == (2028, True)
    clock.wait(120)
    budget.count(air)
    assert (budget.month.total, budget.pace) == (0, Pace(1))
    assert budget.month.begins_ms == round(datetime(2026, 2, 27, 16, tzinfo=UTC).timestamp() * 1000)


def test_the_count_survives_a_restart_and_loses_no_more_than_is_said(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Calendar("2026-06-10T00:00:00+00:00")
        budget = ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB))
        air = AirCount()
        for _ in range(60):
            air.note_sent(TELEMETRY, 72, 0)
            budget.count(air)
            await budget.keep()
            clock.wait(60)
            again = ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB))
            assert 0 <= budget.month.total - again.month.total <= 100 * (WRITE_EVERY_MS // 60_000 + 1)
        assert again.month.total > 0
        await budget.keep(now=True)
        assert ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB)).month == budget.month
        (tmp_path / "bytes").write_text("{")
        assert ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB)).month.total == 0

    asyncio.run(main())


async def measure_each_minute(this: Pole, minutes: int, each: int = 1) -> None:
    """One poll a minute, or one each so many minutes."""
    for minute in range(0, minutes, each):
        this.measure(minute)
        await asyncio.sleep(60 * each)


def test_the_agent_s_telemetry_becomes_windows_when_the_plan_is_used_up_and_alarms_go_at_once(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=60) as this:
            await this.measure_for(200)
            counted = this.uplink.air.on_air_bytes
            budget = ByteBudget(tmp_path / "bytes", clock, Plan(round(counted / (1 - KEPT_BACK))), 60)
            this.limit(budget)
            before = this.platform.count("readings")
            await measure_each_minute(this, 7 * 60)
            await this.journal.add_event(Event("manhole/cover", "alarm", "cover", clock.unix_ms(), True))
            await asyncio.sleep(1)
            assert this.platform.count("alarms") == 1
            assert budget.is_used_up
            assert this.platform.count("windows") > 0
            assert this.platform.count("readings") - before < 4 * 61
            sums = this.rows("SELECT sum(count) FROM windows WHERE point = 'air/pm2_5'")[0][0]
            assert isinstance(sums, int)
            assert sums > 60 * 5

    run_virtual(main)


def test_a_platform_that_is_away_for_days_does_not_use_the_plan_up_and_gets_all_when_it_is_back(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=900, form=AUTO) as this:
            plan = 2 * MIB
            budget = ByteBudget(tmp_path / "bytes", clock, Plan(plan), 900)
            this.limit(budget)
            await measure_each_minute(this, 5 * 60)
            this.relay.down = True
            before = budget.month.total
            await measure_each_minute(this, 2 * 24 * 60, each=4)
            away = budget.month.total - before
            assert 0 < away <= 1.05 * ASKING * plan * 2 / 12
            on_the_way = this.uplink.air.on_air_bytes - budget.month.total
            assert 0 <= on_the_way < 500, "what was tried in vain is counted as well"
            this.relay.down = False
            await measure_each_minute(this, 4 * 60)
            assert budget.pace == Pace(1), "an outage is no reason to send less"
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert budget.month.by_kind[BACKFILL] > 1000

    run_virtual(main)


def test_a_past_for_which_there_is_no_room_goes_as_windows_and_none_of_it_is_lost(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=900) as this:
            budget = ByteBudget(tmp_path / "bytes", clock, Plan(6_000_000), 900)
            this.limit(budget)
            await measure_each_minute(this, 10 * 60)
            assert budget.pace == Pace(1)
            budget.plan = replace(budget.plan, bytes=2_500_000)
            this.relay.down = True
            await measure_each_minute(this, 24 * 60)
            this.relay.down = False
            await measure_each_minute(this, 4 * 60)
            await this.settle()
            assert this.platform.count("windows") >= 4 * 20
            readings = this.rows("SELECT count(*) FROM readings")[0][0]
            in_windows = this.rows("SELECT sum(count) FROM windows")[0][0]
            assert isinstance(readings, int)
            assert isinstance(in_windows, int)
            assert readings + in_windows == len(this.given)
            assert in_windows >= 4 * 60 * 20
            assert budget.month.by_kind.get(BACKFILL, 0) < 30_000

    run_virtual(main)


def test_held_telemetry_waits_for_the_month_and_commands_come_all_the_same(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, batch_s=900, command_delay_s=3600) as this:
            budget = ByteBudget(tmp_path / "bytes", clock, Plan(1 * MIB, overrun="hold"), 900, answers_within_s=3600)
            this.limit(budget)
            await measure_each_minute(this, 60)
            budget.month.by_kind["other"] = 1 * MIB
            before = this.platform.count("readings")
            this.platform.send(Command("c1", "lamp", "street", {"level_pct": 5}, clock.unix_ms() + 10**9))
            exchanges = this.uplink.counters.exchanges
            await measure_each_minute(this, 24 * 60, each=4)
            assert this.platform.count("readings") == before
            assert this.mailbox
            assert this.uplink.counters.exchanges - exchanges <= 26, "each hour one question, and nothing in between"
            await this.alarm()
            await asyncio.sleep(1)
            assert this.platform.count("alarms") == 1
            budget.month = MonthCount(budget.month.begins_ms)
            await measure_each_minute(this, 30)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_a_refused_record_is_found_although_the_plan_leaves_long_between_tries(tmp_path: Path) -> None:
    def refuse(payload: bytes) -> str | None:
        return "I do not like 3" if any(record.get("q") == 3 for record in decode_pack(payload)) else None

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, refuse=refuse, batch_s=60) as this:
            await asyncio.sleep(1)
            this.limit(ByteBudget(tmp_path / "bytes", clock, Plan(4 * MIB), 60))
            for value in (6, 7, 8):
                this.measure(value)
                await asyncio.sleep(5)
            await asyncio.sleep(4 * 3600)
            assert this.uplink.counters.set_aside_records == 1
            assert this.check() == (3, 0, 0)

    run_virtual(main)
