import asyncio
import struct
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusSerialClient

from gateway_agent.profiles.decode import decode
from gateway_agent.profiles.load import load_profile
from gateway_agent.profiles.requests import plan_requests
from hardware.rig.air import OWN_FILE, read_air
from hardware.rig.bus import Bus
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.inputs import Inputs
from hardware.rig.lamp_physics import Lamp
from hardware.rig.manhole import GasLeak
from hardware.rig.serial_url import SerialPort
from hardware.rig.truth import Truth
from hardware.rig.world import World, cover_moments

HOURS = read_air(OWN_FILE)
PROFILES = {
    "air": "renke-rs-fsxcs",
    "gases": "greenioiot-micro-station",
    "lamp": "ecodim-dali-gw2",
    "meter": "peacefair-pzem-016",
    "housing": "xy-md02",
    "mains": "eastron-sdm120",
    "level": "qdy30a",
    "gas": "4mz-hh4",
}


class Pole:
    """One of each device, placed in a world."""

    def __init__(self, seed: int, clock: RigClock, seconds_per_hour: float = 60.0) -> None:
        self.truth = Truth()
        self.devices = {
            name: SimulatedDevice(load_profile(profile), 1, name, clock=clock, truth=self.truth)
            for name, profile in PROFILES.items()
        }
        self.pins: dict[int, int] = {}
        self.cover = Inputs(
            load_profile("generic-door-switch"),
            "cover",
            clock=clock,
            set_pin=self.pins.__setitem__,
            truth=self.truth,
        )
        self.world = World(
            seed,
            clock,
            seconds_per_hour=seconds_per_hour,
            hours=HOURS,
            cover_open=lambda: bool(self.cover.value("open")),
        )
        self.lamp = self.world.lamp(self.devices["lamp"])
        scenes = {
            "air": self.world.air,
            "gases": self.world.air,
            "lamp": self.lamp,
            "meter": self.lamp,
            "housing": self.lamp,
            "mains": self.world.mains,
            "level": self.world.manhole,
            "gas": self.world.manhole,
        }
        for name, scene in scenes.items():
            self.world.place(self.devices[name], scene)

    def dim(self, raw: int) -> None:
        """Dim the lamp, as a master would."""
        output = self.devices["lamp"].lamp
        assert output is not None
        output.write(raw)
        output.arrive(raw)


def run_of(seed: int, seconds: float, seconds_per_hour: float = 60.0) -> Truth:
    async def main(clock: RigClock) -> Truth:
        pole = Pole(seed, clock, seconds_per_hour)
        pole.world.start()
        await asyncio.sleep(seconds)
        pole.world.stop()
        return pole.truth

    return run_virtual(main)


def history(truth: Truth) -> Mapping[str, list[tuple[int, int, int]]]:
    return {point: truth.values_between(point, 0, 2**60) for point in truth.points()}


def test_one_seed_gives_one_world_and_another_seed_another() -> None:
    first, again, other = (history(run_of(seed, 60)) for seed in (4, 4, 5))
    assert first == again
    moved = [point for point in first if first[point] != other[point]]
    assert len(moved) > 40


def test_values_change_only_at_whole_periods_of_unix_time() -> None:
    spans = [span for spans in history(run_of(1, 60)).values() for span in spans]
    assert all(begin % 2000 == 0 for begin, _, _ in spans)
    assert len({begin for begin, _, _ in spans}) > 25


def test_every_value_is_plausible_and_the_gateway_decodes_it() -> None:
    async def main(clock: RigClock) -> int:
        pole = Pole(3, clock, seconds_per_hour=20)
        pole.world.start()
        checked = 0
        for _ in range(300):
            await asyncio.sleep(48)
            for device in pole.devices.values():
                limits = device.resolved.profile.device.requests
                for request in plan_requests(device.resolved.points, limits.max_registers, limits.max_gap):
                    data = device.image.read(request.unit_offset, request.function, request.address, request.count)
                    assert data is not None
                    registers = struct.unpack(f">{request.count}H", data)
                    for point in request.points:
                        value, _ = decode(point, registers, request.address)
                        assert value is not None, f"{device.name}/{point.name} is not plausible"
                        assert value == pole.truth.value_at(f"{device.name}/{point.name}", clock.unix_ms())
                        checked += 1
        return checked

    assert run_virtual(main) > 300 * 40


