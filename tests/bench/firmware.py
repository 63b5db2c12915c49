"""The node's firmware in the machine: heap, speed, a day, a dead unit.

Cases are the two nodes of hardware/poles/demo.toml with all their devices; a day is polled each minute (the manhole
each five). Arguments: the number of requests (default 3000), the hours of the day (default 24).
"""

import asyncio
import re
import struct
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from string import Template

from gateway_agent.boards.load import DEFAULT_BOARD
from gateway_agent.config import PoleConfig, devices_of, load_pole
from gateway_agent.provision import node_table, slots
from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, source_version
from hardware.bundle.keys import new_key
from hardware.rig.bus import WireFrame
from hardware.rig.devices import SimulatedDevice
from protocols import modbus, node_map
from tests.firmware import heap_probe, node_day
from tests.firmware.workbench import Workbench, on_bench

Row = dict[str, str | int | float]

_DEMO = Path(__file__).parents[2] / "hardware" / "poles" / "demo.toml"
_CASES = {"lamp-air": "lamp_node", "manhole": "manhole_node"}
_DAY_EVERY_S = {"lamp-air": 60, "manhole": 300}
_POLLS_LEFT_OUT, _POLLS = 40, 200
_PROBE_S = 900


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    requests = int(arguments[0]) if arguments else 3000
    hours = int(arguments[1]) if len(arguments) > 1 else 24
    with tempfile.TemporaryDirectory() as folder:
        pole = _pole(Path(folder))
        for case, node in _CASES.items():
            yield _row(case, "heap_per_poll_bytes", _heap_per_poll(Path(folder), pole, node), "bytes")
            yield _row(case, "heap_per_event_bytes", _heap_per_event(Path(folder), pole, node), "bytes")
            yield _row(case, "flash_used_bytes", _flash_used(Path(folder) / node), "bytes")
            seconds, turnaround_ms = _serve(Path(folder), pole, node, requests)
            yield _row(case, "served_requests", round(requests / seconds), "requests/s")
            yield _row(case, "turnaround", round(turnaround_ms, 2), "ms")
        for case, node in _CASES.items():
            yield from _day(Path(folder), case, node, hours)
        ratio = node_day.dead_of_ten(Path(folder))
        yield _row("lamp-air", "poll_rate_ratio_one_dead_of_ten", round(ratio, 4), "ratio")
    bundle_bytes = _bundle_bytes()
    for case in _CASES:
        yield _row(case, "bundle_bytes", bundle_bytes, "bytes")


def _day(folder: Path, case: str, node: str, hours: int) -> Iterator[Row]:
    pole = _pole(folder, every_s=_DAY_EVERY_S[case])
    count = len(slots(pole, node))
    figures = node_day.day(lambda body: _on_bench(folder, pole, node, body), count, hours)
    for metric, value in sorted(figures.items()):
        yield _row(case, metric, round(value), "ms" if metric.endswith("_ms") else "bytes")


def _row(case: str, metric: str, value: float, unit: str) -> Row:
    return {"case": case, "metric": metric, "value": value, "unit": unit}


def _pole(folder: Path, every_s: int = 2) -> PoleConfig:
    """The demo's pole, its devices read every `every_s` seconds and reported no more often."""
    filled = folder / "pole.toml"
    names = {"port_pole": "rig://pole", "port_mains": "rig://mains", "platform": "coap://127.0.0.1"}
    text = Template(_DEMO.read_text()).substitute(names, journal=folder / "journal.sqlite")
    if every_s != 2:
        text = _without_reports(text).replace("every_s = 2\n", f"every_s = {every_s}\n")
    filled.write_text(text)
    return load_pole(filled)


def _without_reports(text: str) -> str:
    """Leave out the demo's short reports, which do not fit long periods."""
    text = re.sub(r"\[(nodes\.devices|devices)\.report\]\n(?:[a-z0-9_]+ = .*\n)*", "", text)
    return re.sub(r"(?m)^report = .*\n", "", text)


def _connect_devices(bench: Workbench, pole: PoleConfig, node: str) -> None:
    for device in devices_of(pole):
        if device.node is not None and device.node.name == node and device.is_on_bus:
            unit = device.config.unit or device.units()[0]
            simulated = SimulatedDevice(
                device.profile.profile, unit, device.name, device.config.options, clock=bench.clock
            )
            for point in simulated.points.values():
                simulated.set(point.name, min(max(point.low, 7), point.high))
            simulated.refresh()
            simulated.connect(bench.sensors)


def _on_bench(
    folder: Path,
    pole: PoleConfig,
    node: str,
    body: Callable[[Workbench], Awaitable[None]],
    programs: Iterable[str] = (),
) -> None:
    async def with_devices(bench: Workbench) -> None:
        _connect_devices(bench, pole, node)
        await body(bench)

    on_bench(folder / node, node_table(pole, node), with_devices, programs=programs)


def _printed_by(folder: Path, pole: PoleConfig, node: str, program: str, seconds: int) -> list[str]:
    """What a node with `program` as its main.py prints within so many seconds."""
    printed: list[str] = []

    async def body(bench: Workbench) -> None:
        (folder / node / "main.py").write_text(program)
        await bench.power_on()
        await asyncio.sleep(seconds)
        printed.extend(bench.machine.printed)
        bench.machine.printed.clear()
        if bench.machine.ends:
            raise RuntimeError(f"{node} ended: {bench.machine.ends[-1]}")

    _on_bench(folder, pole, node, body, [program])
    return printed


def _heap_per_poll(folder: Path, pole: PoleConfig, node: str) -> float:
    program = heap_probe.polls_program(_POLLS_LEFT_OUT, _POLLS)
    taken, _good, failed = heap_probe.read_polls(_printed_by(folder, pole, node, program, _PROBE_S))
    if failed:
        raise RuntimeError(f"{node}: {failed} polls failed on a clean line")
    return taken / _POLLS


def _heap_per_event(folder: Path, pole: PoleConfig, node: str) -> int:
    """The most that one event takes when it goes into the ring."""
    return max(heap_probe.read_events(_printed_by(folder, pole, node, heap_probe.events_program(), _PROBE_S)))


def _flash_used(flash: Path) -> int:
    """Bytes of all files on the node's flash, one slot filled, as after provisioning."""
    return sum(file.stat().st_size for file in flash.rglob("*") if file.is_file())


def _bundle_bytes() -> int:
    """An update of the default board, as `make bundle` builds it."""
    files = firmware_files(None, board_sources(DEFAULT_BOARD))
    version = source_version()
    return len(make_bundle(files, version, (0, 0, 0), board_number(DEFAULT_BOARD), new_key()).content)


def _serve(folder: Path, pole: PoleConfig, node: str, requests: int) -> tuple[float, float]:
    """Wall seconds for reading up to 31 slots `requests` times, and milliseconds until the node begins to answer."""
    begun = ended = asked_s = 0.0
    unit = pole.node(node).unit
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
            await bench.master.ask(question, unit)
        ended = time.perf_counter()

    _on_bench(folder, pole, node, body)
    return ended - begun, 1000 * sum(turnarounds) / len(turnarounds)
