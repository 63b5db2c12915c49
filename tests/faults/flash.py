"""Flash: boards, cables, chips and flashes with something wrong, under `gatepost flash` with the real esptool.

The boards are simulated (hardware/rig/esp32). Arguments choose cases by their names; without any, all run, and the
controls, which must show losses.
"""

from collections.abc import Iterator

from tests.faults._cases import Row, run_cases


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    return run_cases("flash", arguments)
