"""Cutting the power at every operation on the flash: one run to count them, then one for each, before and after it."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hardware.bundle.firmware_files import firmware_files
from tests.firmware.workbench import Workbench, on_bench

Row = dict[str, str | int | float]


@dataclass
class Verdict:
    """What a cut has left: whether the node came back as it should, and what was lost, doubled or wrong."""

    survived: bool = True
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0


@dataclass
class Trial:
    """One run: the bench, and after which operation from the beginning of the change on the power is cut (0: never)."""

    bench: Workbench
    flash: Path
    cut_at: int = 0
    after: bool = False
    operations: int = 0
    notes: dict[str, int] = field(default_factory=dict)

    def arm(self) -> None:
        """The change begins now."""
        self.operations = self.bench.machine.flash_operations
        self.bench.machine.cut_at_operation(self.cut_at, after=self.after)

    @property
    def is_cut(self) -> bool:
        """Whether the power has gone."""
        return not self.bench.machine.running and bool(self.bench.machine.ends)

    def count(self) -> int:
        """Operations since the change began."""
        return self.bench.machine.flash_operations - self.operations


Body = Callable[[Trial], Awaitable[Verdict]]


def cut_everywhere(case: str, table: bytes, body: Body, changes: dict[str, str] | None = None, every: int = 1) -> Row:
    """The row of a case: `body` run with a cut at each operation (or each `every`-th), before and after it.

    `changes` are other sources for some modules of the firmware, for a control.
    """
    tried = survived = 0
    total = Verdict()
    boots = 0
    _verdict, operations, _boots = _run(table, body, 0, False, changes)
    for cut_at, after in _cuts(operations, every):
        verdict, _operations, starts = _run(table, body, cut_at, after, changes)
        tried += 1
        boots += starts
        survived += verdict.survived
        total.lost += verdict.lost
        total.duplicated += verdict.duplicated
        total.wrong += verdict.wrong
    return {
        "case": case,
        "tried": tried,
        "survived": survived,
        "lost": total.lost,
        "duplicated": total.duplicated,
        "wrong": total.wrong,
        "operations": operations,
        "boots": boots,
    }


def _cuts(operations: int, every: int) -> Iterator[tuple[int, bool]]:
    for number in range(1, operations + 1, every):
        yield number, False
        yield number, True


def _run(
    table: bytes, body: Body, cut_at: int, after: bool, changes: dict[str, str] | None
) -> tuple[Verdict, int, int]:
    found: list[tuple[Verdict, int, int]] = []

    async def on_the_bench(bench: Workbench) -> None:
        if changes:
            _lay(folder, changes)
        trial = Trial(bench, folder, cut_at, after)
        verdict = await body(trial)
        if not verdict.survived:
            bench.machine.printed.clear()
        found.append((verdict, trial.count(), bench.machine.starts))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        on_bench(folder, table, on_the_bench)
    return found[0]


def _lay(flash: Path, changes: dict[str, str]) -> None:
    """Put other modules into the slot, and into start/ where they are there too."""
    for name, content in firmware_files(changes=changes).items():
        (flash / "slot_a" / name).write_bytes(content)
        if (flash / "start" / name).exists():
            (flash / "start" / name).write_bytes(content)
