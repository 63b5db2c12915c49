"""The lamp's look of every second takes no heap while nothing changes, with sensor rules and power watched."""

import asyncio
from pathlib import Path

from protocols import lamp_schedule
from tests.firmware.lamp_bench import LUX_SLOT, POWER_SLOT, VOLTAGE_SLOT, Driver, keep_schedule, lamp_table, unix_s
from tests.firmware.test_lamp_schedule import command, set_unix, writer_of
from tests.firmware.workbench import Workbench, on_bench

HEAP_PER_TICK_BYTES = 0

PROGRAM = """
import gc
import sys

sys.path.insert(0, "slot_a")
from node import lamp_control

inner = lamp_control.LampControl.tick
seen = [0, 0]


def tick(self):
    before = gc.mem_alloc()
    inner(self)
    taken = gc.mem_alloc() - before
    seen[0] += 1
    if seen[0] > 60:
        seen[1] += taken
    if seen[0] == 260:
        print("ticks", seen[1])


lamp_control.LampControl.tick = tick
import node.app

node.app.main()
"""


def test_a_tick_that_changes_nothing_takes_no_heap(tmp_path: Path) -> None:
    writer = writer_of(lamp_table())
    writer.add_sensor(LUX_SLOT, lamp_schedule.WHEN_OFF, 80, 20, 50, 60)
    writer.set_power(POWER_SLOT, tuple(100 * tenth for tenth in range(11)), 50, VOLTAGE_SLOT, 500)
    keep_schedule(tmp_path, writer.schedule())

    async def body(bench: Workbench) -> None:
        Driver(bench)
        (tmp_path / "main.py").write_text(PROGRAM)
        await bench.power_on()
        await set_unix(bench, unix_s(2026, 6, 18, 23))
        await command(bench, 1, 40, hold_s=3000)
        await asyncio.sleep(300)
        printed = [line for line in bench.machine.printed if line.startswith("ticks ")]
        bench.machine.printed.clear()
        assert printed == [f"ticks {HEAP_PER_TICK_BYTES}"]

    on_bench(tmp_path, lamp_table(), body, programs=[PROGRAM])
