"""Cutting the power at every file-system operation of an update: from "begin" until the new version is kept.

One update is recorded with all that the node does to its flash. What a cut leaves at each of its operations is laid
out (`_flash_states`), and the real node is started from it: it must answer on the pole bus as the old or as the new
version, all files of the slot that runs must be of that version, and its device must be read; after some of the cuts
the gateway goes on, and the new version must be kept in the end. Operations that leave the same flash share one start.
At some of the operations the real machine is killed in a whole update of its own: what it leaves must be what was laid
out.

`survived` counts cuts after which all that is so, `wrong` boots that were not good or mixed, `lost` updates that could
not be brought to their end. The control receives into the slot that it runs from.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from gateway_agent.update_node import UpdateOutcome
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, sources
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from hardware.rig.machine.lockstep import Operation
from protocols import bundle, quality
from tests.faults._flash_states import lay_state, state_digest
from tests.faults._progress import told_progress
from tests.faults.node import Row
from tests.firmware.update_bench import BOARD, NEW, OLD, SENSOR, UpdateBench, lay_key, linked, signing_key
from tests.firmware.workbench import START_UNIX_S, Device, Workbench, table_of

Found = TypeVar("Found")

_LIMIT_S = 900
_SETTLE_S = 3
_FINISH_EVERY = 8
_KILLS = 6
_IN_PLACE = ("FOLDERS[self._slot_number]", "FOLDERS[boot_state.running_slot()]")


@dataclass(frozen=True)
class Recording:
    """What a node did to its flash from its start on, how much of it before the update began, and the outcome."""

    operations: list[Operation]
    before: int
    outcome: UpdateOutcome

    @property
    def count(self) -> int:
        """Operations of the update alone."""
        return len(self.operations) - self.before

    def until(self, number: int) -> list[Operation]:
        """All that was done when the power goes just before operation `number` of the update, counted from 1."""
        return self.operations[: self.before + number - 1]


@dataclass(frozen=True)
class Cut:
    """What came of a start after a cut: `is_good` boots, `is_kept` when the update was then brought to its end or not
    tried, `why` says what was not as it should be."""

    is_good: bool
    is_kept: bool
    why: str
    version: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Scene:
    """A flash to start from, the bundle to send, and the files of the versions, by version."""

    template: Path
    content: bytes
    versions: dict[tuple[int, int, int], dict[str, bytes]]


def make_scene(folder: Path, in_place: bool = False) -> Scene:
    """A provisioned node that runs OLD, and NEW as a bundle; `in_place` is the control's OLD."""
    template = folder / "template"
    build_flash(template, table_of((SENSOR, 1)))
    old = firmware_files(OLD)
    if in_place:
        source = sources()["node/update.py"]
        if _IN_PLACE[0] not in source:
            raise LookupError("node/update.py no longer names the slot that the control turns over")
        old = firmware_files(OLD, {"node/update.py": source.replace(*_IN_PLACE)})
    for name, content in old.items():
        (template / "slot_a" / name).write_bytes(content)
    lay_key(template)
    files = firmware_files(NEW)
    made = make_bundle(files, NEW, (0, 0, 0), BOARD, signing_key())
    return Scene(template, made.content, {OLD: old, NEW: files})


def record(scene: Scene) -> Recording:
    """Update a fresh node and note what it does to its flash."""
    with tempfile.TemporaryDirectory() as folder:
        return _on_flash(_copy_of(scene, Path(folder)), partial(_record_on, scene))


def kill_at(scene: Scene, number: int, before: int) -> str:
    """Update a fresh node and kill it just before operation `number`; the digest of what is left on its flash."""
    with tempfile.TemporaryDirectory() as folder:
        flash = _copy_of(scene, Path(folder))

        async def kill(bench: Workbench) -> str:
            bench.machine.cut_at_operation(before + number)
            await bench.power_on()
            await asyncio.sleep(_SETTLE_S)
            async with linked(bench) as gateway:
                await _until_cut(gateway, scene.content)
            return state_digest(flash)

        return _on_flash(flash, kill)


def start_after(scene: Scene, operations: list[Operation], finish: bool) -> Cut:
    """Start the node from what a cut after `operations` leaves; with `finish` bring the update to its end."""
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder, "flash")
        lay_state(scene.template, operations, flash)
        try:
            return _on_flash(flash, partial(_judge, scene, flash, finish))
        except TimeoutError:
            return Cut(False, False, "it took for ever")


def _copy_of(scene: Scene, folder: Path) -> Path:
    return Path(shutil.copytree(scene.template, folder / "flash"))


def _on_flash(flash: Path, body: Callable[[Workbench], Awaitable[Found]]) -> Found:
    """What `body` gives with a bench whose node, without power yet, has this flash; TimeoutError if it never ends."""
    found: list[Found] = []

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start("node", flash, clock=clock)
        machine.records_flash = True
        bench = Workbench(clock, machine, 9600)
        Device(bench.sensors, SENSOR, {0: 7})
        try:
            async with asyncio.timeout(_LIMIT_S):
                found.append(await body(bench))
        finally:
            await machine.stop()

    run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
    return found[0]


