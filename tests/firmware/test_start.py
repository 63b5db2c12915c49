"""Why the node has started, what counts as a crash, safe mode, the choice of the slot."""

import asyncio
import shutil
from pathlib import Path

import pytest

from protocols import event_codes, log_codes, node_map, start_codes, task_codes
from tests.firmware.boot_files import NO_SLOT, BootBlock, boot_block, write_boot
from tests.firmware.log_file import read_log
from tests.firmware.workbench import Device, Workbench, on_bench, table_of

TABLE = table_of((1, 1))
PANIC = 2  # a hard reset that nobody has stamped
WATCHDOG = 3
SOFT = 5
SAFE_UNIT = 247

FROM_SLOT = """
import sys
sys.path.insert(0, "slot_a")
import asyncio, time
from node import app, poller
"""
HANGS = """
async def hang(self, seat):
    await asyncio.Event().wait()
poller.Poller.run = hang
app.main()
"""
SPINS = """
async def spin(self, seat):
    await asyncio.sleep(2)
    while True:
        time.ticks_ms()
poller.Poller.run = spin
app.main()
"""
FAILS = """
async def fail(self, seat):
    await asyncio.sleep(2)
    raise ValueError("as if")
poller.Poller.run = fail
app.main()
"""


async def boot(bench: Workbench) -> BootBlock:
    """The block `boot`, now."""
    return boot_block(await bench.master.read(node_map.BOOT, node_map.BOOT_REGISTERS))


async def panic(bench: Workbench) -> None:
    """The firmware below MicroPython gives up, and the chip starts again."""
    bench.machine.kill()
    await bench.machine.power_on(PANIC)
    await asyncio.sleep(0.5)


def test_a_feeder_that_is_switched_twelve_times_is_no_crash(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, {0: 7})
        for number in range(12):
            await bench.machine.power_on()
            await asyncio.sleep(0.05 + number % 7 * 0.9)
            bench.machine.kill()
        await bench.power_on()
        now = await boot(bench)
        print(now)
        assert (now.crashes, now.safe_mode, now.start_reason) == (0, 0, start_codes.POWER)
        assert now.boots == 13
        assert (await bench.master.read(node_map.IDENTITY_SLOT_COUNT, 1)) == [1]

    on_bench(tmp_path, TABLE, body)


@pytest.mark.parametrize("cause", [PANIC, WATCHDOG])
def test_a_power_cut_that_the_chip_reports_as_another_reset_is_no_crash(tmp_path: Path, cause: int) -> None:
    """The ESP32's loader meets a flash chip that is not awake, and its own watchdog starts it anew (errata 3.8)."""

    async def body(bench: Workbench) -> None:
        for number in range(8):
            await bench.machine.power_on(cause, was_dark=True)
            await asyncio.sleep(0.05 + number % 3 * 0.9)
            bench.machine.kill()
        await bench.machine.power_on(cause, was_dark=True)
        await asyncio.sleep(0.5)
        now = await boot(bench)
        assert (now.crashes, now.safe_mode, now.start_reason) == (0, 0, start_codes.POWER)
        bench.machine.kill()
        await bench.machine.power_on(cause)
        await asyncio.sleep(0.5)
        now = await boot(bench)
        reason = start_codes.PANIC if cause == PANIC else start_codes.WATCHDOG
        assert (now.crashes, now.start_reason) == (1, reason)

    on_bench(tmp_path, TABLE, body)


