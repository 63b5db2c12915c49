"""Polling devices on a bus of the gateway: simulated devices made from their profiles, and faults on their line."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest

from gateway_agent.collect.device import DevicePoller
from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.request import Answer
from gateway_agent.config import BusConfig, BusDeviceConfig, Device
from gateway_agent.profiles import load_profile, resolve
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.line_faults import BitFlips, LineFaults, LostBytes, NoiseBefore, Outgoing, Truncated
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
                    assert sample.time_ms % 2_000 == 0

    on_device_bench(body)


def test_an_answer_that_comes_more_than_a_second_after_its_slot_keeps_its_own_time() -> None:
    async def body(bench: DeviceBench) -> None:
        await asyncio.sleep(3)
        ask, waits_ms = bench.owner.ask, iter([700, 950, 1_300])
        expected = []

        async def ask_later(*request: Any) -> Answer:
            wait_ms = next(waits_ms, 0)
            await asyncio.sleep(wait_ms / 1000)
            answer = await ask(*request)
            expected.append(wait_ms)
            await asyncio.sleep(0.2)  # it is not handed on at once
            return answer

        bench.owner.ask = ask_later  # type: ignore[method-assign]
        bench.sink.samples.clear()
        await asyncio.sleep(6.8)
        late_ms = [sample.time_ms % 2_000 for sample in bench.sink.samples if sample.point.endswith("level")]
        assert expected == [700, 950, 1_300]
        assert late_ms[:2] == [0, 0]
        assert 1_300 < late_ms[2] < 1_400

    on_device_bench(body, ("qdy30a",))


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


def random_answers(bench: DeviceBench, name: str) -> None:
    """Let a device answer with bytes that mean nothing."""
    drop = bench.devices[name].drop
    assert drop is not None
    drop.faults = LineFaults(5, Garbage())


@dataclass(frozen=True)
class Garbage:
    """Every frame becomes random bytes of the same length."""

    def damage(self, frame: Outgoing, random: Random) -> Outgoing:
        return Outgoing(random.randbytes(len(frame.data)), frame.delay_s)


SDM_AND_OTHERS = ("eastron-sdm120", "peacefair-pzem-016", "xy-md02", "qdy30a")
SAYS_WHAT_TO_DO = {
    "garbage": "d0: damaged answer: check baud and parity, A/B, a second device with this unit id",
    "silence": "d0: no answer: check power, A/B, unit id",
}


@pytest.mark.parametrize("trouble", SAYS_WHAT_TO_DO)
def test_a_device_without_a_usable_answer_is_told_soon_and_does_not_slow_the_others(
    trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(bench: DeviceBench) -> None:
        if trouble == "garbage":
            random_answers(bench, "d0")
        else:
            bench.devices["d0"].powered = False
        await asyncio.sleep(7)
        assert str(bench.pollers["d0"].problem).startswith(SAYS_WHAT_TO_DO[trouble])
        await asyncio.sleep(114)
        assert [(event.name, event.code) for event in bench.sink.noticed_events] == [("d0", "device-lost")]
        counts = [bench.count(name) for name in bench.devices]
        print(f"{trouble}: readings of each device in 121 s: {counts}")
        assert counts == [0, 60, 60, 60]

    with caplog.at_level(logging.INFO, "gateway_agent"):
        on_device_bench(body, SDM_AND_OTHERS)
    told = [record.message for record in caplog.records if record.message.startswith("d0")]
    assert len(told) == 2
    assert told[1].endswith("asking more seldom until it answers")


def test_a_device_that_never_stops_sending_is_told_by_the_first_request() -> None:
    async def body(bench: DeviceBench) -> None:
        babbler = bench.bus.attach("babbler")
        await asyncio.sleep(5)
        for _ in range(600):
            babbler.send(bytes(16))
        await asyncio.sleep(4)
        problems = [poller.problem for poller in bench.pollers.values() if poller.problem is not None]
        assert any("find it by unplugging one by one" in problem for problem in problems)
        await asyncio.sleep(70)
        assert [poller.problem for poller in bench.pollers.values()] == [None] * len(bench.pollers)

    on_device_bench(body, SDM_AND_OTHERS)


def test_a_device_that_answers_now_and_then_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def body(bench: DeviceBench) -> None:
        for _ in range(30):
            await asyncio.sleep(4)
            bench.devices["d0"].powered = not bench.devices["d0"].powered
        await asyncio.sleep(20)
        assert bench.pollers["d0"].problem is None
        assert bench.count("d0") > 20

    with caplog.at_level(logging.INFO, "gateway_agent"):
        on_device_bench(body, ("xy-md02",))
    told = [record.message for record in caplog.records]
    assert [text.partition(":")[0] for text in told if "more seldom" not in text] == ["d0", "d0 answers again"]


def test_a_device_that_refuses_its_first_block_is_asked_for_the_others() -> None:
    async def body(bench: DeviceBench) -> None:
        device = bench.devices["d0"]
        first = bench.pollers["d0"]._requests[0][0]
        refused = {point.name for point in first.points}
        space = device.image._spaces[0, first.function]
        for address in range(first.address, first.address + first.count):
            del space[address]
        await asyncio.sleep(21)
        read = {sample.point.partition("/")[2] for sample in bench.sink.samples}
        assert read == set(device.points) - refused
        assert "check that the profile is the one of this model" in str(bench.pollers["d0"].problem)

    on_device_bench(body, ("eastron-sdm120",))
