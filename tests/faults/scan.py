"""Scan: random buses of mixed rates, parities and ids, with dead devices and two on one id; who is found.

Arguments choose cases by their names; without any, all run, and the control, which must miss some.
"""

from collections.abc import Iterator

from tests.faults._cases import Row, run_cases


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    return run_cases("scan", arguments)
