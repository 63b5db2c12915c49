"""What is wrong with a lamp, by the power that it draws: each rule with its time, and none before."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from protocols import event_codes, lamp_codes
from tests.firmware.lamp_bench import (
    POWER_SLOT,
    VOLTAGE,
    VOLTAGE_SLOT,
    Driver,
    keep_schedule,
    lamp_table,
    send_schedule,
    told,
    unix_s,
)
from tests.firmware.test_lamp_schedule import command, set_unix, writer_of
from tests.firmware.workbench import Workbench, on_bench

EXPECTED = tuple(100 * tenth for tenth in range(11))


def on_lamp(
    folder: Path, hour: int, body: Callable[[Workbench, Driver], Awaitable[None]], period_ms: int = 10000
) -> None:
    """A lamp that has burned (at 23 o'clock, 70 %) or been dark (at 12) long enough to be judged."""
    table = lamp_table(period_ms)
    writer = writer_of(table)
    writer.set_power(POWER_SLOT, EXPECTED, 50, VOLTAGE_SLOT, 500)
    keep_schedule(folder, writer.schedule())

    async def main(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, hour))
        await asyncio.sleep(60)
        assert (await told(bench.master)).faults == 0
        await body(bench, driver)

    on_bench(folder, table, main)


async def faults(bench: Workbench) -> list[tuple[int, int]]:
    """Every fault's events so far: (fault, 1 began or 0 over)."""
    first = event_codes.LAMP_FAULT_FIRST
    found = [(event.code - first, event.value) for event in await bench.master.events()]
    return [pair for pair in found if 0 <= pair[0] < lamp_codes.FAULT_COUNT]


@pytest.mark.parametrize(
    ("hour", "change", "fault", "not_before_s", "by_s"),
    [
        (23, {"broken": True}, lamp_codes.LAMP_FAILURE, 45, 80),
        (23, {"watts": 0.6}, lamp_codes.POWER_LOW, 280, 330),
        (23, {"watts": 1.4}, lamp_codes.POWER_HIGH, 280, 330),
        (12, {"welded": True}, lamp_codes.BURNS_BY_DAY, 280, 330),
        (23, {"is_mute": True}, lamp_codes.GEAR_SILENT, 45, 200),
    ],
)
def test_a_fault_is_told_when_it_has_lasted_and_cleared_when_it_is_over(
    tmp_path: Path, hour: int, change: dict[str, float], fault: int, not_before_s: int, by_s: int
) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        before = {name: getattr(driver, name) for name in change}
        for name, value in change.items():
            setattr(driver, name, value)
        await asyncio.sleep(not_before_s)
        assert await faults(bench) == []
        await asyncio.sleep(by_s - not_before_s)
        assert await faults(bench) == [(fault, 1)]
        assert (await told(bench.master)).faults == 1 << fault
        for name, value in before.items():
            setattr(driver, name, value)
        await asyncio.sleep(by_s + 130)
        assert await faults(bench) == [(fault, 1), (fault, 0)]
        assert (await told(bench.master)).faults == 0

    on_lamp(tmp_path, hour, body)


def test_a_short_dip_is_no_fault(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        for _ in range(4):
            driver.watts = 0.5
            await asyncio.sleep(200)
            driver.watts = 1.0
            await asyncio.sleep(60)
        assert await faults(bench) == []

    on_lamp(tmp_path, 23, body)


def test_a_figure_from_before_the_lamp_was_switched_blames_nobody(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        for sequence in range(1, 5):  # the meter is read every five minutes, in between the lamp goes on and off
            await command(bench, sequence, 100 * (sequence % 2), hold_s=3600)
            await asyncio.sleep(900)
        assert await faults(bench) == []

    on_lamp(tmp_path, 12, body, period_ms=300_000)


def test_one_figure_of_a_slow_meter_is_no_fault_and_two_are(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        await asyncio.sleep(240)  # a poll is at each full five minutes, one minute has passed before
        for _ in range(2):
            driver.broken = True
            await asyncio.sleep(200)
            driver.broken = False
            await asyncio.sleep(400)
        driver.broken = True
        await asyncio.sleep(60)
        assert await faults(bench) == []
        await asyncio.sleep(600)
        assert await faults(bench) == [(lamp_codes.LAMP_FAILURE, 1)]

    on_lamp(tmp_path, 23, body, period_ms=300_000)


def test_without_supply_the_lamp_is_not_blamed(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        driver.registers[VOLTAGE] = 0
        await asyncio.sleep(600)
        assert await faults(bench) == [(lamp_codes.SUPPLY_LOST, 1)]
        driver.registers[VOLTAGE] = 2300
        await asyncio.sleep(60)
        assert await faults(bench) == [(lamp_codes.SUPPLY_LOST, 1), (lamp_codes.SUPPLY_LOST, 0)]

    on_lamp(tmp_path, 23, body)


def test_a_lamp_that_goes_out_and_comes_again_is_cycling(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        for _ in range(3):
            driver.broken = True
            await asyncio.sleep(30)
            driver.broken = False
            await asyncio.sleep(120)
        assert await faults(bench) == [(lamp_codes.CYCLING, 1)]

    on_lamp(tmp_path, 23, body)


def test_faults_that_nobody_judges_any_more_are_over(tmp_path: Path) -> None:
    async def body(bench: Workbench, driver: Driver) -> None:
        driver.broken = True
        await asyncio.sleep(100)
        assert await faults(bench) == [(lamp_codes.LAMP_FAILURE, 1)]
        await send_schedule(bench.master, writer_of(lamp_table()).schedule())
        await asyncio.sleep(3)
        assert await faults(bench) == [(lamp_codes.LAMP_FAILURE, 1), (lamp_codes.LAMP_FAILURE, 0)]
        assert (await told(bench.master)).faults == 0

    on_lamp(tmp_path, 23, body)


def test_a_schedule_made_for_another_table_judges_no_slot(tmp_path: Path) -> None:
    other = writer_of(lamp_table(period_ms=9000))
    other.set_power(POWER_SLOT, EXPECTED, 50)
    keep_schedule(tmp_path, other.schedule())

    async def body(bench: Workbench) -> None:
        driver = Driver(bench)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        driver.broken = True
        await asyncio.sleep(200)
        assert driver.level_pct == 70
        assert await faults(bench) == []

    on_bench(tmp_path, lamp_table(), body)
