"""Cutting the power at every operation on the flash: one run to count them, then one for each, before and after it."""

import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from hardware.bundle.firmware_files import firmware_files
from hardware.rig.machine.lockstep import Operation
from protocols import node_map
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.firmware.workbench import Master, Workbench, on_bench

Row = dict[str, str | int | float]


@dataclass
class Verdict:
    """What a cut has left: whether the node came back as it should, and what was lost, doubled or wrong.

    `found` is counted over all cuts and becomes part of the row.
    """

    survived: bool = True
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    found: dict[str, int] = field(default_factory=dict)


@dataclass
class Trial:
    """One run: the bench, and after which operation from the beginning of the change on the power is cut (0: never)."""

    bench: Workbench
    cut_at: int = 0
    after: bool = False
    operations: int = 0

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
Sources = dict[str, str]


@dataclass(frozen=True)
class Change:
    """What is cut: the node's table, the play on the bench, and other sources for some modules, for a control.

    `body` must be a function of a module, for it goes to other processes.
    """

    table: bytes
    body: Body
    sources: Sources = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """One run of a change: the verdict, operations since it began, starts of the machine, and all that it did to its
    flash from the first start on, if that was recorded."""  # fmt: skip

    verdict: Verdict
    operations: int
    starts: int
    recorded: list[Operation]


def cut_everywhere(case: str, change: Change, on_progress: OnProgress, every: int = 1) -> Row:
    """The row of a case: `change` with a cut at each operation (or each `every`-th), before and after it."""
    operations = play(change).operations
    jobs = [(change, number, after) for number in range(1, operations + 1, every) for after in (False, True)]
    outcomes = on_all_cores(play, jobs, on_progress)
    verdicts = [outcome.verdict for outcome in outcomes]
    found: Counter[str] = Counter()
    for verdict in verdicts:
        found.update(verdict.found)
    return {
        "case": case,
        "tried": len(jobs),
        "survived": sum(verdict.survived for verdict in verdicts),
        "lost": sum(verdict.lost for verdict in verdicts),
        "duplicated": sum(verdict.duplicated for verdict in verdicts),
        "wrong": sum(verdict.wrong for verdict in verdicts),
        "operations": operations,
        "boots": sum(outcome.starts for outcome in outcomes),
        **dict(sorted(found.items())),
    }


def play(change: Change, cut_at: int = 0, after: bool = False, flash: Path | None = None) -> Outcome:
    """One run of a change. With `flash` it plays on that folder, which must be laid out, and records what is done."""
    found: list[Outcome] = []

    async def on_the_bench(bench: Workbench) -> None:
        lay(folder, change)
        bench.machine.records_flash = flash is not None
        trial = Trial(bench, cut_at, after)
        verdict = await change.body(trial)
        if not verdict.survived:
            bench.machine.printed.clear()
        found.append(Outcome(verdict, trial.count(), bench.machine.starts, bench.machine.operations))

    with tempfile.TemporaryDirectory() as name:
        folder = flash or Path(name)
        on_bench(folder, change.table, on_the_bench)
    return found[0]


def lay(flash: Path, change: Change) -> None:
    """Put the other modules of a control into the slot, and into start/ where they are there too."""
    if not change.sources:
        return
    for name, content in firmware_files(changes=change.sources).items():
        (flash / "slot_a" / name).write_bytes(content)
        if (flash / "start" / name).exists():
            (flash / "start" / name).write_bytes(content)


async def running_version(master: Master) -> str:
    """The version that the node says it runs. Raises TimeoutError."""
    high, patch = await master.read(node_map.IDENTITY_FIRMWARE_VERSION, 2)
    return f"{high >> 8}.{high & 0xFF}.{patch}"
