"""Events: numbered, kept until acknowledged, none lost unseen; inputs that make them."""

import asyncio
from pathlib import Path

import pytest

from protocols import event_codes, log_codes, modbus, node_map, quality, start_codes
from protocols.node_table_writer import NodeTableWriter
from tests.firmware.log_file import read_log
from tests.firmware.workbench import NODE, START_UNIX_S, RefusedError, Workbench, on_bench, table_of

COVER, SPARE = 33, 32
CAPACITY = 64


def door_table(*, active_high: bool = True, debounce_ms: int = 50) -> bytes:
    writer = NodeTableWriter(node_unit=NODE)
    writer.add_device(2000)
    writer.add_pin(COVER, active_high, "up", debounce_ms, True)
    writer.add_pin(SPARE, True, "down", debounce_ms, False)
    return writer.table()


async def flip(bench: Workbench, times: int) -> None:
    """Open and close the cover, `times` edges in all."""
    for index in range(times):
        bench.machine.set_pin(COVER, (index + 1) % 2)
        await asyncio.sleep(0.2)


def test_a_start_is_an_event_with_its_cause(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        (event,) = await bench.master.events()
        assert (event.sequence, event.code, event.value) == (1, event_codes.NODE_STARTED, 1)

    on_bench(tmp_path, table_of((1, 1)), body)


@pytest.mark.parametrize("active_high", [True, False])
def test_an_alarm_input_is_a_slot_and_an_event(tmp_path: Path, active_high: bool) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0 if active_high else 1)
        await bench.power_on()
        await bench.master.set_time(bench.clock.unix_ms())
        slot = await bench.master.slot(0)
        assert (slot.value, slot.quality) == (0, quality.GOOD)
        await asyncio.sleep(0.3)
        bench.machine.set_pin(COVER, 1 if active_high else 0)
        changed_ms = bench.clock.unix_ms()
        await asyncio.sleep(0.2)
        slot = await bench.master.slot(0)
        assert slot.value == 1
        event = (await bench.master.events())[-1]
        assert (event.code, event.slot, event.value) == (event_codes.INPUT_RAISED, 0, 1)
        assert 45 <= event.unix_s * 1000 + event.unix_ms - changed_ms <= 75
        bench.machine.set_pin(COVER, 0 if active_high else 1)
        await asyncio.sleep(0.2)
        assert (await bench.master.events())[-1].code == event_codes.INPUT_CLEARED

    on_bench(tmp_path, door_table(active_high=active_high), body)


