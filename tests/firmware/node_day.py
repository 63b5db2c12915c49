"""A node's simulated day and its start: heap at every yield, growth, first reading; nine units beside a dead one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from protocols import node_map, quality
from tests.firmware.lamp_bench import send_schedule
from tests.firmware.workbench import Device, Workbench, on_bench, table_of

OnNode = Callable[[Callable[[Workbench], Awaitable[None]]], None]

_MINUTE_S = 60
_TEN_MINUTES_S = 600
_FIRST_WITHIN_S = 600
_SATURATED_MS = 100


def day(on_node: OnNode, slot_count: int, minutes: int, schedule: bytes | None = None) -> dict[str, float]:
    """Heap figures in bytes, and milliseconds from power to the first good reading, of one node with its devices.

    The gateway does what it does on a pole: each minute it reads all slots, the lamp and the events and acknowledges
    these; each hour it sets the clock and, given a `schedule` for the lamp, commands a level for ten minutes. Heap is
    what the heap holds at a yield, the rig's own modules left out; growth is live bytes after a collection at the end
    less those after the first hour, or the first half of less than two.
    """
    found: dict[str, float] = {}
    early = min(60, minutes // 2)

    async def body(bench: Workbench) -> None:
        machine = bench.machine
        machine.watches_heap = True
        powered_s = bench.clock.loop.time()
        await machine.power_on()
        await _until_it_answers(bench)
        found["heap_after_start_bytes"] = machine.info()["heap_used_bytes"]
        found["first_reading_ms"] = 1000 * (await _first_good(bench, slot_count) - powered_s)
        for minute in range(minutes):
            if minute % 60 == 0:
                await bench.master.set_time(bench.clock.unix_ms())
            if schedule is not None and minute % 60 == 0:
                await _serve_lamp(bench, schedule, minute // 60)
            await _serve(bench, slot_count)
            await asyncio.sleep(_MINUTE_S)
            if minute + 1 == early:
                found["early"] = machine.info()["heap_used_bytes"]
        found["heap_growth_day_bytes"] = machine.info()["heap_used_bytes"] - found.pop("early")
        found["heap_peak_day_bytes"] = machine.heap_peak_bytes
        if machine.ends:
            raise RuntimeError(f"the node ended: {machine.ends[-1]}")

    on_node(body)
    return found


async def _until_it_answers(bench: Workbench) -> None:
    """Wait until the node has loaded all its parts."""
    for _ in range(_FIRST_WITHIN_S):
        try:
            await bench.master.read(node_map.IDENTITY, 1)
            return
        except TimeoutError:
            if bench.machine.ends:
                raise
    raise RuntimeError(f"the node does not answer within {_FIRST_WITHIN_S} tries")


async def _serve(bench: Workbench, slot_count: int) -> None:
    """The reads of one minute."""
    master = bench.master
    registers = node_map.SLOT_REGISTERS * slot_count
    for start in range(0, registers, 124):
        await master.read(node_map.SLOTS + start, min(124, registers - start))
    await master.read(node_map.HEALTH, node_map.HEALTH_REGISTERS)
    await master.read(node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS)
    events = await master.events()
    if events:
        ago = (await master.read(node_map.EVENTS_EPOCHS_AGO, 1))[0]
        await master.acknowledge(await bench.epoch() - ago, events[-1].sequence)


async def _serve_lamp(bench: Workbench, schedule: bytes, hour: int) -> None:
    """The schedule once a day, and a level that is held for ten minutes."""
    if hour % 24 == 0:
        await send_schedule(bench.master, schedule)
    await bench.master.write(node_map.LAMP_COMMAND, hour + 1, 30 + hour % 24, 5, 0, 0, 0, 600, 2)


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