def test_what_pymodbus_polls_is_what_the_truth_held() -> None:
    async def main(clock: RigClock) -> int:
        pole = Pole(8, clock)
        bus = Bus("sensors", baud=9600)
        device = pole.devices["air"]
        device.connect(bus)
        port = SerialPort("sensors", bus)
        client = AsyncModbusSerialClient(port.path, baudrate=9600, timeout=0.5, retries=0)
        await client.connect()
        pole.world.start()
        checked = 0
        requests = plan_requests(device.resolved.points, 32, 2)
        for _ in range(60):
            await asyncio.sleep(0.4 + (-clock.unix_ms() % 2000) / 1000)
            for request in requests:
                answer = await client.read_holding_registers(request.address, count=request.count, device_id=1)
                for point in request.points:
                    value, _ = decode(point, answer.registers, request.address)
                    assert value == pole.truth.value_at(f"air/{point.name}", clock.unix_ms())
                    checked += 1
                await asyncio.sleep(0.1)
        client.close()
        port.close()
        assert device.counts["put-off"] == 0
        return checked

    assert run_virtual(main) >= 60 * 14


def test_power_energy_and_temperature_follow_the_level() -> None:
    async def main(clock: RigClock) -> list[dict[str, float]]:
        pole = Pole(2, clock, seconds_per_hour=1e9)
        pole.world.start()
        seen = []
        for raw in (254, 170, 0):
            pole.dim(raw)
            await asyncio.sleep(1800)
            seen.append(dict(pole.lamp.quantities) | {"mains": pole.world.mains.quantities["power"]})
        return seen

    full, dimmed, off = run_virtual(main)
    assert full["power"] == pytest.approx(80.6)
    assert dimmed["power"] == pytest.approx(0.6 + 80 * (0.05 + 0.095), rel=0.05)
    assert off["power"] == pytest.approx(0.6)
    assert dimmed["energy"] - full["energy"] == pytest.approx(dimmed["power"] / 2, rel=0.02)
    assert full["temperature"] > dimmed["temperature"] + 15 > off["temperature"] + 15
    assert full["power_factor"] > dimmed["power_factor"] > off["power_factor"]
    assert full["mains"] - off["mains"] == pytest.approx(80)
    assert (full["lamp_status"], off["lamp_status"]) == (4, 0)


def test_a_lamp_that_failed_takes_no_power_and_says_so() -> None:
    async def main(clock: RigClock) -> tuple[Lamp, Pole]:
        pole = Pole(2, clock)
        pole.world.start()
        pole.lamp.failed = True
        await asyncio.sleep(4)
        return pole.lamp, pole

    lamp, pole = run_virtual(main)
    assert lamp.quantities["power"] < 1
    assert pole.devices["lamp"].value("driver_status") == 2


def test_an_open_cover_lets_fresh_air_in_and_a_leak_raises_methane() -> None:
    async def main(clock: RigClock) -> list[int | None]:
        pole = Pole(6, clock, seconds_per_hour=1e9)
        pole.world.manhole.leaks.append(GasLeak(100, 200, 40))
        pole.world.start()
        gas = pole.devices["gas"]
        seen = []
        await asyncio.sleep(10)
        seen.append(gas.value("co"))
        pole.world.at(clock.unix_ms() + 1500, lambda: pole.cover.set("open", 1))
        await asyncio.sleep(88)
        seen += [gas.value("co"), pole.cover.value("open"), pole.truth.value_at("cover/open", clock.unix_ms())]
        assert pole.pins == {32: 1}
        await asyncio.sleep(52)
        seen.append(gas.value("ch4"))
        return seen

    before, after, cover, held, methane = run_virtual(main)
    assert before is not None
    assert after is not None
    assert methane is not None
    assert before > after
    assert (cover, held) == (1, 1)
    assert methane > 350


def test_what_was_scheduled_does_not_happen_after_the_stop() -> None:
    async def main(clock: RigClock) -> tuple[int, int, list[int]]:
        pole = Pole(6, clock)
        happened: list[int] = []
        pole.world.start()
        for second in (5, 15):
            pole.world.at(DEMO_START_UNIX_MS + second * 1000, lambda: happened.append(clock.unix_ms()))
        await asyncio.sleep(10)
        pole.world.stop()
        refreshes = pole.world.refreshes
        await asyncio.sleep(10)
        return refreshes, pole.world.refreshes, happened

    refreshes, later, happened = run_virtual(main)
    assert refreshes == later
    assert happened == [pytest.approx(DEMO_START_UNIX_MS + 5000, abs=1)]


def test_a_device_that_drives_no_lamp_makes_no_lamp() -> None:
    async def main(clock: RigClock) -> None:
        pole = Pole(6, clock)
        with pytest.raises(ValueError, match="meter drives no lamp"):
            pole.world.lamp(pole.devices["meter"])

    run_virtual(main)


@given(st.integers(0, 10**6), st.integers(20, 4000))
def test_the_cover_opens_once_within_the_run_and_between_polls(seed: int, seconds: int) -> None:
    moments = cover_moments(seed, DEMO_START_UNIX_MS, seconds)
    assert 0 < moments.open_ms - DEMO_START_UNIX_MS < seconds * 500
    assert moments.open_ms + 2000 <= moments.close_ms < DEMO_START_UNIX_MS + seconds * 800 + 1500
    assert moments.open_ms % 2000 == moments.close_ms % 2000 == 1500
