"""Runs one group of `make bench` or `make faults` and prints what it yields as JSON lines.

A group is a module of tests/bench/ or tests/faults/ with `run(arguments: list[str]) -> Iterable[dict]`; its docstring's
first line tells what it measures. Each dict is one line. A bench group's dicts hold case, metric, value and unit (and
peer where the figure is somebody else's), a fault group's case, tried, survived, lost, duplicated and wrong; more
keys are allowed. `group` is put in front here.
"""

import importlib
import json
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

WORDS_WERE_OFF = 2


def run_group(package: str, keys: Sequence[str], group_key: str | None, words: Sequence[str]) -> int:
    """Run the group that the first of `words` names, with the others as its arguments; return the exit code.

    `keys` must be in every dict, or ValueError comes out. `group_key` stands as "group" in each line; the group's
    own name where it is None. Without a group lists the groups; with an unknown one lists them on stderr and returns 2.
    """
    groups = dict(find_groups(package))
    if not words or words[0] not in groups:
        to = sys.stderr if words else sys.stdout
        print(f"make {package.rpartition('.')[2]} ARGS=<group>, where <group> is one of:", file=to)
        for name, purpose in groups.items():
            print(f"  {name:12} {purpose}", file=to)
        return WORDS_WERE_OFF if words else 0
    module = importlib.import_module(f"{package}.{words[0]}")
    for row in module.run(list(words[1:])):
        absent = [key for key in keys if key not in row]
        if absent:
            raise ValueError(f"group {words[0]} yielded {row} without {', '.join(absent)}")
        print(json.dumps({"group": group_key or words[0], **row}), flush=True)
    return 0


def find_groups(package: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each group of the package and the first line of its docstring, without importing it.

    A module whose name begins with `_`, or with another module's and `_` (`node_settings` beside `node`), is a part
    and no group of its own.
    """
    for folder in importlib.import_module(package).__path__:
        names = [module.name for module in pkgutil.iter_modules([folder]) if not module.name.startswith("_")]
        for name in names:
            if not any(name.startswith(f"{other}_") for other in names):
                source = (Path(folder) / f"{name}.py").read_text(encoding="utf-8")
                yield name, source.partition("\n")[0].strip('"')