def test_a_soft_reset_at_the_console_is_no_crash(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for _ in range(4):
            bench.machine.kill()
            await bench.machine.power_on(SOFT)
            await asyncio.sleep(0.3)
        now = await boot(bench)
        assert (now.crashes, now.safe_mode, now.start_reason) == (0, 0, start_codes.OWN_RESET)

    on_bench(tmp_path, TABLE, body)


def test_a_task_that_hangs_is_ended_by_the_watchdog(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        whole = (tmp_path / "main.py").read_text()
        (tmp_path / "main.py").write_text(FROM_SLOT + HANGS)
        await bench.power_on()
        (tmp_path / "main.py").write_text(whole)
        await asyncio.sleep(60)
        assert bench.machine.ends == [("watchdog", "the watchdog was not fed in time")]
        now = await boot(bench)
        assert (now.start_reason, now.crashes) == (start_codes.WATCHDOG, 1)
        missing = [entry.value for entry in await read_log(bench.master) if entry.code == log_codes.TASK_MISSING]
        assert missing == [task_codes.POLLER]

    on_bench(tmp_path, TABLE, body, programs=[FROM_SLOT + HANGS])


def test_a_task_that_never_yields_is_ended_by_the_watchdog_too(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        whole = (tmp_path / "main.py").read_text()
        (tmp_path / "main.py").write_text(FROM_SLOT + SPINS)
        await bench.power_on()
        (tmp_path / "main.py").write_text(whole)
        await asyncio.sleep(60)
        assert bench.machine.starts == 2
        assert (await boot(bench)).start_reason == start_codes.WATCHDOG

    on_bench(tmp_path, TABLE, body, programs=[FROM_SLOT + SPINS])


def test_a_healthy_node_is_never_ended_by_the_watchdog(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 7})
        await bench.power_on()
        await asyncio.sleep(900)
        device.is_mute = True
        await asyncio.sleep(900)
        assert bench.machine.ends == []

    on_bench(tmp_path, TABLE, body)


def test_three_crashes_lead_to_safe_mode_and_a_good_hour_leads_out(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        device = Device(bench.sensors, 1, {0: 7})
        whole = (tmp_path / "main.py").read_text()
        (tmp_path / "main.py").write_text(FROM_SLOT + FAILS)
        await bench.power_on()
        await asyncio.sleep(30)
        assert bench.machine.printed.count("ValueError: as if") == 3
        bench.machine.printed.clear()
        now = await boot(bench)
        assert (now.safe_mode, now.crashes, now.start_reason) == (1, 3, start_codes.EXCEPTION)
        (tmp_path / "main.py").write_text(whole)
        device.asked.clear()
        assert [event.code for event in await bench.master.events()][-1] == event_codes.NODE_STARTED
        assert await bench.master.read(node_map.IDENTITY_SLOT_COUNT, 1) == [0]
        await asyncio.sleep(3500)
        assert device.asked == []
        assert bench.machine.starts == 4
        await asyncio.sleep(200)
        assert bench.machine.starts == 5
        now = await boot(bench)
        assert (now.safe_mode, now.crashes, now.start_reason) == (0, 0, start_codes.OWN_RESET)
        assert device.asked

    on_bench(tmp_path, TABLE, body, programs=[FROM_SLOT + FAILS])


def test_a_power_cut_ends_neither_safe_mode_nor_the_count(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        for number in range(1, 4):
            await panic(bench)
            now = await boot(bench)
            assert (now.crashes, now.start_reason) == (number, start_codes.PANIC)
            bench.machine.kill()
            await bench.power_on()
            assert (await boot(bench)).crashes == number
        assert (await boot(bench)).safe_mode == 1

    on_bench(tmp_path, TABLE, body)


def test_a_good_hour_forgets_crashes_without_a_restart(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        await panic(bench)
        assert (await boot(bench)).crashes == 1
        await asyncio.sleep(3700)
        assert (await boot(bench)).crashes == 0
        assert bench.machine.starts == 2

    on_bench(tmp_path, TABLE, body)


def test_a_broken_table_leads_to_safe_mode_that_can_be_reached(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        (tmp_path / "node.tab").write_bytes(TABLE[:-1])
        await bench.power_on()
        await asyncio.sleep(60)
        assert bench.machine.starts == 1
        bench.master.unit = SAFE_UNIT
        now = await boot(bench)
        assert (now.safe_mode, now.crashes) == (2, 0)
        assert [event.code for event in await bench.master.events()] == [
            event_codes.NODE_STARTED,
            event_codes.SAFE_MODE,
        ]

    on_bench(tmp_path, TABLE, body)


def lay_other_slot(flash: Path) -> None:
    """The same version in the other slot."""
    shutil.copytree(flash / "slot_a", flash / "slot_b")


def test_a_trial_that_is_not_kept_runs_once(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        lay_other_slot(tmp_path)
        write_boot(tmp_path, trial=1, tries=1)
        await bench.power_on()
        assert (await boot(bench)).running_slot == 1
        bench.machine.kill()
        await bench.power_on()
        now = await boot(bench)
        assert (now.running_slot, now.previous_slot, now.left_reason) == (0, 1, start_codes.TRIAL_ENDED)
        bench.machine.kill()
        await bench.power_on()
        now = await boot(bench)
        assert (now.running_slot, now.previous_slot, now.left_reason) == (0, 1, start_codes.TRIAL_ENDED)
        assert now.crashes == 0

    on_bench(tmp_path, TABLE, body)


def test_a_trial_that_cannot_be_loaded_goes_back_at_once(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        lay_other_slot(tmp_path)
        (tmp_path / "slot_b/node/app.mpy").write_bytes(b"no bytecode at all")
        write_boot(tmp_path, trial=1, tries=1)
        await bench.power_on()
        await asyncio.sleep(8)
        assert bench.complaints()
        bench.machine.printed.clear()
        now = await boot(bench)
        assert (now.running_slot, now.previous_slot, now.left_reason) == (0, 1, start_codes.NOT_STARTING)
        assert now.crashes == 0

    on_bench(tmp_path, TABLE, body)


def test_a_version_that_never_loads_gives_way_to_the_spare_one(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        lay_other_slot(tmp_path)
        (tmp_path / "slot_a/node/app.mpy").unlink()
        write_boot(tmp_path, has_spare=True)
        await bench.power_on()
        await asyncio.sleep(60)
        bench.machine.printed.clear()
        now = await boot(bench)
        assert (now.running_slot, now.previous_slot, now.left_reason) == (1, 0, start_codes.NOT_STARTING)
        assert bench.machine.starts == 7

    on_bench(tmp_path, TABLE, body)


def test_a_trial_is_not_in_the_safe_mode_that_the_old_version_had_crashed_into(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        lay_other_slot(tmp_path)
        write_boot(tmp_path, trial=1, tries=1, crashes=3, safe_mode=start_codes.SAFE_AFTER_CRASHES)
        await bench.power_on()
        now = await boot(bench)
        assert (now.running_slot, now.safe_mode) == (1, start_codes.FULL_MODE)

    on_bench(tmp_path, TABLE, body)


def test_a_start_folder_that_cannot_be_loaded_is_tried_again_and_again(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        choice = tmp_path / "start/node/boot_choice.mpy"
        whole = choice.read_bytes()
        choice.write_bytes(b"no bytecode at all")
        await bench.power_on()
        await asyncio.sleep(17)
        assert bench.machine.starts > 3
        assert bench.complaints()
        bench.machine.printed.clear()
        choice.write_bytes(whole)
        await asyncio.sleep(8)
        assert (await boot(bench)).running_slot == 0

    on_bench(tmp_path, TABLE, body)


def test_without_an_update_there_is_no_previous_slot(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        await bench.power_on()
        now = await boot(bench)
        assert (now.running_slot, now.previous_slot, now.left_reason) == (0, NO_SLOT, start_codes.NOT_LEFT)

    on_bench(tmp_path, TABLE, body)
