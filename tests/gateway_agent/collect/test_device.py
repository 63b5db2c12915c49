"""Polling devices on a bus of the gateway: simulated devices made from their profiles, and faults on their line."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway_agent.collect.device import DevicePoller
from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner
from gateway_agent.config import BusConfig, BusDeviceConfig, Device
from gateway_agent.profiles import load_profile, resolve
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.line_faults import BitFlips, LineFaults, LostBytes, NoiseBefore, Truncated
from hardware.rig.serial_url import SerialPort
from protocols import quality
from tests.gateway_agent.collect.model_node import Sink

PROFILES = ("peacefair-pzem-016", "xy-md02", "qdy30a", "4mz-hh4")


class DeviceBench:
    """A bus at 9600 baud with one simulated device per profile, each polled every two seconds."""

    def __init__(self, clock: RigClock, profiles: tuple[str, ...] = PROFILES) -> None:
        self.clock = clock
        self.bus = Bus("mixed", 9600)
        self.port = SerialPort("device-bench", self.bus)
        self.sink = Sink()
        self.latest = LatestValues()
        self.config = BusConfig(name="mixed", port=self.port.path, baud=9600)
        self.owner = BusOwner(self.config, SerialLine(self.config, clock, AutoDirection()))
        self.devices: dict[str, SimulatedDevice] = {}
        self.pollers: dict[str, DevicePoller] = {}
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.owner.run())]
        for index, profile in enumerate(profiles):
            self._add(f"d{index}", profile, 10 * index + 1)

    def _add(self, name: str, profile: str, unit: int) -> None:
        simulated = SimulatedDevice(load_profile(profile), unit, name, clock=self.clock)
        for point in simulated.points.values():
            simulated.set(point.name, max(point.low, min(point.high, 7)))
        simulated.connect(self.bus)
        simulated.refresh()
        config = BusDeviceConfig(name=name, profile=profile, unit=unit, every_s=2, bus="mixed")
        device = Device(config, resolve(load_profile(profile)), None, self.config)
        poller = DevicePoller(device, self.owner, self.clock, self.latest, self.sink)
        self.devices[name], self.pollers[name] = simulated, poller
        self.tasks.append(asyncio.get_running_loop().create_task(poller.run()))

    def count(self, name: str) -> int:
        """Samples of one device so far, in whole polls."""
        mine = [sample for sample in self.sink.samples if sample.point.startswith(f"{name}/")]
        return len(mine) // len(self.devices[name].points)

    async def close(self) -> None:
        """End the tasks and leave the bus."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.port.close()


def on_device_bench(body: Callable[[DeviceBench], Awaitable[None]], profiles: tuple[str, ...] = PROFILES) -> None:
    async def main(clock: RigClock) -> None:
        bench = DeviceBench(clock, profiles)
        try:
            await body(bench)
            assert not any(task.done() for task in bench.tasks)
        finally:
            await bench.close()

    run_virtual(main)


def test_every_point_is_read_at_its_period_and_holds_what_the_device_holds() -> None:
    async def body(bench: DeviceBench) -> None:
        await asyncio.sleep(21)
        for name, device in bench.devices.items():
            assert bench.count(name) == 10
            for sample in bench.sink.samples:
                owner, point = sample.point.split("/")
                if owner == name:
                    assert sample.value == device.value(point)
                    assert sample.exponent == device.points[point].exponent
                    assert sample.time_ms % 2_000 < 1_000

    on_device_bench(body)


def test_a_zero_before_every_answer_loses_no_reading() -> None:
    async def body(bench: DeviceBench) -> None:
        for device in bench.devices.values():
            assert device.drop is not None
            device.drop.faults = LineFaults(3, NoiseBefore())
        await asyncio.sleep(41)
        assert [bench.count(name) for name in bench.devices] == [20] * len(bench.devices)
        assert bench.owner.line.counters.noise_bytes >= 20 * len(bench.devices)

    on_device_bench(body)


def test_eight_bytes_of_noise_before_every_answer_lose_no_reading() -> None:
    async def body(bench: DeviceBench) -> None:
        for device in bench.devices.values():
            assert device.drop is not None
            device.drop.faults = LineFaults(4, NoiseBefore(value=None, count=8))
        await asyncio.sleep(41)
        assert [bench.count(name) for name in bench.devices] == [20] * len(bench.devices)

    on_device_bench(body)


def test_a_bad_line_costs_readings_and_gives_no_wrong_one() -> None:
    async def body(bench: DeviceBench) -> None:
        for number, device in enumerate(bench.devices.values()):
            assert device.drop is not None
            device.drop.faults = LineFaults(number, BitFlips(0.002), LostBytes(0.01), Truncated(0.1))
        await asyncio.sleep(120)
        assert len(bench.sink.samples) > 200
        for sample in bench.sink.samples:
            name, point = sample.point.split("/")
            assert sample.value == bench.devices[name].value(point)
        assert bench.owner.line.counters.damaged > 10

    on_device_bench(body)


def test_a_dead_device_does_not_slow_the_others() -> None:
    async def body(bench: DeviceBench) -> None:
        bench.devices["d0"].powered = False
        await asyncio.sleep(121)
        assert bench.count("d0") == 0
        assert [bench.count(name) for name in ("d1", "d2", "d3")] == [60, 60, 60]
        assert [(event.name, event.code) for event in bench.sink.noticed_events] == [("d0", "device-lost")]
        silent = bench.owner.line.counters.silent
        await asyncio.sleep(120)
        assert bench.owner.line.counters.silent - silent <= 3
        bench.devices["d0"].powered = True
        await asyncio.sleep(62)
        assert bench.count("d0") > 0
        assert bench.sink.noticed_events[-1].code == "device-back"
        assert bench.pollers["d0"].problem is None

    on_device_bench(body)


def test_a_value_outside_its_range_or_without_meaning_is_no_reading() -> None:
    async def body(bench: DeviceBench) -> None:
        await asyncio.sleep(5)
        before = len(bench.sink.samples)
        device = bench.devices["d1"]
        device.set("temperature", device.points["temperature"].high + 1)
        device.refresh()
        await asyncio.sleep(4)
        states = {state.point: state.quality for state in bench.latest.states()}
        assert states["d1/temperature"] == quality.RANGE
        assert states["d1/humidity"] == quality.GOOD
        fresh = [sample.point for sample in bench.sink.samples[before:]]
        assert "d1/humidity" in fresh
        assert fresh.count("d1/temperature") <= 1

    on_device_bench(body, ("peacefair-pzem-016", "xy-md02"))


def test_a_port_that_goes_away_loses_no_device() -> None:
    async def body(bench: DeviceBench) -> None:
        await asyncio.sleep(5)
        bench.port.unplug()
        await asyncio.sleep(30)
        assert bench.sink.noticed_events == []
        assert {state.quality for state in bench.latest.states()} == {quality.NO_ANSWER}
        bench.port.replug()
        await asyncio.sleep(40)
        assert {state.quality for state in bench.latest.states()} == {quality.GOOD}

    on_device_bench(body)
