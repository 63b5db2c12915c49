"""The journal: power cut at every operation, damaged files, disks that are full or gone; nothing accepted is lost.

Each case stands in a module journal_<case>.py beside this one (see _cases.py). Arguments choose cases by their names;
without any, all run, each followed by its controls, which must show losses.
"""

import logging
from collections.abc import Iterator

from tests.faults._cases import Row, run_cases


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    logging.getLogger("gatepost").setLevel(logging.CRITICAL)  # what is broken here complains at every step
    return run_cases("journal", arguments)
