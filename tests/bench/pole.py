"""A whole pole as fast as this computer can: how much faster than real time, and what it measures, sends and waits.

Arguments: simulated seconds (default 600), seed (default 1).
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.system.pole_runs import run_pole

Row = dict[str, str | int | float]

CASE = "demo pole"


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    seconds = int(arguments[0]) if arguments else 600
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    with tempfile.TemporaryDirectory() as folder:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        _, figures = run_pole(Path(folder), seconds, seed=seed)
        wall, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    readings = figures["readings"]
    for metric, value, unit in (
        ("speed", round(seconds / wall, 1), "simulated s/s"),
        ("cpu", round(1e3 * cpu / seconds, 2), "ms/simulated s"),
        ("readings", readings["delivered"], "readings"),
        ("faults", readings["lost"] + readings["duplicated"] + readings["wrong"], "readings"),
        ("bytes_per_reading", figures["bytes_per_reading"], "bytes"),
        ("alarm_latency", figures["alarms"]["latency_ms"], "ms"),
        ("command_latency", figures["commands"]["latency_ms"], "ms"),
    ):
        yield {"case": CASE, "metric": metric, "value": value, "unit": unit}
