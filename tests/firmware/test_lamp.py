"""The lamp: from the command register to the driver and back."""

import asyncio
import struct
from pathlib import Path

import pytest

from protocols import event_codes, lamp_codes, node_map
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.workbench import NODE, Device, Workbench, on_bench, table_of

LEVEL, ACTUAL = 1000, 1004
CURVE = tuple(254 * level // 100 for level in range(101))
STATE = node_map.LAMP_STATE


def lamp_table(*, function: int = 6, settle_ms: int = 100, retries: int = 1) -> bytes:
    writer = NodeTableWriter(9600, node_unit=NODE)
    device = writer.add_device(2000, 1, 200, 5, retries)
    writer.add_request(1, 3, ACTUAL, 1)
    slot = writer.add_point("u16", 0, 0, 255)
    writer.set_lamp(device, 1, function, LEVEL, slot, 1, 3, ACTUAL, settle_ms, CURVE)
    return writer.table()


class Driver(Device):
    """A lamp driver: what is written to LEVEL is what ACTUAL holds, unless it keeps to `stuck`."""

    stuck: int | None = None

    def _answer(self, pdu: bytes) -> bytes:
        answer = super()._answer(pdu)
        self.registers[ACTUAL] = self.registers[LEVEL] if self.stuck is None else self.stuck
        return answer


def driver_on(bench: Workbench) -> Driver:
    return Driver(bench.sensors, 1, {LEVEL: 0, ACTUAL: 0})


async def command(bench: Workbench, sequence: int, level_pct: int, fade_s: int = 0, expires_s: int = 0) -> None:
    await bench.master.write(node_map.LAMP_COMMAND, sequence, level_pct, fade_s, expires_s >> 16, expires_s & 0xFFFF)


async def state(bench: Workbench) -> list[int]:
    """sequence, result, reason, commanded, actual, raw"""
    return await bench.master.read(STATE, node_map.LAMP_STATE_REGISTERS)


async def outcome(bench: Workbench, sequence: int) -> list[int]:
    """The state once the command is no longer being worked on."""
    for _ in range(200):
        now = await state(bench)
        if now[0] == sequence and now[1] != lamp_codes.WORKING:
            return now
        await asyncio.sleep(0.1)
    raise AssertionError("the command never came to an end")


@pytest.mark.parametrize("function", [6, 16])
@pytest.mark.parametrize("level_pct", [0, 1, 50, 100])
def test_a_command_is_written_read_back_and_confirmed(tmp_path: Path, function: int, level_pct: int) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        assert (await state(bench))[:3] == [0, 0, 0]
        await command(bench, 7, level_pct)
        assert await outcome(bench, 7) == [7, lamp_codes.CONFIRMED, 0, level_pct, level_pct, CURVE[level_pct]]
        assert driver.registers[LEVEL] == CURVE[level_pct]
        assert {pdu[0] for _, pdu in driver.asked} == {3, function}

    on_bench(tmp_path, lamp_table(function=function), body)


def test_the_same_command_again_is_not_a_new_one(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        await command(bench, 7, 30)
        await outcome(bench, 7)
        for _ in range(3):
            await command(bench, 7, 30)
            await asyncio.sleep(0.5)
        assert sum(pdu[0] == 6 for _, pdu in driver.asked) == 1

    on_bench(tmp_path, lamp_table(), body)


def test_registers_may_be_written_one_by_one_and_the_sequence_starts_the_command(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        await bench.master.ask(struct.pack(">BHH", 6, node_map.LAMP_COMMAND_LEVEL_PCT, 80))
        await asyncio.sleep(0.5)
        assert driver.registers[LEVEL] == 0
        await bench.master.ask(struct.pack(">BHH", 6, node_map.LAMP_COMMAND_COMMAND_SEQUENCE, 3))
        assert (await outcome(bench, 3))[4] == 80

    on_bench(tmp_path, lamp_table(), body)


@pytest.mark.parametrize(
    ("level_pct", "expires", "reason"),
    [(101, 0, lamp_codes.LEVEL_OUT_OF_RANGE), (0xFFFE, 0, lamp_codes.LEVEL_OUT_OF_RANGE), (50, -5, lamp_codes.EXPIRED)],
)
def test_a_command_that_cannot_be_is_refused(tmp_path: Path, level_pct: int, expires: int, reason: int) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        await bench.master.set_time(bench.clock.unix_ms())
        await command(bench, 9, level_pct, 0, expires and bench.clock.unix_ms() // 1000 + expires)
        assert (await outcome(bench, 9))[:3] == [9, lamp_codes.REFUSED, reason]
        assert all(pdu[0] == 3 for _, pdu in driver.asked)
        await command(bench, 10, 50, 0, bench.clock.unix_ms() // 1000 + 60)
        assert (await outcome(bench, 10))[1] == lamp_codes.CONFIRMED

    on_bench(tmp_path, lamp_table(), body)


def test_a_node_without_a_lamp_refuses(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await command(bench, 1, 50)
        assert (await outcome(bench, 1))[:3] == [1, lamp_codes.REFUSED, lamp_codes.NO_LAMP]

    on_bench(tmp_path, table_of((1, 1)), body)


def test_a_silent_driver_fails_the_command_and_makes_an_event(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        driver.is_mute = True
        await command(bench, 2, 50)
        assert (await outcome(bench, 2))[:3] == [2, lamp_codes.FAILED, lamp_codes.DRIVER_SILENT]
        event = next(event for event in await bench.master.events() if event.code == event_codes.LAMP_FAILED)
        assert (event.slot, event.value) == (0, lamp_codes.DRIVER_SILENT)
        driver.is_mute = False
        await command(bench, 3, 50)
        assert (await outcome(bench, 3))[1] == lamp_codes.CONFIRMED
        failures = [event.value for event in await bench.master.events() if event.code == event_codes.LAMP_FAILED]
        assert failures == [lamp_codes.DRIVER_SILENT, lamp_codes.NO_REASON]

    on_bench(tmp_path, lamp_table(), body)


def test_a_driver_that_keeps_another_level_is_found_out(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        driver.stuck = CURVE[20]
        await command(bench, 2, 50)
        assert await outcome(bench, 2) == [2, lamp_codes.FAILED, lamp_codes.NOT_KEPT, 50, 20, CURVE[20]]
        assert sum(pdu[0] == 6 for _, pdu in driver.asked) == 2

    on_bench(tmp_path, lamp_table(), body)


def test_a_newer_command_replaces_one_that_is_under_way(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        await command(bench, 1, 100)
        await outcome(bench, 1)
        await command(bench, 2, 0, fade_s=20)
        await asyncio.sleep(5)
        assert 0 < driver.registers[LEVEL] < 254
        await command(bench, 3, 60)
        assert (await outcome(bench, 3))[:5] == [3, lamp_codes.CONFIRMED, 0, 60, 60]
        await asyncio.sleep(20)
        assert driver.registers[LEVEL] == CURVE[60]

    on_bench(tmp_path, lamp_table(), body)


def test_a_fade_goes_in_even_steps(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        await bench.power_on()
        await command(bench, 1, 0)
        await outcome(bench, 1)
        driver.asked.clear()
        await command(bench, 2, 50, fade_s=5)
        assert (await outcome(bench, 2))[1] == lamp_codes.CONFIRMED
        written = [struct.unpack(">H", pdu[3:])[0] for _, pdu in driver.asked if pdu[0] == 6]
        assert written == [CURVE[level] for level in (10, 20, 30, 40, 50)]

    on_bench(tmp_path, lamp_table(), body)


def test_the_lamp_goes_before_polling_and_polling_goes_on(tmp_path: Path) -> None:
    writer = NodeTableWriter(9600, node_unit=NODE)
    device = writer.add_device(2000, 1, 200, 5, 1)
    writer.add_request(1, 3, ACTUAL, 1)
    slot = writer.add_point("u16", 0, 0, 255)
    writer.set_lamp(device, 1, 6, LEVEL, slot, 1, 3, ACTUAL, 1000, CURVE)
    for unit in range(2, 8):
        writer.add_device(100, unit, 200, 5, 1)
        writer.add_request(unit, 3, 0, 20)
        writer.add_point("u16", 0, 0, 255)

    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        others = [Device(bench.sensors, unit, dict.fromkeys(range(20), 1)) for unit in range(2, 8)]
        await bench.power_on()
        for sequence in range(1, 6):
            sent_s = bench.clock.loop.time()
            await command(bench, sequence, 10 * sequence)
            await outcome(bench, sequence)
            written_s = next(at_s for at_s, pdu in driver.asked if pdu[0] == 6 and at_s > sent_s)
            assert written_s - sent_s < 0.25
        assert all(len(device.asked) > 5 for device in others)

    on_bench(tmp_path, writer.table(), body)


@pytest.mark.parametrize(("before", "at_least_s", "at_most_s"), [(0, 0.5, 2.2), (CURVE[50], 5.0, 6.5)])
def test_a_level_is_believed_as_soon_as_it_is_new(
    tmp_path: Path, before: int, at_least_s: float, at_most_s: float
) -> None:
    async def body(bench: Workbench) -> None:
        driver = driver_on(bench)
        driver.registers.update({LEVEL: before, ACTUAL: before})
        driver.stuck = before
        await bench.power_on()
        sent_s = bench.clock.loop.time()
        await command(bench, 1, 50)
        bench.clock.loop.call_later(1.3, setattr, driver, "stuck", None)
        assert (await outcome(bench, 1))[1] == lamp_codes.CONFIRMED
        assert at_least_s < bench.clock.loop.time() - sent_s < at_most_s

    on_bench(tmp_path, lamp_table(settle_ms=5000), body)
