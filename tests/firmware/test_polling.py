"""The node as client: what its slots hold when devices are well, dead, late, noisy or talk nonsense."""

import asyncio
import random
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusSerialServer

from hardware.rig.clock import DEMO_START_UNIX_MS
from hardware.rig.line_faults import BitFlips, LineFaults, NoiseBefore
from hardware.rig.modbus_side import pack
from hardware.rig.serial_url import SerialPort
from protocols import event_codes, node_map, quality
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.workbench import NODE, Device, Workbench, on_bench, table_of


def test_a_sample_has_value_quality_counter_and_age(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 230, 1: 65535})
        await bench.power_on()
        await asyncio.sleep(2)
        slot = await bench.master.slot(1)
        assert (slot.value, slot.quality, slot.counter) == (65535, quality.GOOD, len(device.asked))
        age_s = bench.clock.loop.time() - device.asked[-1][0]
        assert slot.age_10ms / 100 == pytest.approx(age_s, abs=0.06)

    on_bench(tmp_path, table_of((1, 2)), body)


def test_a_slot_that_was_never_read_says_so(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(33, 0)
        await bench.power_on()
        slot = await bench.master.slot(0)
        assert (slot.value, slot.quality, slot.counter, slot.age_10ms) == (0, quality.NEVER, 0, 0xFFFF)

    on_bench(tmp_path, table_of((1, 1), timeout_ms=2000), body)


def test_polls_stand_on_multiples_of_the_period_once_the_clock_is_set(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await asyncio.sleep(0.77)
        device = Device(bench.sensors, 1, {0: 1})
        await bench.power_on()
        await bench.master.set_time(bench.clock.unix_ms())
        await asyncio.sleep(2.5)
        device.asked.clear()
        await asyncio.sleep(20)
        begins_ms = [(DEMO_START_UNIX_MS + round(at_s * 1000)) % 2000 for at_s, _ in device.asked]
        assert len(begins_ms) == 10
        assert max(begins_ms) < 25

    on_bench(tmp_path, table_of((1, 1), period_ms=2000), body)


def test_setting_the_clock_again_and_again_neither_repeats_nor_skips_a_poll(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 1})
        await bench.power_on()
        await bench.master.set_time(bench.clock.unix_ms())
        await asyncio.sleep(2)
        device.asked.clear()
        begin_s = bench.clock.loop.time()
        for step in range(40):
            await bench.master.set_time(bench.clock.unix_ms() + (step % 3 - 1) * 4)
            await asyncio.sleep(0.9)
        lasted_s = bench.clock.loop.time() - begin_s
        assert abs(len(device.asked) - lasted_s) <= 1

    on_bench(tmp_path, table_of((1, 1)), body)


@pytest.mark.parametrize("noise", [NoiseBefore(0x00), NoiseBefore(0x01, 3), NoiseBefore(None, 7)], ids=str)
def test_noise_before_every_answer_loses_nothing(tmp_path: Path, noise: NoiseBefore) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 11, 1: 12, 2: 13})
        device.drop.faults = LineFaults(5, noise)
        await bench.power_on()
        await asyncio.sleep(30)
        assert await bench.master.health(node_map.HEALTH_POLLS_FAILED) == 0
        assert await bench.master.health(node_map.HEALTH_POLLS_GOOD) == len(device.asked) >= 30
        assert (await bench.master.slot(2)).value == 13

    on_bench(tmp_path, table_of((1, 3)), body)


def test_damaged_answers_never_become_numbers(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {register: 1000 + register for register in range(8)})
        device.drop.faults = LineFaults(3, BitFlips(0.01))
        await bench.power_on()
        seen = set()
        for _ in range(120):
            await asyncio.sleep(0.5)
            for number in range(8):
                slot = await bench.master.slot(number)
                seen.add(slot.quality)
                assert slot.value == (1000 + number if slot.quality == quality.GOOD else 0)
        assert quality.GOOD in seen
        assert await bench.master.health(node_map.HEALTH_POLLS_FAILED) > 10

    on_bench(tmp_path, table_of((1, 8)), body)


