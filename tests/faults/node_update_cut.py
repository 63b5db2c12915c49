"""Cutting the power at every file-system operation of an update: from "begin" until the new version is kept.

What a cut leaves of a machine is its flash and nothing else. So one update is run wholly, and its flash is kept as it
is before the first operation and after each: these are all cuts there are, before and after every operation. From each
of them a machine is started: it must answer on the pole bus as the old or as the new version, all files of the slot
that runs must be of that version, its device must be read, its settings be those that it had, and every event that had
happened be told. At every fortieth operation a machine that updates is really killed, before or after it; its flash
must be byte for byte the kept one, and the same is asked of it. After every twentieth cut, and every kill, the gateway
goes on, and the new version must be kept in the end.

`survived` counts cuts after which all that is so, `wrong` boots that were not good or mixed, `lost` events, settings
and updates that could not be brought to their end. The control receives into the slot that it runs from.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import firmware_files, sources
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash, lay_copy
from protocols import bundle, node_map, quality
from tests.faults._cores import on_all_cores
from tests.faults._cuts import running_version
from tests.faults._progress import OnProgress, silent
from tests.faults.node import Row
from tests.faults.node_event import Gateway, Told
from tests.firmware.settings_bench import settings_with
from tests.firmware.update_bench import BOARD, NEW, OLD, SENSOR, UpdateBench, lay_key, linked, signing_key
from tests.firmware.workbench import START_UNIX_S, Device, Workbench, table_of

_LIMIT_S = 900
_FINISH_EVERY = 20
_KILL_EVERY = 40
_SLOTS = 2
_IN_PLACE = ("FOLDERS[self._slot_number]", "FOLDERS[boot_state.running_slot()]")


@dataclass(frozen=True)
class Scene:
    """A flash to start from, the bundle to send, and the files of the versions, by their words."""

    template: Path
    content: bytes
    versions: dict[str, dict[str, bytes]]


@dataclass(frozen=True)
class Recording:
    """An update that was run wholly: below `states` stands the flash after each operation, from `first` to `last`.

    `first` was the last one before the update; `told` are the events that the gateway knew of before.
    """

    states: Path
    first: int
    last: int
    is_kept: bool
    told: Told

    @property
    def operations(self) -> int:
        """Operations of the update."""
        return self.last - self.first


@dataclass(frozen=True)
class Cut:
    """What one cut led to; `why` is empty when the boot was good, `version` when it told none."""

    number: int
    boots: int = 1
    version: str = ""
    has_settings: bool = False
    events_lost: int = 0
    is_finished: bool = True
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether nothing is amiss."""
        return not self.why and self.has_settings and not self.events_lost and self.is_finished


def make_scene(folder: Path, in_place: bool = False) -> Scene:
    """A provisioned node that runs OLD with its own settings, and NEW as a bundle; `in_place` is the control's OLD."""
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
    lay_copy(template, "settings", settings_with(table_of((SENSOR, _SLOTS))))
    files = firmware_files(NEW)
    made = make_bundle(files, NEW, (0, 0, 0), BOARD, signing_key())
    return Scene(template, made.content, {_words(OLD): old, _words(NEW): files})


def record(scene: Scene, folder: Path) -> Recording:
    """Run the update wholly, on a flash below `folder`, and keep the flash after each operation."""
    found: list[Recording] = []
    flash, states = folder / "flash", folder / "states"
    shutil.copytree(scene.template, flash)

    async def body(bench: Workbench) -> None:
        bench.machine.states = states
        told = await _start(bench)
        first = bench.machine.flash_operations
        async with linked(bench) as gateway:
            outcome = await gateway.update(scene.content).run()
        await asyncio.sleep(3)
        found.append(Recording(states, first, bench.machine.flash_operations, outcome.result == "kept", told))

    _on_bench(flash, body)
    return found[0]


