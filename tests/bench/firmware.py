"""The node's firmware in the machine: heap, speed, a day, a dead unit, sizes.

Cases are the two nodes of hardware/poles/demo.toml with all their devices; a day is polled each minute (the manhole
each five). Arguments: the number of requests (default 3000), the hours of the day (default 24).
"""

import struct
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gateway_agent.boards.load import DEFAULT_BOARD
from gateway_agent.provision import slots
from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, source_version
from hardware.bundle.keys import new_key
from hardware.rig.bus import WireFrame
from protocols import modbus, node_map
from tests.firmware import demo_nodes, node_day
from tests.firmware.workbench import Workbench

Row = dict[str, str | int | float]


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    requests = int(arguments[0]) if arguments else 3000
    hours = int(arguments[1]) if len(arguments) > 1 else 24
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in demo_nodes.CASES:
            yield _row(case, "heap_per_poll_bytes", demo_nodes.heap_per_poll(folder, case), "bytes")
            yield _row(case, "heap_per_event_bytes", demo_nodes.heap_per_event(folder, case), "bytes")
            yield _row(case, "flash_used_bytes", _flash_used(folder / demo_nodes.CASES[case]), "bytes")
            seconds, turnaround_ms = _serve(folder, case, requests)
            yield _row(case, "served_requests", round(requests / seconds), "requests/s")
            yield _row(case, "turnaround", round(turnaround_ms, 2), "ms")
        for case in demo_nodes.CASES:
            for metric, value in sorted(demo_nodes.day(folder, case, 60 * hours).items()):
                yield _row(case, metric, round(value), "ms" if metric.endswith("_ms") else "bytes")
        ratio = node_day.dead_of_ten(folder)
        yield _row("lamp-air", "poll_rate_ratio_one_dead_of_ten", round(ratio, 4), "ratio")
    bundle_bytes = _bundle_bytes()
    for case in demo_nodes.CASES:
        yield _row(case, "bundle_bytes", bundle_bytes, "bytes")


def _row(case: str, metric: str, value: float, unit: str) -> Row:
    return {"case": case, "metric": metric, "value": value, "unit": unit}


def _flash_used(flash: Path) -> int:
    """Bytes of all files on the node's flash, one slot filled, as after provisioning."""
    return sum(file.stat().st_size for file in flash.rglob("*") if file.is_file())


def _bundle_bytes() -> int:
    """An update of the default board, as `make bundle` builds it."""
    files = firmware_files(None, board_sources(DEFAULT_BOARD))
    version = source_version()
    return len(make_bundle(files, version, (0, 0, 0), board_number(DEFAULT_BOARD), new_key()).content)


def _serve(folder: Path, case: str, requests: int) -> tuple[float, float]:
    """Wall seconds for reading up to 31 slots `requests` times, and milliseconds until the node begins to answer."""
    pole, node = demo_nodes.demo_pole(folder), demo_nodes.CASES[case]
    begun = ended = asked_s = 0.0
    registers = min(node_map.SLOT_REGISTERS * len(slots(pole, node)), modbus.MAX_READ_REGISTERS)
    question = struct.pack(">BHH", modbus.READ_HOLDING_REGISTERS, node_map.SLOTS, registers)
    turnarounds: list[float] = []

    async def body(bench: Workbench) -> None:
        nonlocal begun, ended, asked_s

        def heard(frame: WireFrame) -> None:
            nonlocal asked_s
            if frame.drop == "master":
                asked_s = frame.end_s
            else:
                turnarounds.append(frame.start_s - asked_s)

        await bench.power_on()
        bench.pole.tap(heard)
        begun = time.perf_counter()
        for _ in range(requests):
            await bench.master.ask(question)
        ended = time.perf_counter()

    demo_nodes.on_bench_with_devices(folder, pole, node, body)
    return ended - begun, 1000 * sum(turnarounds) / len(turnarounds)
