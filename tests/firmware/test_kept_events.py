"""Events outlive a restart under their old names; the flash is not worn out by them."""

import asyncio
from pathlib import Path

from protocols import event_codes, node_map
from tests.firmware.boot_files import newest_body
from tests.firmware.test_events import COVER, door_table, flip
from tests.firmware.workbench import START_UNIX_S, Event, Workbench, on_bench

_INPUT_CODES = (event_codes.INPUT_RAISED, event_codes.INPUT_CLEARED)
_ROWS_OF_A_WRITE = 5  # the least: open, sequence, head, CRC, close


async def window(bench: Workbench) -> tuple[int, list[Event]]:
    """The epoch of the events in the window, and those."""
    epoch = await bench.epoch()
    (ago,) = await bench.master.read(node_map.EVENTS_EPOCHS_AGO, 1)
    return epoch - ago, await bench.master.events()


async def restart(bench: Workbench) -> None:
    """The power goes and comes."""
    bench.machine.kill()
    await bench.power_on()


def test_events_that_were_not_acknowledged_come_back_under_their_names(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await flip(bench, 2)
        epoch, before = await window(bench)
        await bench.master.acknowledge(epoch, 1)
        await restart(bench)
        kept_epoch, kept = await window(bench)
        assert kept_epoch == epoch
        assert [(one.sequence, one.code) for one in kept] == [(one.sequence, one.code) for one in before][-len(kept) :]
        assert {one.sequence for one in kept} >= {2, 3}
        await bench.master.acknowledge(epoch, kept[-1].sequence)
        new_epoch, new = await window(bench)
        assert new_epoch == epoch + 1
        assert [(one.sequence, one.code) for one in new] == [(1, event_codes.NODE_STARTED)]

    on_bench(tmp_path, door_table(), body)


def test_several_starts_are_told_one_after_the_other(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        for _ in range(3):
            await restart(bench)
        told = []
        epoch, events = await window(bench)
        while events:
            told.append((epoch, [one.code for one in events]))
            await bench.master.acknowledge(epoch, events[-1].sequence)
            epoch, events = await window(bench)
        first = told[0][0]
        assert told == [(first + number, [event_codes.NODE_STARTED]) for number in range(4)]

    on_bench(tmp_path, door_table(), body)


def test_an_event_keeps_the_time_that_it_had(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await asyncio.sleep(10)
        await flip(bench, 1)
        await restart(bench)
        await bench.master.set_time(bench.clock.unix_ms())
        _epoch, (_started, early) = await window(bench)
        assert (early.time_state, early.unix_s) == (0, 10)  # counted from the start that its epoch names
        bench.machine.set_pin(COVER, 0)
        await asyncio.sleep(0.2)
        happened_s = bench.clock.unix_ms() // 1000
        await restart(bench)
        epoch, first = await window(bench)
        await bench.master.acknowledge(epoch, first[-1].sequence)
        _epoch, events = await window(bench)
        late = events[-1]
        assert late.time_state == 1
        assert late.unix_s >= START_UNIX_S
        assert abs(late.unix_s - happened_s) <= 1

    on_bench(tmp_path, door_table(), body)


def test_what_was_acknowledged_goes_from_the_flash_within_two_minutes(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await flip(bench, 4)
        epoch, events = await window(bench)
        await bench.master.acknowledge(epoch, events[-1].sequence)
        await asyncio.sleep(120)
        body_on_flash = newest_body(tmp_path, "events")
        assert body_on_flash is not None
        assert body_on_flash[:8] == bytes([0, 1, 0, 0, 0, 0, 0, 0])

    on_bench(tmp_path, door_table(), body)


def test_an_acknowledgement_that_is_repeated_is_taken_again(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        await flip(bench, 1)
        await restart(bench)
        epoch, events = await window(bench)
        for _ in range(2):
            await bench.master.acknowledge(epoch, events[-1].sequence)
        assert (await window(bench))[0] == epoch + 1

    on_bench(tmp_path, door_table(), body)


def test_a_contact_that_chatters_for_twenty_minutes_costs_a_bounded_number_of_writes(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        bench.machine.set_pin(COVER, 0)
        await bench.power_on()
        epoch = await bench.epoch()
        before = bench.machine.flash_operations
        edges = 0
        while edges < 2400:
            bench.machine.set_pin(COVER, (edges + 1) % 2)
            edges += 1
            await asyncio.sleep(0.5)
            if edges % 20 == 0:
                _epoch, events = await window(bench)
                while events:
                    await bench.master.acknowledge(epoch, events[-1].sequence)
                    _epoch, events = await window(bench)
        operations = bench.machine.flash_operations - before
        print(f"{edges} edges in twenty minutes, {operations} operations on the flash")
        assert operations < (60 + 20 + 3) * (_ROWS_OF_A_WRITE + 22)
        assert (await bench.master.read(node_map.EVENTS_OVERFLOW, 2)) == [0, 0]

    on_bench(tmp_path, door_table(), body)