def test_an_input_that_is_no_alarm_makes_no_event(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        bench.machine.set_pin(SPARE, 1)
        await asyncio.sleep(0.2)
        assert (await bench.master.slot(1)).value == 1
        assert len(await bench.master.events()) == 1

    on_bench(tmp_path, door_table(), body)


def test_a_bouncing_contact_counts_once(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        for _ in range(9):
            bench.machine.set_pin(COVER, 1)
            await asyncio.sleep(0.015)
            bench.machine.set_pin(COVER, 0)
            await asyncio.sleep(0.011)
        assert len(await bench.master.events()) == 1
        bench.machine.set_pin(COVER, 1)
        await asyncio.sleep(0.3)
        assert len(await bench.master.events()) == 2

    on_bench(tmp_path, door_table(), body)


def test_an_alarm_that_stands_at_the_start_is_told(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 1)
        await bench.power_on()
        assert [event.code for event in await bench.master.events()] == [
            event_codes.NODE_STARTED,
            event_codes.INPUT_RAISED,
        ]

    on_bench(tmp_path, door_table(), body)


def test_the_sample_of_a_pin_is_renewed(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        for _ in range(20):
            await asyncio.sleep(0.7)
            slot = await bench.master.slot(0)
            assert (slot.value, slot.quality) == (0, quality.GOOD)
            assert slot.age_10ms <= 202

    on_bench(tmp_path, door_table(), body)


def test_events_stay_until_they_are_acknowledged(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await flip(bench, 11)
        epoch = await bench.epoch()
        window = await bench.master.events()
        assert [event.sequence for event in window] == list(range(1, 9))
        assert [event.sequence for event in await bench.master.events()] == list(range(1, 9))
        await bench.master.acknowledge(epoch, 5)
        assert [event.sequence for event in await bench.master.events()] == list(range(6, 13))
        await bench.master.acknowledge(epoch, 5)
        await bench.master.acknowledge(epoch, 12)
        head = await bench.master.read(node_map.EVENTS, 8)
        assert head == [0, 0, 0, 12, 0, 0, 0, 0]

    on_bench(tmp_path, door_table(), body)


@pytest.mark.parametrize(("epoch_off", "sequence"), [(1, 1), (0, 2), (0, 0xFFFFFFFF)])
def test_an_acknowledgement_of_something_else_is_refused(tmp_path: Path, epoch_off: int, sequence: int) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        epoch = await bench.epoch()
        with pytest.raises(RefusedError) as error:
            await bench.master.acknowledge(epoch + epoch_off, sequence)
        assert error.value.code == modbus.ILLEGAL_DATA_VALUE
        assert len(await bench.master.events()) == 1

    on_bench(tmp_path, table_of((1, 1)), body)


def test_a_full_ring_counts_what_it_loses_and_tells_it(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await flip(bench, CAPACITY + 9)
        head = await bench.master.read(node_map.EVENTS, 8)
        assert head == [0, 11, 0, CAPACITY + 10, 0, 10, 8, 0]
        epoch = await bench.epoch()
        await bench.master.acknowledge(epoch, CAPACITY + 10)
        (event,) = await bench.master.events()
        assert (event.code, event.value) == (event_codes.EVENTS_LOST, 10)
        await bench.master.acknowledge(epoch, event.sequence)
        assert await bench.master.events() == []
        noted = [entry.value for entry in await read_log(bench.master) if entry.code == log_codes.EVENTS_LOST]
        assert noted == [10]

    on_bench(tmp_path, door_table(), body)


def test_an_event_before_the_clock_was_set_gets_its_time_afterwards(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await asyncio.sleep(5)
        bench.machine.set_pin(COVER, 1)
        opened_ms = bench.clock.unix_ms()
        await asyncio.sleep(20)
        early = (await bench.master.events())[-1]
        assert (early.time_state, early.unix_s) == (0, 5)
        await bench.master.set_time(bench.clock.unix_ms())
        late = (await bench.master.events())[-1]
        assert late.time_state == 1
        assert abs(late.unix_s * 1000 + late.unix_ms - opened_ms - 50) < 25
        assert late.unix_s >= START_UNIX_S

    on_bench(tmp_path, door_table(), body)


def test_every_start_has_an_epoch_of_its_own(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        epochs = []
        for _ in range(4):
            await bench.power_on()
            epochs.append(await bench.epoch())
            bench.machine.kill()
        assert epochs == list(range(epochs[0], epochs[0] + 4))
        for name in ("boot.a", "boot.b"):
            (tmp_path / name).write_bytes(b"\x00\x01\x02")
        await bench.power_on()
        assert await bench.epoch() == epochs[0] + 4  # by the newest event on the flash

    on_bench(tmp_path, table_of((1, 1)), body)


def test_a_crash_in_one_task_starts_the_whole_node_again(tmp_path: Path) -> None:
    program = """
import sys
sys.path.insert(0, "slot_a")
from node import app, inputs
def fail(self):
    raise ValueError("as if")
inputs.Inputs._look = fail
app.main()
"""

    async def body(bench: Workbench) -> None:
        (tmp_path / "main.py").write_text(program)
        bench.machine.set_pin(COVER, 0)
        await bench.machine.power_on()
        await asyncio.sleep(8.5)
        assert bench.machine.starts == 2
        assert bench.machine.printed[-1] == "ValueError: as if"
        started = [event for event in await bench.master.events() if event.code == event_codes.NODE_STARTED]
        assert [event.value for event in started] == [start_codes.POWER]
        await bench.master.acknowledge(await bench.epoch() - 1, started[-1].sequence)
        assert (await bench.master.events())[0].value == start_codes.EXCEPTION
        bench.machine.printed.clear()

    on_bench(tmp_path, door_table(), body, programs=[program])


def test_a_flash_that_cannot_be_written_does_not_stop_the_node(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        for name in ("boot.a", "boot.b"):
            (tmp_path / name).mkdir()
        await bench.power_on()
        assert await bench.epoch() >> 31 == 1
        assert [event.code for event in await bench.master.events()] == [
            event_codes.NODE_STARTED,
            event_codes.FLASH_FAILED,
        ]

    on_bench(tmp_path, table_of((1, 1)), body)
