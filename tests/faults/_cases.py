"""The cases of a fault group: finds them, runs them, and tells whether a row is as it should be.

A case of the group `node` stands in a module node_<case>.py beside this one, with `CASES = {"node/<case>": function}`;
a function gets somebody to tell how far it is, and returns one row. A case whose name ends in "-control" must show
losses.
"""

import importlib
import os
import pkgutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.faults._progress import OnProgress, shown

Row = dict[str, str | int | float]
Case = Callable[[OnProgress], Row]

_CONTROL = "-control"
_HARM = ("lost", "duplicated", "wrong", "crashed", "heap_growth_bytes", "numbers_reused", "commands_twice")


def find_cases(group: str) -> dict[str, Case]:
    """Every case of a group by its name."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith(f"{group}_"):
            found |= importlib.import_module(f"{__package__}.{module.name}").CASES
    return found


def run_cases(group: str, arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases of a group, all without arguments; an argument is a case's name, with or
    without `<group>/` before it.

    Raises SystemExit for a name that is none, and at the end when a row is not as its case should be.
    """
    known = find_cases(group)
    names = [name if name in known else f"{group}/{name}" for name in arguments] or list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no case {name}; there are: {', '.join(known)}")
    amiss: list[str] = []
    for name in names:
        began_s, cpu_s = time.monotonic(), _cpu_s()
        with shown(name) as on_progress:
            row = known[name](on_progress)
        seconds = {"seconds": round(time.monotonic() - began_s, 1), "cpu_seconds": round(_cpu_s() - cpu_s, 1)}
        yield {**row, **seconds}
        if is_clean(row) == name.endswith(_CONTROL):
            amiss.append(name)
    if amiss:
        raise SystemExit(f"not as it should be (a control must fail, all else must not): {', '.join(amiss)}")


def is_clean(row: Row) -> bool:
    """Whether everything that was tried has survived and nothing was lost, doubled or wrong."""
    return row["tried"] == row["survived"] and not any(row.get(key) for key in _HARM)


def _cpu_s() -> float:
    """Processor time of this process and of all that it has started and seen ending."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system