async def _record_on(scene: Scene, bench: Workbench) -> Recording:
    await bench.power_on()
    await asyncio.sleep(_SETTLE_S)
    before = len(bench.machine.operations)
    async with linked(bench) as gateway:
        outcome = await gateway.update(scene.content).run()
    return Recording(list(bench.machine.operations), before, outcome)


async def _judge(scene: Scene, flash: Path, finish: bool, bench: Workbench) -> Cut:
    await bench.power_on()
    async with linked(bench) as gateway:
        why = await _what_is_wrong(gateway, scene, flash)
        version = None if why else await gateway.version()
        if why or not finish:
            return Cut(not why, not why, why, version)
        last = await gateway.update(scene.content).run()
        if last.result == "went-back":  # the cut fell into the trial
            last = await gateway.update(scene.content).run()
        why = await _what_is_wrong(gateway, scene, flash)
        return Cut(not why, last.result == "kept", why or last.sentence, version)


async def _until_cut(gateway: UpdateBench, content: bytes) -> None:
    """Update until the power is cut."""
    task = asyncio.create_task(gateway.update(content).run())
    while not task.done() and not any(how == "cut" for how, _ in gateway.bench.machine.ends):
        await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _what_is_wrong(gateway: UpdateBench, scene: Scene, flash: Path) -> str:
    """Empty when the node runs one whole version and reads its device; otherwise what is not so."""
    for _ in range(30):
        await asyncio.sleep(1)
        try:
            version = await gateway.version()
            slot = await gateway.bench.master.slot(0)
        except TimeoutError:
            continue
        if slot.quality == quality.GOOD:
            break
    else:
        return f"the node does not answer or reads nothing: {gateway.bench.machine.ends[-3:]}"
    if version not in scene.versions:
        return f"it says that it is version {version}"
    running = await gateway.running_folder()
    return _mixed(flash / running, scene.versions[version])


def _mixed(slot: Path, files: dict[str, bytes]) -> str:
    """Empty when the slot holds exactly `files`."""
    there = {file.relative_to(slot).as_posix(): file for file in slot.rglob("*.mpy")}
    for name in sorted(there.keys() | files.keys()):
        if name not in there or name not in files or there[name].read_bytes() != files[name]:
            return f"{slot.name}/{name} is not of the version that runs"
    manifest = (slot / "manifest.bin").read_bytes()
    return "" if bundle.file_count(manifest) == len(files) else f"{slot.name} has another version's manifest"


def _row(case: str, scene: Scene, recording: Recording, numbers: Sequence[int], kills: int) -> Row:
    """Cut before each of these operations; `kills` of them are shown to be what the real machine leaves."""
    digests: dict[int, str] = {}
    jobs: dict[str, tuple[list[Operation], bool]] = {}
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            flash = Path(folder, "flash")
            lay_state(scene.template, recording.until(number), flash)
            digests[number] = state_digest(flash)
        jobs.setdefault(digests[number], (recording.until(number), len(jobs) % _FINISH_EVERY == 0))
    killed = [numbers[index * len(numbers) // max(1, kills)] for index in range(kills)]
    with ProcessPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        starts = {digest: pool.submit(start_after, scene, *job) for digest, job in jobs.items()}
        left = {number: pool.submit(kill_at, scene, number, recording.before) for number in killed}
        cuts = {digest: start.result() for digest, start in told_progress(case, starts.items(), len(starts))}
        unlike = [number for number, digest in left.items() if digest.result() != digests[number]]
    by_number = {number: cuts[digests[number]] for number in numbers}
    good = [cut for cut in by_number.values() if cut.is_good]
    problems = [f"{number}: {cut.why}" for number, cut in by_number.items() if not (cut.is_good and cut.is_kept)]
    problems += [f"{number}: the killed machine left another flash" for number in unlike]
    return {
        "case": case,
        "tried": len(by_number),
        "survived": sum(cut.is_kept for cut in good),
        "lost": sum(not cut.is_kept for cut in good),
        "duplicated": 0,
        "wrong": len(by_number) - len(good) + len(unlike),
        "boots": len(cuts),
        "real_kills": len(killed),
        "brought_to_the_end": sum(finish for _, finish in jobs.values()),
        "ran_old": sum(cut.version == OLD for cut in good),
        "ran_new": sum(cut.version == NEW for cut in good),
        "first_problem": problems[0] if problems else "",
    }


def update_cut(step: int = 1, kills: int = _KILLS) -> Row:
    """Every operation, or each `step`-th."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder))
        recording = record(scene)
        if recording.outcome.result != "kept":
            raise RuntimeError(f"the update fails without any cut: {recording.outcome.sentence}")
        return _row("node/update-cut", scene, recording, range(1, recording.count + 1, step), kills)


def update_cut_control(step: int = 60) -> Row:
    """The same with a node that receives into the slot that it runs from: some boots must not be good."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder), in_place=True)
        recording = record(scene)
        return _row("node/update-cut-control", scene, recording, range(20, recording.count + 1, step), 0)


CASES = {"node/update-cut": update_cut, "node/update-cut-control": update_cut_control}
