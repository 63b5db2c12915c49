"""The node: cut at every file-system operation, fed with bad bundles and noise, left without its gateway.

Each case stands in a module node_<case>.py beside this one (see _cases.py). Arguments choose cases by their names;
without any, all run, each kind followed by its controls. A control must show losses: one that survives wholly, or a
case that does not, ends the run with exit code 1 when all rows are printed.
"""

from collections.abc import Iterator

from tests.faults._cases import Case, Row, find_cases, is_clean, run_cases

__all__ = ["Case", "Row", "cases", "is_clean", "run"]


def cases() -> dict[str, Case]:
    """Every case by its name."""
    return find_cases("node")


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases, as `run_cases` does."""
    return run_cases("node", arguments)
