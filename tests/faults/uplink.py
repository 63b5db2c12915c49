"""The uplink: datagrams lost, doubled, reordered, replayed; platform and gateway restarted at every step.

Each case stands in a module uplink_<case>.py beside this one (see _cases.py). Arguments choose cases by their names;
without any, all run, each followed by its control, which must show harm.
"""

import logging
from collections.abc import Iterator

from tests.faults._cases import Row, run_cases


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    logging.getLogger("gatepost").setLevel(logging.CRITICAL)  # what is broken here complains at every step
    return run_cases("uplink", arguments)
