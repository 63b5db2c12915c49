"""Modems: every fault of the emulators injected into every dialect, while batches, alarms and commands flow.

Each case is one dialect (tests/faults/modems_dialect.py). Arguments choose cases by their names; without any, all run,
and the control, which must show losses.
"""

import logging
from collections.abc import Iterator

from tests.faults._cases import Row, run_cases


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    logging.getLogger("gatepost").setLevel(logging.CRITICAL)  # what is broken here complains at every step
    return run_cases("modems", arguments)
