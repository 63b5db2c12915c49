"""A node's simulated day and its start: heap at every yield, growth, first reading; nine units beside a dead one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from protocols import node_map, quality
from tests.firmware.workbench import Device, Workbench, on_bench, table_of

OnNode = Callable[[Callable[[Workbench], Awaitable[None]]], None]

_HOUR_S = 3600
_READ_EVERY_S = 60
_TEN_MINUTES_S = 600
_FIRST_WITHIN_S = 600
_SATURATED_MS = 100


def day(on_node: OnNode, slot_count: int, hours: int) -> dict[str, float]:
    """Heap figures in bytes, and milliseconds from power to the first good reading, of one node with its devices.

    The gateway sets the clock each hour and reads all slots each minute. Heap is what the heap holds at a yield, the
    rig's own modules left out; growth is live bytes after a collection at the last hour less those at the first.
    """
    found: dict[str, float] = {}

    async def body(bench: Workbench) -> None:
        machine = bench.machine
        machine.watches_heap = True
        powered_s = bench.clock.loop.time()
        await machine.power_on()
        await _until_it_answers(bench)
        found["heap_after_start_bytes"] = machine.info()["heap_used_bytes"]
        found["first_reading_ms"] = 1000 * (await _first_good(bench, slot_count) - powered_s)
        for hour in range(hours):
            await bench.master.set_time(bench.clock.unix_ms())
            for _ in range(_HOUR_S // _READ_EVERY_S):
                await _read_slots(bench, slot_count)
                await asyncio.sleep(_READ_EVERY_S)
            if hour == 0:
                found["after_first_hour"] = machine.info()["heap_used_bytes"]
        found["heap_growth_day_bytes"] = machine.info()["heap_used_bytes"] - found.pop("after_first_hour")
        found["heap_peak_day_bytes"] = machine.heap_peak_bytes
        if machine.ends:
            raise RuntimeError(f"the node ended: {machine.ends[-1]}")

    on_node(body)
    return found


async def _until_it_answers(bench: Workbench) -> None:
    """Wait until the node has loaded all its parts."""
    while True:
        try:
            await bench.master.read(node_map.IDENTITY, 1)
            return
        except TimeoutError:
            if bench.machine.ends:
                raise


async def _read_slots(bench: Workbench, count: int) -> None:
    registers = node_map.SLOT_REGISTERS * count
    for start in range(0, registers, 124):
        await bench.master.read(node_map.SLOTS + start, min(124, registers - start))


async def _first_good(bench: Workbench, count: int) -> float:
    given_up_s = bench.clock.loop.time() + _FIRST_WITHIN_S
    while bench.clock.loop.time() < given_up_s:
        for index in range(count):
            if (await bench.master.slot(index)).quality == quality.GOOD:
                return bench.clock.loop.time()
        await asyncio.sleep(0.02)
    raise RuntimeError(f"no good reading within {_FIRST_WITHIN_S} s")


def dead_of_ten(folder: Path) -> float:
    """Good polls of nine units with a tenth one dead against the same nine alone, the bus saturated, ten minutes."""
    counts = []
    for units in (9, 10):
        devices = [(unit, 4) for unit in range(1, units + 1)]
        good = 0

        async def body(bench: Workbench, units: int = units) -> None:
            nonlocal good
            for unit in range(1, 10):
                Device(bench.sensors, unit, dict.fromkeys(range(4), unit))
            await bench.power_on()
            await asyncio.sleep(_TEN_MINUTES_S)
            good = await bench.master.health(node_map.HEALTH_POLLS_GOOD)

        on_bench(folder / str(units), table_of(*devices, period_ms=_SATURATED_MS), body)
        counts.append(good)
    return counts[1] / counts[0]
