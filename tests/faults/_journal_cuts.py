"""Power cuts of a journal: a script is recorded once, then the power is cut at every operation that it did on the disk.

For each cut and mode the disk is laid as the cut leaves it, the journal is opened with the real code, and a gateway
goes on from there (`recover`) until the platform has everything; then the world judges. A disk that is byte for byte
that of another cut with the same past is judged once and counted for both. Of some cuts the recovery is recorded as
well, and cut at each of its operations.
"""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_agent.journal import JournalError
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._inline import run_inline
from tests.faults._journal_hour import NAME, Play, Script, hour, recover
from tests.faults._journal_world import Mark, Verdict, World
from tests.faults._power import DROP, MODES, SYNC, TORN, Image, Operation, images, lay, memory_folder, recording
from tests.faults._progress import OnProgress

_REBOOT_MS = 20_000
_CUTS_OF_A_JOB = 100


@dataclass(frozen=True)
class Recording:
    """What a play did on a disk that held `start`, and what became true meanwhile; `start_ms` (unix) is its start."""

    start: Image
    start_ms: int
    log: list[Operation]
    marks: list[Mark]


@dataclass
class Tally:
    """Sums over cuts. `runs` are the gateways that were really started."""

    tried: int = 0
    survived: int = 0
    opened: int = 0
    second_cuts: int = 0
    runs: int = 0
    found: Verdict = field(default_factory=Verdict)
    why: str = ""

    def add(self, other: "Tally") -> None:
        """Add the sums of other cuts."""
        for key in ("tried", "survived", "opened", "second_cuts", "runs"):
            setattr(self, key, getattr(self, key) + getattr(other, key))
        for key, count in vars(other.found).items():
            setattr(self.found, key, getattr(self.found, key) + count)
        self.why = self.why or other.why

    def row(self, case: str) -> Row:
        """The row of a case; the first cut that was not survived stands in it as `first`."""
        found = vars(self.found)
        sums: Row = {"case": case, "tried": self.tried, "survived": self.survived, **found, "opened": self.opened}
        sums |= {"second_cuts": self.second_cuts, "runs": self.runs}
        return {**sums, "first": self.why} if self.why else sums


def cut_everywhere(
    case: str,
    on_progress: OnProgress,
    script: Script,
    *,
    keeps_syncs: bool = True,
    every: int = 1,
    second_every: int = 0,
) -> Row:
    """The row of a case: `script` with a cut at each operation, or each `every`-th, in all modes; and second cuts in
    the recovery from each `second_every`-th cut beside a sync (0: none)."""
    made = record(script, keeps_syncs)
    cuts = range(0, len(made.log) + 1, every)
    beside_syncs = [cut for cut in cuts if _is_beside_sync(made.log, cut)]
    second = frozenset(beside_syncs[::second_every] if second_every else ())
    jobs = [(made, cuts[first : first + _CUTS_OF_A_JOB], second) for first in range(0, len(cuts), _CUTS_OF_A_JOB)]
    tally = Tally()
    for part in on_all_cores(try_cuts, jobs, on_progress):
        tally.add(part)
    return {**tally.row(case), "operations": len(made.log)}


def record(script: Script, keeps_syncs: bool = True) -> Recording:
    """Play a script wholly. Raises AssertionError when it goes wrong without any cut."""
    world = World()
    with memory_folder() as folder:
        made = _record({}, world, lambda play: hour(play, script), DEMO_START_UNIX_MS, folder, keeps_syncs)
    assert world.verdict.is_clean, world.verdict
    return made


def try_cuts(made: Recording, cuts: Sequence[int], second: frozenset[int]) -> Tally:
    """Cut at `cuts`, in all modes, and in the recovery from those that are in `second`."""
    with memory_folder() as folder:
        return _try_all(made, World(), cuts, MODES, folder, "", second)


def _try_all(
    made: Recording,
    world: World,
    cuts: Sequence[int],
    modes: Sequence[str],
    folder: Path,
    after: str,
    second: frozenset[int] = frozenset(),
) -> Tally:
    tally, applied, now_ms = Tally(), 0, made.start_ms
    judged: dict[frozenset[tuple[str, bytes]], Tally] = {}
    for cut, mode, image in images(made.log, made.start, cuts, modes):
        while applied < len(made.marks) and made.marks[applied].position <= cut:
            world.apply(made.marks[applied])
            now_ms = made.marks[applied].time_ms
            applied += 1
            judged.clear()
        key, what = frozenset(image.items()), f"{mode} before {cut}{after}"
        if key not in judged:
            judged[key] = _try(image, world.copy(), now_ms + _REBOOT_MS, folder, what)
            tally.runs += 1
        tally.add(judged[key])
        if cut in second and mode in (DROP, TORN):
            recovery = _record(image, world.copy(), recover, now_ms + _REBOOT_MS, folder)
            everywhere = range(len(recovery.log) + 1)
            modes_then = (MODES[cut % len(MODES)],)
            part = _try_all(recovery, world.copy(), everywhere, modes_then, folder, f" of the recovery from {what}")
            part.second_cuts = part.tried
            tally.add(part)
    return tally


def _try(image: Image, world: World, start_ms: int, folder: Path, what: str) -> Tally:
    """Start a gateway on `image` and judge; the runs are counted by the caller."""
    lay(folder, image)
    opened, why = 1, ""

    async def main(clock: RigClock) -> None:
        await recover(Play(folder / NAME, clock, world))

    try:
        run_inline(main, start_unix_ms=start_ms)
    except JournalError as error:
        opened, why = 0, f"{what}: {error}"
    found = world.judge()
    is_good = bool(opened) and found.is_clean
    return Tally(1, int(is_good), opened, found=found, why=why or ("" if is_good else f"{what}: {found}"))


def _record(
    image: Image,
    world: World,
    action: Callable[[Play], Coroutine[Any, Any, None]],
    start_ms: int,
    folder: Path,
    keeps_syncs: bool = True,
) -> Recording:
    """Do `action` on a disk that holds `image`, in `world`, and keep what was done."""
    lay(folder, image)
    with recording(folder, keeps_syncs) as disk:

        async def main(clock: RigClock) -> list[Mark]:
            play = Play(folder / NAME, clock, world, vfs=disk.vfs_name, log=disk.log)
            await action(play)
            return play.marks

        marks = run_virtual(main, start_unix_ms=start_ms)
    return Recording(image, start_ms, disk.log, marks)


def _is_beside_sync(log: Sequence[Operation], cut: int) -> bool:
    return any(operation.kind == SYNC for operation in log[max(0, cut - 1) : cut + 1])
