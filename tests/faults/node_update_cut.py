"""Cutting the power at every file-system operation of an update: from "begin" until the new version is kept.

For each operation the real node is killed just before it. Then it is started again: it must answer on the pole bus as
the old or as the new version, all files of the slot that runs must be of that version, and its device must be read;
after every sixth cut the gateway goes on, and the new version must be kept in the end. `survived` counts cuts after
which all that is so, `wrong` boots that were not good or mixed, `lost` updates that could not be brought to their end.
The control receives into the slot that it runs from.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from gateway_agent.update_node import UpdateOutcome
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, sources
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from protocols import bundle, quality
from tests.faults.node import Row
from tests.firmware.update_bench import BOARD, NEW, OLD, SENSOR, UpdateBench, lay_key, linked, signing_key
from tests.firmware.workbench import START_UNIX_S, Device, Workbench, table_of

_LIMIT_S = 900
_FINISH_EVERY = 6
_IN_PLACE = ("FOLDERS[self._slot_number]", "FOLDERS[boot_state.running_slot()]")


@dataclass(frozen=True)
class Cut:
    """What one cut led to; `number` 0 is the run without a cut, whose `operations` are those of the whole update."""

    number: int
    operations: int
    is_good: bool
    is_kept: bool
    why: str


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


def cut_at(scene: Scene, number: int, finish: bool) -> Cut:
    """Update a fresh node, cut its power at operation `number` (0: not at all), start it again and judge."""
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder, "flash")
        shutil.copytree(scene.template, flash)
        found: list[Cut] = []

        async def main(clock: RigClock) -> None:
            machine = await NodeMachine.start("node", flash, clock=clock)
            bench = Workbench(clock, machine, 9600)
            Device(bench.sensors, SENSOR, {0: 7})
            try:
                async with asyncio.timeout(_LIMIT_S):
                    found.append(await _run(bench, scene, flash, number, finish))
            except TimeoutError:
                found.append(Cut(number, 0, False, False, "it took for ever"))
            finally:
                await machine.stop()

        run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
        return found[0]


async def _run(bench: Workbench, scene: Scene, flash: Path, number: int, finish: bool) -> Cut:
    machine = bench.machine
    await bench.power_on()
    await asyncio.sleep(3)
    async with linked(bench) as gateway:
        before = machine.flash_operations
        machine.cut_at_operation(number)
        outcome = await _until_cut(gateway, scene.content)
        operations = machine.flash_operations - before
        if outcome is not None:
            return Cut(number, operations, True, outcome.result == "kept", outcome.sentence)
        await bench.power_on()
        why = await _what_is_wrong(gateway, scene, flash)
        if why or not finish:
            return Cut(number, operations, not why, not why, why)
        last = await gateway.update(scene.content).run()
        if last.result == "went-back":  # the cut fell into the trial
            last = await gateway.update(scene.content).run()
        why = await _what_is_wrong(gateway, scene, flash)
        return Cut(number, operations, not why, last.result == "kept", why or last.sentence)


async def _until_cut(gateway: UpdateBench, content: bytes) -> UpdateOutcome | None:
    """Update until the power is cut (None) or the update has come to its end."""
    task = asyncio.create_task(gateway.update(content).run())
    while not task.done() and not _is_cut(gateway):
        await asyncio.sleep(0.05)
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _is_cut(gateway: UpdateBench) -> bool:
    return any(how == "cut" for how, _ in gateway.bench.machine.ends)


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


def run_cuts(scene: Scene, numbers: Iterable[int], finish_every: int = 1) -> list[Cut]:
    """Do the cuts on all cores; after every `finish_every`-th the update is brought to its end too."""
    chosen = list(numbers)
    with ProcessPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        return list(
            pool.map(
                cut_at, [scene] * len(chosen), chosen, [number % finish_every == 0 for number in chosen], chunksize=1
            )
        )


def _row(case: str, cuts: list[Cut], whole: Cut) -> Row:
    return {
        "case": case,
        "tried": len(cuts),
        "survived": sum(cut.is_good and cut.is_kept for cut in cuts),
        "lost": sum(cut.is_good and not cut.is_kept for cut in cuts),
        "duplicated": 0,
        "wrong": sum(not cut.is_good for cut in cuts),
        "operations": whole.operations,
        "first_problem": next((f"{cut.number}: {cut.why}" for cut in cuts if not (cut.is_good and cut.is_kept)), ""),
    }


def update_cut(step: int = 1) -> Row:
    """Every operation, or each `step`-th."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder))
        whole = cut_at(scene, 0, False)
        if not whole.is_kept:
            raise RuntimeError(f"the update fails without any cut: {whole.why}")
        return _row("node/update-cut", run_cuts(scene, range(1, whole.operations + 1, step), _FINISH_EVERY), whole)


def update_cut_control(step: int = 80) -> Row:
    """The same with a node that receives into the slot that it runs from: some boots must not be good."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder), in_place=True)
        whole = cut_at(make_scene(Path(folder, "real")), 0, False)
        return _row("node/update-cut-control", run_cuts(scene, range(20, whole.operations + 1, step), 1000), whole)


CASES = {"node/update-cut": update_cut, "node/update-cut-control": update_cut_control}