def test_a_late_answer_never_becomes_the_answer_to_another_request(tmp_path: Path) -> None:
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(1000, 1, 100, 5, 1)
    for address in (0, 100, 200):
        writer.add_request(1, 3, address, 2)
        writer.add_point("u16", 0, 0, 65535, register=0)
        writer.add_point("u16", 0, 0, 65535, register=1)

    async def body(bench: Workbench) -> None:
        truth = {address + offset: 1 + address + offset for address in (0, 100, 200) for offset in (0, 1)}
        device = Device(bench.sensors, 1, truth)
        await bench.power_on()
        goods = 0
        for step in range(200):
            device.delay_s = 0.01 if step % 3 == 0 else 0.06 + (step * 37 % 500) / 1000
            await asyncio.sleep(0.2)
            for number, address in enumerate((0, 1, 100, 101, 200, 201)):
                slot = await bench.master.slot(number)
                if slot.quality == quality.GOOD:
                    goods += 1
                    assert slot.value == truth[address]
        assert goods > 100
        assert await bench.master.health(node_map.HEALTH_POLLS_FAILED) > 20

    on_bench(tmp_path, writer.table(), body)


def test_well_formed_answers_to_something_else_are_not_taken(tmp_path: Path) -> None:
    wrong = [
        lambda frame: pack(2, frame[1:-2]),
        lambda frame: pack(1, bytes([4]) + frame[2:-2]),
        lambda frame: pack(1, bytes([3, 2]) + frame[3:5]),
        lambda frame: pack(1, bytes([3, 6]) + frame[3:-2] + b"\x00\x07"),
        lambda frame: frame[:-1],
        lambda frame: b"",
        lambda frame: bytes(range(64)),
    ]

    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 5, 1: 6})
        await bench.power_on()
        assert (await bench.master.slot(0)).quality == quality.GOOD
        for spoil in wrong:
            device.spoil = spoil
            await asyncio.sleep(4.5)
            slot = await bench.master.slot(0)
            assert (slot.value, slot.quality) in ((0, quality.NO_ANSWER), (0, quality.BAD_ANSWER)), spoil
            device.spoil = lambda frame: frame
            await asyncio.sleep(200)
            assert (await bench.master.slot(0)).value == 5

    on_bench(tmp_path, table_of((1, 2)), body)


def test_an_exception_is_an_answer_and_no_number(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 5})
        await bench.power_on()
        await asyncio.sleep(10)
        slot = await bench.master.slot(1)
        assert (slot.value, slot.quality) == (0, quality.BAD_ANSWER)
        assert len(device.asked) in (10, 11)
        assert [event.code for event in await bench.master.events()] == [event_codes.NODE_STARTED]

    on_bench(tmp_path, table_of((1, 2)), body)


def test_a_dead_unit_does_not_slow_the_others(tmp_path: Path) -> None:
    async def polls(bench: Workbench, dead: bool) -> int:
        devices = [Device(bench.sensors, unit, {0: unit}) for unit in range(1, 11)]
        devices[4].is_mute = dead
        if not dead:
            devices.pop(4).drop.detach()
        await bench.power_on()
        await asyncio.sleep(60)
        return sum(len(device.asked) for device in devices if not device.is_mute)

    counts = []

    async def alone(bench: Workbench) -> None:
        counts.append(await polls(bench, False))

    async def together(bench: Workbench) -> None:
        counts.append(await polls(bench, True))

    units = [(unit, 1) for unit in range(1, 11)]
    on_bench(tmp_path / "alone", table_of(*units[:4], *units[5:], period_ms=100), alone)
    on_bench(tmp_path / "together", table_of(*units, period_ms=100), together)
    print(f"good polls in a minute: nine units {counts[0]}, with a dead tenth {counts[1]}")
    assert counts[1] > 0.9 * counts[0]


def test_a_lost_device_is_told_and_so_is_its_return(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, {0: 1})
        device = Device(bench.sensors, 2, {0: 2})
        await bench.power_on()
        device.is_mute = True
        await asyncio.sleep(30)
        assert await bench.master.read(node_map.HEALTH_SLOW_DEVICES, 1) == [1]
        slot = await bench.master.slot(1)
        assert (slot.value, slot.quality) == (0, quality.NO_ANSWER)
        asked = len(device.asked)
        await asyncio.sleep(600)
        assert len(device.asked) - asked < 12
        device.is_mute = False
        await asyncio.sleep(130)
        assert (await bench.master.slot(1)).value == 2
        told = [(event.code, event.slot) for event in await bench.master.events()]
        assert told[1:] == [(event_codes.DEVICE_LOST, 1), (event_codes.DEVICE_BACK, 1)]

    on_bench(tmp_path, table_of((1, 1), (2, 1)), body)


