"""The node: cut at every file-system operation, fed with bad bundles and noise, left without its gateway.

Each case stands in a module node_<case>.py beside this one, with `CASES = {"node/<case>": function}`; a function
returns one row. Arguments choose cases by their names; without any, all run, each kind followed by its controls.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

Row = dict[str, str | int | float]
Case = Callable[[], Row]


def cases() -> dict[str, Case]:
    """Every case by its name."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("node_"):
            found |= importlib.import_module(f"{__package__}.{module.name}").CASES
    return found


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the chosen cases; an argument is a case's name, with or without `node/` before it."""
    known = cases()
    names = [name if name.startswith("node/") else f"node/{name}" for name in arguments] or list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"there is no case {name}; there are: {', '.join(known)}")
        yield known[name]()