def start_after(scene: Scene, made: Recording, number: int, finish: bool) -> Cut:
    """Start a machine from the flash as it is after operation `number` of the update (0: before the first)."""
    found: list[Cut] = []
    with tempfile.TemporaryDirectory(dir=made.states.parent) as folder:
        flash = Path(folder, "flash")
        shutil.copytree(made.states / str(made.first + number), flash, copy_function=_link)

        async def body(bench: Workbench) -> None:
            await bench.power_on()
            async with linked(bench) as gateway:
                cut = await _judge(gateway, scene, made, flash, number)
                found.append(await _finish(gateway, scene, made, flash, cut) if finish else cut)

        return _outcome(flash, body, found, number)


def kill_at(scene: Scene, made: Recording, number: int, after: bool) -> Cut:
    """Update a fresh node, kill it before or after operation `number`, start it again, judge, and finish the update."""
    found: list[Cut] = []
    with tempfile.TemporaryDirectory() as folder:
        flash = Path(folder, "flash")
        shutil.copytree(scene.template, flash)

        async def body(bench: Workbench) -> None:
            await _start(bench)
            bench.machine.cut_at_operation(number, after=after)
            async with linked(bench) as gateway:
                await _until_killed(gateway, scene.content)
                kept = made.states / str(made.first + (number if after else number - 1))
                if _tree(flash) != _tree(kept):
                    found.append(Cut(number, 2, why="the killed machine leaves another flash than the recording has"))
                    return
                await bench.power_on()
                cut = await _judge(gateway, scene, made, flash, number)
                found.append(await _finish(gateway, scene, made, flash, cut))

        return _outcome(flash, body, found, number)


def _outcome(flash: Path, body: Callable[[Workbench], Awaitable[None]], found: list[Cut], number: int) -> Cut:
    boots = _on_bench(flash, body)
    return replace(found[0], boots=boots) if found else Cut(number, boots, why="it took for ever")


def _on_bench(flash: Path, body: Callable[[Workbench], Awaitable[None]]) -> int:
    """Run `body` with a node on `flash`, _LIMIT_S at most; returns how often the machine was started."""
    starts: list[int] = []

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start("node", flash, clock=clock)
        bench = Workbench(clock, machine, 9600)
        Device(bench.sensors, SENSOR, dict.fromkeys(range(_SLOTS), 7))
        try:
            async with asyncio.timeout(_LIMIT_S):
                await body(bench)
        except TimeoutError:
            machine.ends.append(("timeout", f"{_LIMIT_S} s"))
        finally:
            starts.append(machine.starts)
            await machine.stop()

    run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
    return starts[0]


async def _start(bench: Workbench) -> Told:
    """Start the node; the events that it tells, all of which it has written by now."""
    await bench.power_on()
    await asyncio.sleep(3)
    listener = Gateway(bench.master)
    await listener.look()
    return listener.told


async def _until_killed(gateway: UpdateBench, content: bytes) -> None:
    """Update until the machine is killed. Raises RuntimeError when the update comes to its end before."""
    task = asyncio.create_task(gateway.update(content).run())
    while not task.done() and not any(how == "cut" for how, _ in gateway.bench.machine.ends):
        await asyncio.sleep(0.05)
    if task.done():
        raise RuntimeError(f"the update ended before the cut: {task.result().sentence}")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _judge(gateway: UpdateBench, scene: Scene, made: Recording, flash: Path, number: int) -> Cut:
    """What the node is like after the cut: it runs one whole version, reads its device, and has lost nothing."""
    master = gateway.bench.master
    for _ in range(30):
        await asyncio.sleep(1)
        try:
            version = await running_version(master)
            if (await master.slot(0)).quality == quality.GOOD:
                break
        except TimeoutError:
            continue
    else:
        return Cut(number, why=f"the node does not answer or reads nothing: {gateway.bench.machine.ends[-3:]}")
    if version not in scene.versions:
        return Cut(number, version=version, why=f"it says that it is version {version}")
    why = _mixed(flash / await gateway.running_folder(), scene.versions[version])
    has_settings = (await master.read(node_map.IDENTITY_SLOT_COUNT, 1))[0] == _SLOTS
    listener = Gateway(master)
    await listener.look()
    lost = len(made.told.items() - listener.told.items())
    return Cut(number, version=version, has_settings=has_settings, events_lost=lost, why=why)