def test_one_dead_unit_of_a_product_with_several_leaves_the_others(tmp_path: Path) -> None:
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(1000, 1, 200, 5, 1)
    for unit in (1, 2, 3):
        writer.add_request(unit, 3, 0, 1)
        writer.add_point("u16", 0, 0, 65535)

    async def body(bench: Workbench) -> None:
        for unit in (1, 3):
            Device(bench.sensors, unit, {0: unit})
        await bench.power_on()
        await asyncio.sleep(20)
        assert [(await bench.master.slot(number)).value for number in range(3)] == [1, 0, 3]

    on_bench(tmp_path, writer.table(), body)


def test_warm_up_is_not_a_number(tmp_path: Path) -> None:
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(1000, 1, 200, 5, 1, warm_up_s=30)
    writer.add_request(1, 3, 0, 1)
    writer.add_point("u16", 0, 0, 65535)

    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, {0: 7})
        await bench.power_on()
        await asyncio.sleep(20)
        slot = await bench.master.slot(0)
        assert (slot.value, slot.quality) == (0, quality.WARMING_UP)
        await asyncio.sleep(12)
        assert (await bench.master.slot(0)).value == 7

    on_bench(tmp_path, writer.table(), body)


def test_a_zero_that_means_retry_is_asked_for_again(tmp_path: Path) -> None:
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(10000, 1, 200, 5, 1, zero_tries=3, zero_wait_ms=500)
    writer.add_request(1, 3, 0, 1)
    writer.add_point("u16", 0, 0, 65535, zero_means_retry=True)

    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 0})
        await bench.power_on()
        await asyncio.sleep(0.7)
        device.registers[0] = 55
        await asyncio.sleep(0.5)
        assert (await bench.master.slot(0)).value == 55
        device.registers[0] = 0
        device.asked.clear()
        await asyncio.sleep(10)
        slot = await bench.master.slot(0)
        assert (slot.value, slot.quality, len(device.asked)) == (0, quality.INVALID, 4)

    on_bench(tmp_path, writer.table(), body)


def test_pymodbus_as_device_is_read_right(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        port = SerialPort("device", bench.sensors)
        values = [(7919 * register) & 0xFFFF for register in range(100)]
        block = ModbusSequentialDataBlock(1, values)
        context = ModbusServerContext(devices={1: ModbusDeviceContext(hr=block, ir=block)}, single=False)
        server = ModbusSerialServer(context, framer=FramerType.RTU, port=port.path, baudrate=9600)
        serving = asyncio.create_task(server.serve_forever())
        try:
            await asyncio.sleep(0.1)
            await bench.power_on()
            await asyncio.sleep(3)
            for number in range(100):
                slot = await bench.master.slot(number)
                assert (slot.value, slot.quality) == (values[number], quality.GOOD)
            assert await bench.master.health(node_map.HEALTH_POLLS_FAILED) == 0
        finally:
            await server.shutdown()
            await asyncio.gather(serving, return_exceptions=True)
            port.close()

    on_bench(tmp_path, table_of((1, 100)), body)


def test_a_babbling_device_gives_no_numbers_and_is_outlived(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        chance = random.Random(4)
        Device(bench.sensors, 1, {0: 41, 1: 42})
        babbler = bench.sensors.attach("babbler")
        await bench.power_on()
        for _ in range(400):
            babbler.send(chance.randbytes(chance.randrange(1, 40)))
            await asyncio.sleep(chance.random() / 20)
            slot = await bench.master.slot(1)
            assert slot.value == (42 if slot.quality == quality.GOOD else 0)
        assert (await bench.master.slot(1)).quality != quality.GOOD
        await asyncio.sleep(130)
        slot = await bench.master.slot(1)
        assert (slot.value, slot.quality) == (42, quality.GOOD)

    on_bench(tmp_path, table_of((1, 2)), body)
