"""The two nodes of hardware/poles/demo.toml with all their devices, on the workbench: what they take of the heap.

What is given as `folder` holds a pole.toml and a flash for each node.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from string import Template

from gateway_agent.config import PoleConfig, devices_of, load_pole
from gateway_agent.lighting.schedule import compile_schedule, lamp_of, today
from gateway_agent.provision import node_table, slots
from hardware.rig.devices import SimulatedDevice
from tests.firmware import heap_probe, node_day
from tests.firmware.workbench import START_UNIX_S, Workbench, on_bench

CASES = {"lamp-air": "lamp_node", "manhole": "manhole_node"}
"""Name of each case, and of its node in the demo's pole."""

_DEMO = Path(__file__).parents[2] / "hardware" / "poles" / "demo.toml"
_DAY_EVERY_S = {"lamp-air": 60, "manhole": 300}
_POLLS_LEFT_OUT, _POLLS = 40, 200
_PROBE_S = 300


def day(folder: Path, case: str, minutes: int) -> dict[str, float]:
    """The figures of `node_day.day`; the devices are polled each minute, those of the manhole each five."""
    pole, node = demo_pole(folder, every_s=_DAY_EVERY_S[case]), CASES[case]
    count = len(slots(pole, node))
    return node_day.day(
        lambda body: on_bench_with_devices(folder, pole, node, body), count, minutes, _schedule(pole, node)
    )


def heap_per_poll(folder: Path, case: str) -> float:
    """Bytes that a steady poll takes, on the average of some hundred."""
    program = heap_probe.polls_program(_POLLS_LEFT_OUT, _POLLS)
    taken, _good, failed = heap_probe.read_polls(_printed_by(folder, case, program))
    if failed:
        raise RuntimeError(f"{case}: {failed} polls failed on a clean line")
    return taken / _POLLS


def heap_per_event(folder: Path, case: str) -> int:
    """The most bytes that one event takes when it goes into the ring."""
    return max(heap_probe.read_events(_printed_by(folder, case, heap_probe.events_program())))


def demo_pole(folder: Path, every_s: int = 2) -> PoleConfig:
    """The demo's pole, its devices read every `every_s` seconds and reported no more often."""
    filled = folder / "pole.toml"
    names = {
        "port_pole": "rig://pole",
        "port_mains": "rig://mains",
        "platform": "coap://127.0.0.1",
        "identity": "identity.toml",
    }
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


def on_bench_with_devices(
    folder: Path,
    pole: PoleConfig,
    node: str,
    body: Callable[[Workbench], Awaitable[None]],
    programs: Iterable[str] = (),
) -> None:
    """Run `body` with the node on a bench among its devices, all of them answering."""

    async def with_devices(bench: Workbench) -> None:
        bench.master.unit = pole.node(node).unit
        _connect_devices(bench, pole, node)
        await body(bench)

    on_bench(folder / node, node_table(pole, node), with_devices, programs=programs)


def _printed_by(folder: Path, case: str, program: str) -> list[str]:
    """What a node with `program` as its main.py prints within five minutes."""
    pole, node = demo_pole(folder), CASES[case]
    printed: list[str] = []

    async def body(bench: Workbench) -> None:
        (folder / node / "main.py").write_text(program)
        await bench.power_on()
        await asyncio.sleep(_PROBE_S)
        printed.extend(bench.machine.printed)
        bench.machine.printed.clear()
        if bench.machine.ends:
            raise RuntimeError(f"{node} ended: {bench.machine.ends[-1]}")

    on_bench_with_devices(folder, pole, node, body, [program])
    return printed


def _schedule(pole: PoleConfig, node: str) -> bytes | None:
    """What the gateway would send on the bench's day, None for a node without a lamp."""
    lamp = lamp_of(pole, node)
    return None if lamp is None else compile_schedule(pole, lamp, today(pole, START_UNIX_S))
