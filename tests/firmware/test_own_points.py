"""What the node measures itself: a current loop, the tips of a rain gauge, the tilt of a cover."""

import asyncio
from pathlib import Path

import pytest

from hardware.rig.accelerometer import Lis3dh
from protocols import quality
from tests.firmware.sensor_tables import pole_of, table_and_slots
from tests.firmware.workbench import Workbench, on_bench

ADC_PIN, RAIN_PIN = 36, 33
SHUNT_OHM = 120

CURRENTS = [
    (0, 0, quality.WIRE_BREAK),
    (3590, 0, quality.WIRE_BREAK),
    (3610, 0, quality.RANGE),  # no wire break, but nothing that a probe of 0 to 5 m says
    (4000, 0, quality.GOOD),
    (12000, 2500, quality.GOOD),
    (20000, 5000, quality.GOOD),
    (20900, 5281, quality.GOOD),
    (21100, 0, quality.SHORT_CIRCUIT),
    (30000, 0, quality.SHORT_CIRCUIT),
]


@pytest.mark.parametrize(("microamps", "value", "reason"), CURRENTS)
def test_a_current_is_a_level_or_a_fault(tmp_path: Path, microamps: int, value: int, reason: int) -> None:
    table, slots = table_and_slots(pole_of(("generic-4-20ma", {"pin": ADC_PIN})))

    async def body(bench: Workbench) -> None:
        bench.machine.set_adc(ADC_PIN, microamps * SHUNT_OHM)
        await bench.power_on()
        await asyncio.sleep(5)
        slot = await bench.master.slot(slots["level"])
        assert slot.quality == reason
        assert abs(slot.value - value) <= 1

    on_bench(tmp_path, table, body)


async def tip(bench: Workbench, chatter: int = 0) -> None:
    """Close the reed for 60 ms; it may chatter at both ends."""
    for level in (0, 1):
        for _ in range(chatter):
            bench.machine.set_pin(RAIN_PIN, level)
            await asyncio.sleep(0.002)
            bench.machine.set_pin(RAIN_PIN, 1 - level)
            await asyncio.sleep(0.003)
        bench.machine.set_pin(RAIN_PIN, level)
        await asyncio.sleep(0.06)


def test_tips_are_counted_once_each(tmp_path: Path) -> None:
    table, slots = table_and_slots(pole_of(("tipping-bucket", {"pin": RAIN_PIN})))

    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(RAIN_PIN, 1)
        await bench.power_on()
        for index in range(12):
            await tip(bench, chatter=index % 4)
            await asyncio.sleep(0.4)
        await asyncio.sleep(3)
        slot = await bench.master.slot(slots["tips"])
        assert (slot.value, slot.quality) == (12, quality.GOOD)

    on_bench(tmp_path, table, body)


def test_a_tilt_is_learned_and_measured(tmp_path: Path) -> None:
    table, slots = table_and_slots(pole_of(("st-lis3dh", {})))

    async def body(bench: Workbench) -> None:
        sensor = Lis3dh(bench.machine)
        sensor.turn(3)
        await bench.power_on()
        await asyncio.sleep(4)
        assert (await bench.master.slot(slots["tilt"])).quality == quality.WARMING_UP
        await asyncio.sleep(10)
        assert sensor.is_set_up
        slot = await bench.master.slot(slots["tilt"])
        assert (slot.value, slot.quality) == (0, quality.GOOD)
        assert abs((await bench.master.slot(slots["inclination"])).value - 30) <= 2
        sensor.turn(28)
        await asyncio.sleep(6)
        assert abs((await bench.master.slot(slots["tilt"])).value - 250) <= 2
        sensor.unplug()
        await asyncio.sleep(6)
        slot = await bench.master.slot(slots["tilt"])
        assert (slot.value, slot.quality) == (0, quality.NO_ANSWER)
        sensor.plug()
        await asyncio.sleep(6)
        assert abs((await bench.master.slot(slots["tilt"])).value - 250) <= 2

    on_bench(tmp_path, table, body)


def test_an_accelerometer_that_loses_its_power_for_a_moment_is_set_up_again(tmp_path: Path) -> None:
    table, slots = table_and_slots(pole_of(("st-lis3dh", {})))

    async def body(bench: Workbench) -> None:
        sensor = Lis3dh(bench.machine)
        await bench.power_on()
        await asyncio.sleep(14)
        sensor.turn(25)
        sensor.plug()  # it answers all the time, and shows zeros since
        assert not sensor.is_set_up
        await asyncio.sleep(10)
        assert sensor.is_set_up
        assert abs((await bench.master.slot(slots["tilt"])).value - 250) <= 2
        sensor.point(30, -20, 100)  # a broken one: a tenth of gravity is no direction
        await asyncio.sleep(10)
        slot = await bench.master.slot(slots["tilt"])
        assert (slot.value, slot.quality) == (0, quality.NO_ANSWER)

    on_bench(tmp_path, table, body)


def test_what_was_learned_outlives_a_power_cut(tmp_path: Path) -> None:
    table, slots = table_and_slots(pole_of(("st-lis3dh", {})))

    async def body(bench: Workbench) -> None:
        sensor = Lis3dh(bench.machine)
        sensor.turn(5)
        await bench.power_on()
        await asyncio.sleep(15)
        bench.machine.kill()
        sensor.plug()
        sensor.turn(45)
        await bench.power_on()
        await asyncio.sleep(15)
        assert abs((await bench.master.slot(slots["tilt"])).value - 400) <= 2

    on_bench(tmp_path, table, body)
