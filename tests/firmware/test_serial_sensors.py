"""Serial sensors in the machine: what each profile gives, and what becomes of silence, garbage and wrong figures."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import reduce
from operator import xor
from pathlib import Path
from random import Random
from typing import Any

import pytest

from gateway_agent.profiles import load_profile
from gateway_agent.profiles.load import profile_directory
from hardware.rig.serial_sensor import SerialSensor
from protocols import event_codes, node_map, quality
from tests.firmware.sensor_tables import pole_of, table_and_slots
from tests.firmware.workbench import Workbench, on_bench

Body = Callable[[Workbench, SerialSensor, dict[str, int]], Awaitable[None]]


def with_sensor(
    folder: Path, profile: str, body: Body, options: dict[str, Any] | None = None, every_s: float = 2.0
) -> None:
    """A node with one serial sensor on its second UART; the sensor has power before the node has."""
    table, slots = table_and_slots(pole_of((profile, options or {}), every_s=every_s))

    async def on(bench: Workbench) -> None:
        sensor = SerialSensor(load_profile(profile), profile, options)
        sensor.connect(bench.sensors)
        await bench.power_on()
        await body(bench, sensor, slots)
        sensor.disconnect()

    on_bench(folder, table, on)


async def settled(bench: Workbench, seconds: float) -> None:
    """Let so long pass while the gateway asks nothing."""
    await asyncio.sleep(seconds)


FIGURES = [
    ("plantower-pms5003", {"pm1": 7, "pm2_5": 35, "pm10": 48, "count_0_3": 4711}, {}),
    ("plantower-pms7003", {"pm2_5": 999}, {}),
    ("nova-sds011", {"pm2_5": 351, "pm10": 487}, {}),
    ("winsen-mh-z19", {"co2": 544, "housing": 21}, {}),
    ("winsen-ze07-co", {"co": 37}, {}),
    ("uart-4in1-gas", {"co": 12, "h2s": 3, "o2": 207, "ch4": 4}, {}),
    ("dfrobot-a02yyuw", {"distance": 1953}, {}),
    ("jsn-sr04t", {"distance": 1953}, {}),
    ("jsn-sr04t", {"distance": 641}, {"checksum_first": 1}),
    (
        "nmea-gnss",
        {"latitude": 39_911_953, "longitude": 116_377_817, "time_of_day": 3723, "satellites": 11, "altitude": 432},
        {},
    ),
    ("nmea-gnss", {"latitude": -33_856_784, "longitude": -151_215_297}, {}),
]


@pytest.mark.parametrize(("profile", "figures", "options"), FIGURES)
def test_a_sensor_is_read(tmp_path: Path, profile: str, figures: dict[str, int], options: dict[str, Any]) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        for point, value in figures.items():
            sensor.set(point, value)
        warm_up_s = sensor.frame.warm_up_s
        await settled(bench, 10)
        first = await bench.master.slot(slots[next(iter(figures))])
        if warm_up_s:
            assert (first.value, first.quality) == (0, quality.WARMING_UP)
            await settled(bench, warm_up_s)
        for point, value in figures.items():
            slot = await bench.master.slot(slots[point])
            assert slot.quality == quality.GOOD, point
            assert abs(slot.value - value) <= (1 if point in ("latitude", "longitude") else 0), point
        assert (sensor.counts["set-up"] > 0) == bool(sensor.frame.setup)

    with_sensor(tmp_path, profile, body, options)


def test_a_level_is_the_height_less_the_distance(tmp_path: Path) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.set("distance", 1953)
        await settled(bench, 6)
        assert (await bench.master.slot(slots["level"])).value == 547
        sensor.set_raw("distance", 0xFFFF)
        await settled(bench, 6)
        for point in ("distance", "level"):
            slot = await bench.master.slot(slots[point])
            assert (slot.value, slot.quality) == (0, quality.NO_ECHO)
        sensor.set_raw("distance", 20)  # nearer than it can see
        await settled(bench, 6)
        slot = await bench.master.slot(slots["distance"])
        assert (slot.value, slot.quality) == (0, quality.RANGE)

    with_sensor(tmp_path, "dfrobot-a02yyuw", body, {"mount_height_mm": 2500})


@pytest.mark.parametrize("profile", ["dfrobot-a02yyuw", "jsn-sr04t"])
def test_a_single_false_echo_is_none_and_no_old_figure_outlives_a_gap(tmp_path: Path, profile: str) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        async def told(distance: int) -> list[int]:
            """What is told while one poll hears `distance` and the two after it 2000 again."""
            found = []
            for heard in (distance, 2000, 2000):
                sensor.set("distance", heard)
                await settled(bench, 20)
                slot = await bench.master.slot(slots["distance"])
                assert slot.quality == quality.GOOD
                found.append(slot.value)
            return found

        sensor.set("distance", 2000)
        await settled(bench, 70)
        assert await told(400) == [2000, 2000, 2000]
        assert await told(2003) == [2000, 2000, 2000]
        for pause_s in (0, 100):
            if pause_s:
                sensor.powered = False
            else:
                sensor.set_raw("distance", 0xFFFF)
            await settled(bench, 20 + pause_s)
            sensor.powered = True
            sensor.set("distance", 1000)
            while (slot := await bench.master.slot(slots["distance"])).quality != quality.GOOD:
                await settled(bench, 5)
            assert slot.value == 1000

    with_sensor(tmp_path, profile, body, every_s=20.0)


def test_a_sensor_that_falls_silent_is_lost_and_warms_up_again_when_it_is_back(tmp_path: Path) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.set("pm2_5", 35)
        await settled(bench, 45)
        assert (await bench.master.slot(slots["pm2_5"])).quality == quality.GOOD
        sensor.powered = False
        await settled(bench, 60)
        slot = await bench.master.slot(slots["pm2_5"])
        assert (slot.value, slot.quality) == (0, quality.NO_ANSWER)
        sensor.powered = True
        while (await bench.master.slot(slots["pm2_5"])).quality == quality.NO_ANSWER:
            await settled(bench, 5)
        assert (await bench.master.slot(slots["pm2_5"])).quality == quality.WARMING_UP
        codes = [event.code for event in await bench.master.events()]
        assert codes[1:] == [event_codes.DEVICE_LOST, event_codes.DEVICE_BACK]
        await settled(bench, sensor.frame.warm_up_s + 5)
        assert (await bench.master.slot(slots["pm2_5"])).quality == quality.GOOD

    with_sensor(tmp_path, "nova-sds011", body)


def test_a_sensor_that_has_lost_its_power_is_set_up_again(tmp_path: Path) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.set("o2", 205)
        await settled(bench, 200)
        assert (await bench.master.slot(slots["o2"])).value == 205
        assert sensor.counts["set-up"] == 1
        sensor.powered = False
        await settled(bench, 3)
        sensor.powered = True
        await settled(bench, 30)
        assert sensor.counts["set-up"] >= 2
        assert (await bench.master.slot(slots["o2"])).value == 205

    with_sensor(tmp_path, "uart-4in1-gas", body)


def test_nothing_counts_before_the_fix_is_valid(tmp_path: Path) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.has_fix = False
        await settled(bench, 10)
        for name in slots:
            slot = await bench.master.slot(slots[name])
            assert (slot.value, slot.quality) == (0, quality.INVALID), name
        sensor.has_fix = True
        sensor.set("latitude", 26_647_000)
        await settled(bench, 6)
        assert (await bench.master.slot(slots["latitude"])).value == 26_647_000

    with_sensor(tmp_path, "nmea-gnss", body)


@pytest.mark.parametrize("talker", ["GB", "BD", "GP"])
def test_every_talker_counts(tmp_path: Path, talker: str) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.set("longitude", 106_630_000)
        await settled(bench, 6)
        assert (await bench.master.slot(slots["longitude"])).value == 106_630_000

    original = SerialSensor.sentence
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SerialSensor, "sentence", lambda self, name: original(self, name, talker))
        with_sensor(tmp_path, "nmea-gnss", body)


OTHERS = (
    "GNGGA,055730.000,2638.8200,N,10637.8000,E,1,09,0.9,1071.2,M,0.0,M,,",
    "GNGLL,2638.8200,N,10637.8000,E,055730.000,A,A",
    "GNGSA,A,3,05,13,15,18,24,,,,,,,,1.8,0.9,1.5,1",
    "GNGSA,A,3,07,10,21,26,38,40,,,,,,,1.8,0.9,1.5,4",
    "GPGSV,3,1,10,05,58,034,34,13,47,104,30,15,60,291,37,18,32,313,29,0",
    "GPGSV,3,2,10,20,07,042,,23,16,296,22,24,42,174,31,28,11,138,,0",
    "GPGSV,3,3,10,29,05,252,,50,51,133,,0",
    "BDGSV,3,1,11,07,61,188,33,10,70,281,35,21,45,085,31,26,38,140,30,0",
    "GBGSV,3,2,11,38,53,327,36,40,61,024,32,22,12,052,,29,08,311,19,1",
    "GBGSV,3,3,11,03,58,190,,04,34,119,,06,57,170,28,1",
    "GNRMC,055730.000,A,2638.8200,N,10637.8000,E,0.00,0.00,201126,,,A,V",
    "GNVTG,0.00,T,,M,0.00,N,0.00,K,A",
    "GNZDA,055730.000,20,11,2026,00,00",
    "GPTXT,01,01,01,ANTENNA OK",
)
"""A second of a receiver of GPS and BeiDou as it leaves the factory: some 800 bytes, the RMC near the end."""


def test_a_burst_of_many_sentences_is_read(tmp_path: Path) -> None:
    def burst() -> bytes:
        checks = [reduce(xor, text.encode("ascii")) for text in OTHERS]
        return b"".join(f"${text}*{check:02X}\r\n".encode() for text, check in zip(OTHERS, checks, strict=True))

    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.spoil = lambda _frame: burst()
        await settled(bench, 20)
        wanted = {"latitude": 26_647_000, "longitude": 106_630_000, "satellites": 9, "altitude": 10712}
        for point, value in wanted.items():
            slot = await bench.master.slot(slots[point])
            assert (slot.value, slot.quality) == (value, quality.GOOD), point
        counter = (await bench.master.slot(slots["latitude"])).counter
        await settled(bench, 40)
        assert (await bench.master.slot(slots["latitude"])).counter - counter >= 9  # every 4 s, and no poll misses
        assert await bench.master.health(node_map.HEALTH_POLLS_FAILED) == 0

    with_sensor(tmp_path, "nmea-gnss", body, every_s=4.0)


def test_figures_that_never_move_are_stuck(tmp_path: Path) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        sensor.set("co2", 544)
        await settled(bench, 12 * 60)
        assert (await bench.master.slot(slots["co2"])).quality == quality.GOOD
        await settled(bench, 3 * 60)
        slot = await bench.master.slot(slots["co2"])
        assert (slot.value, slot.quality) == (0, quality.STUCK)
        assert (await bench.master.slot(slots["housing"])).quality == quality.GOOD
        sensor.set("co2", 545)
        await settled(bench, 60)
        assert (await bench.master.slot(slots["co2"])).value == 545
        sensor.powered = False  # what it shows after a pause is new, though it be the same
        await settled(bench, 15 * 60)
        sensor.powered = True
        await settled(bench, 6 * 60)
        slot = await bench.master.slot(slots["co2"])
        assert (slot.value, slot.quality) == (545, quality.GOOD)

    text = (profile_directory() / "winsen-mh-z19.toml").read_text()
    (tmp_path / "quick.toml").write_text(text.replace("stuck_min = 1440", "stuck_min = 10"))
    with_sensor(tmp_path / "node", str(tmp_path / "quick.toml"), body, every_s=20.0)


@pytest.mark.parametrize("profile", ["plantower-pms5003", "winsen-mh-z19", "dfrobot-a02yyuw", "nmea-gnss"])
def test_a_damaged_frame_gives_no_number_and_the_next_right_one_does(tmp_path: Path, profile: str) -> None:
    async def body(bench: Workbench, sensor: SerialSensor, slots: dict[str, int]) -> None:
        first = next(iter(slots))
        random = Random(profile)

        def one_bit(frame: bytes) -> bytes:
            damaged = bytearray(frame)
            for at in range(0, len(frame), 4):  # so that each sentence of a burst is hit
                damaged[at + random.randrange(min(4, len(frame) - at))] ^= 1 << random.randrange(7)
            return bytes(damaged)

        await settled(bench, sensor.frame.warm_up_s + 10)
        good = (await bench.master.slot(slots[first])).counter
        sensor.spoil = one_bit
        await settled(bench, 30)
        slot = await bench.master.slot(slots[first])
        assert (slot.value, slot.quality) == (0, quality.BAD_ANSWER)
        sensor.spoil = lambda frame: random.randbytes(random.randrange(40)) + frame + random.randbytes(3)
        await settled(bench, sensor.frame.warm_up_s + 60)
        slot = await bench.master.slot(slots[first])
        assert slot.quality == quality.GOOD
        assert slot.counter != good

    with_sensor(tmp_path, profile, body)