async def _finish(gateway: UpdateBench, scene: Scene, made: Recording, flash: Path, cut: Cut) -> Cut:
    """Let the gateway go on with the update; NEW must be kept, with nothing amiss."""
    if not cut.is_good:
        return cut
    outcome = await gateway.update(scene.content).run()
    if outcome.result == "went-back":  # the cut fell into the trial
        outcome = await gateway.update(scene.content).run()
    if outcome.result != "kept":
        return replace(cut, is_finished=False, why=outcome.sentence)
    now = await _judge(gateway, scene, made, flash, cut.number)
    return cut if now.is_good and now.version == _words(NEW) else replace(now, is_finished=False)


def _mixed(slot: Path, files: dict[str, bytes]) -> str:
    """Empty when the slot holds exactly `files`."""
    there = {file.relative_to(slot).as_posix(): file for file in slot.rglob("*.mpy")}
    for name in sorted(there.keys() | files.keys()):
        if name not in there or name not in files or there[name].read_bytes() != files[name]:
            return f"{slot.name}/{name} is not of the version that runs"
    manifest = (slot / "manifest.bin").read_bytes()
    return "" if bundle.file_count(manifest) == len(files) else f"{slot.name} has another version's manifest"


def _tree(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for item in folder.rglob("*"):
        found[item.relative_to(folder).as_posix()] = None if item.is_dir() else item.read_bytes()
    return found


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def _words(version: tuple[int, int, int]) -> str:
    return ".".join(map(str, version))


def _row(case: str, cuts: Iterable[Cut], made: Recording, killed: int) -> Row:
    all_cuts = list(cuts)
    ran = Counter(f"ran_{cut.version}" if cut.version else "silent" for cut in all_cuts)
    events_lost = sum(cut.events_lost for cut in all_cuts)
    settings_lost = sum(not cut.has_settings for cut in all_cuts if cut.version)
    unfinished = sum(not cut.is_finished for cut in all_cuts)
    return {
        "case": case,
        "tried": len(all_cuts),
        "survived": sum(cut.is_good for cut in all_cuts),
        "lost": events_lost + settings_lost + unfinished,
        "duplicated": 0,
        "wrong": sum(bool(cut.why) and cut.is_finished for cut in all_cuts),
        "operations": made.operations,
        "killed": killed,
        "boots": sum(cut.boots for cut in all_cuts),
        **dict(sorted(ran.items())),
        "settings_lost": settings_lost,
        "events_lost": events_lost,
        "updates_unfinished": unfinished,
        "first_problem": next((f"{cut.number}: {cut.why}" for cut in all_cuts if not cut.is_good), ""),
    }


def update_cut(on_progress: OnProgress = silent, every: int = 1, kill_every: int = _KILL_EVERY) -> Row:
    """Every operation, or each `every`-th, and kills at each `kill_every`-th."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder))
        made = record(scene, Path(folder))
        if not made.is_kept:
            raise RuntimeError("the update fails without any cut")
        starts = [(start_after, (scene, made, n, n % _FINISH_EVERY == 0)) for n in range(0, made.operations + 1, every)]
        numbers = range(kill_every // 2, made.operations + 1, kill_every)
        kills = [(kill_at, (scene, made, number, index % 2 == 1)) for index, number in enumerate(numbers)]
        return _row("node/update-cut", on_all_cores(_call, starts + kills, on_progress), made, len(kills))


def update_cut_control(on_progress: OnProgress = silent, every: int = 40) -> Row:
    """The same with a node that receives into the slot that it runs from: some boots must not be good."""
    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder), in_place=True)
        made = record(scene, Path(folder))
        starts = [(start_after, (scene, made, number, False)) for number in range(0, made.operations + 1, every)]
        return _row("node/update-cut-control", on_all_cores(_call, starts, on_progress), made, 0)


def _call(work: Callable[..., Cut], arguments: tuple[object, ...]) -> Cut:
    return work(*arguments)


CASES = {"node/update-cut": update_cut, "node/update-cut-control": update_cut_control}
