"""Heap: none for a steady poll, and none that grows while the node runs."""

import asyncio
from pathlib import Path

from protocols import node_map
from protocols.node_table_writer import NodeTableWriter
from tests.firmware import heap_probe
from tests.firmware.workbench import NODE, Device, Workbench, on_bench, table_of

HEAP_PER_POLL_BYTES = 0
GROWTH_BYTES = 0


def mixed_table() -> bytes:
    """One point of each type, with sentinel, status, decimals and range."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    writer.add_device(200, 1, 200, 5, 1)
    writer.add_request(1, 3, 0, 20)
    status = writer.lookup(16, 0, 8, {1: 0, 2: 8}, 8)
    decimals = writer.lookup(17, 0, 16, {1: -1, 2: -2}, -128)
    for register, kind in enumerate(("u16", "s16", "u32", "s32")):
        writer.add_point(kind, 0, -(1 << 30), (1 << 30) - 1, register=2 * register, sentinels=(0xFFFF,))
    writer.add_point("f32", -2, -(1 << 30), (1 << 30) - 1, register=8)
    writer.add_point("u16", -2, 0, 1 << 30, register=10, decimals=decimals, status=status)
    writer.add_point("bits", 0, 0, 1 << 30, parts=((11, 4, 8), (12, 0, 16)))
    return writer.table()


MIXED = dict.fromkeys(range(20), 0) | {1: 0xFF00, 3: 77, 5: 9, 8: 0x4366, 9: 0x3333, 10: 1234, 11: 9, 16: 1, 17: 1}


def test_a_steady_poll_takes_no_heap(tmp_path: Path) -> None:
    program = heap_probe.polls_program(5, 40)

    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, dict(MIXED))
        (tmp_path / "main.py").write_text(program)
        await bench.power_on()
        await asyncio.sleep(20)
        taken, good, failed = heap_probe.read_polls(bench.machine.printed)
        bench.machine.printed.clear()
        print(f"{taken} bytes of heap in 40 polls")
        assert (good, failed) == (45, 0)
        assert taken == HEAP_PER_POLL_BYTES

    on_bench(tmp_path, mixed_table(), body, programs=[program])


def test_failing_polls_take_no_heap_either(tmp_path: Path) -> None:
    program = heap_probe.polls_program(5, 6)

    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, {0: 1}).spoil = lambda frame: frame[:-1] + b"\x00"
        (tmp_path / "main.py").write_text(program)
        await bench.power_on()
        await asyncio.sleep(900)
        taken, good, _failed = heap_probe.read_polls(bench.machine.printed)
        bench.machine.printed.clear()
        assert good == 0
        assert taken == 0

    on_bench(tmp_path, table_of((1, 1)), body, programs=[program])


def test_a_quarter_of_an_hour_of_polling_and_serving_leaves_the_heap_as_it_was(tmp_path: Path) -> None:
    async def body(bench: Workbench) -> None:
        Device(bench.sensors, 1, dict(MIXED))
        await bench.power_on()

        async def serve(seconds: int) -> int:
            for _ in range(seconds // 10):
                await asyncio.sleep(10)
                await bench.master.read(node_map.SLOTS, 28)
                await bench.master.read(node_map.EVENTS, 88)
                await bench.master.read(node_map.HEALTH, 18)
                await bench.master.set_time(bench.clock.unix_ms())
            return int(bench.machine.info()["heap_used_bytes"])

        early = await serve(120)
        late = await serve(900)
        print(f"heap used after two minutes {early}, a quarter of an hour later {late}")
        assert late - early <= GROWTH_BYTES

    on_bench(tmp_path, mixed_table(), body)
