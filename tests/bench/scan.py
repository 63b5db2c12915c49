"""Scan: seconds of the line's time of a full scan of random buses, until the last device is found, and of brute force.

Arguments: the number of buses (default 3). All figures are means a bus, of the buses of `make faults ARGS=scan`.
"""

from collections.abc import Iterator

from tests.faults._progress import silent
from tests.faults.scan_buses import buses

Row = dict[str, str | int | float]

_METRICS = {
    "full_scan_s": "bus_s",
    "found_s": "found_s",
    "asking_everything_s": "brute_force_s",
    "asking_everything_80_ms_s": "brute_force_short_s",
}


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    count = int(arguments[0]) if arguments else 3
    counted = buses(silent, count)
    for metric, key in _METRICS.items():
        yield {"case": "random buses", "metric": metric, "value": round(counted[key] / count), "unit": "s"}
    yield {"case": "random buses", "metric": "found", "value": counted["survived"], "unit": f"of {counted['tried']}"}
