"""The operations of a real change, done again on a real littlefs that loses its power at every program and erase.

The node's operations on its flash are recorded in one update, from "begin" to "kept", in one change of settings, and in
one run of events, each with the starts before and after it. They are repeated on littlefs, set up as MicroPython sets
it up on the ESP32. At each program and each erase the power is cut: nothing of it is done, or its first half. Then the
file system is mounted again and read wholly: it must hold what the machine's own flash would hold before, within or
after that operation (so this also shows that the rig's flash behaves as littlefs does), and it must take a new file.
The controls write files through to the flash before they are closed: half of them must be found.
"""

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from littlefs import LFSFileFlag, LittleFS, LittleFSError, UserContext, lfs

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, build_flash
from hardware.rig.machine.lockstep import Operation
from tests.faults import node_event, node_settings
from tests.faults._cuts import Change, play
from tests.faults._progress import OnProgress, silent
from tests.faults.node import Row
from tests.faults.node_update_cut import make_scene
from tests.firmware.update_bench import SENSOR, linked
from tests.firmware.workbench import START_UNIX_S, Device, Workbench

_BLOCK_BYTES, _BLOCKS = 4096, 512
_SETTINGS = {
    "block_size": _BLOCK_BYTES,
    "block_count": _BLOCKS,
    "read_size": 32,
    "prog_size": 32,
    "cache_size": 128,
    "lookahead_size": 32,
    "block_cycles": 100,
}
_IO_ERROR = -5
_SYNC_BYTES = 512
_PROBE = "probe"
_FLAGS = {
    "wb": LFSFileFlag.wronly | LFSFileFlag.creat | LFSFileFlag.trunc,
    "ab": LFSFileFlag.wronly | LFSFileFlag.creat | LFSFileFlag.append,
}

Tree = dict[str, bytes | None]


class CutFlash(UserContext):
    """A flash whose power goes at the `cut_at`-th program or erase (0: never); its first half is done if `torn`."""

    def __init__(self, image: bytes, cut_at: int = 0, torn: bool = False) -> None:
        super().__init__(buffer=bytearray(image))
        self.changes = 0
        self._cut_at = cut_at
        self._torn = torn

    @property
    def has_power(self) -> bool:
        """Whether the cut is still to come."""
        return not self._cut_at or self.changes < self._cut_at

    def read(self, cfg: object, block: int, off: int, size: int) -> bytearray:
        """Read; the library's own `read` makes a line for the log each time."""
        start = block * _BLOCK_BYTES + off
        return self.buffer[start : start + size]

    def prog(self, cfg: object, block: int, off: int, data: bytes) -> int:
        """Program, or what the cut leaves of it."""
        return self._change(block * _BLOCK_BYTES + off, bytes(data))

    def erase(self, cfg: object, block: int) -> int:
        """Erase, or what the cut leaves of it."""
        return self._change(block * _BLOCK_BYTES, b"\xff" * _BLOCK_BYTES)

    def _change(self, start: int, data: bytes) -> int:
        if not self.has_power:
            return _IO_ERROR
        self.changes += 1
        if self.has_power:
            self.buffer[start : start + len(data)] = data
            return 0
        if self._torn:
            self.buffer[start : start + len(data) // 2] = data[: len(data) // 2]
        return _IO_ERROR


@dataclass
class Step:
    """Operations that belong together: one file from open to close, or a single other one."""

    operations: list[Operation] = field(default_factory=list)

    @property
    def content(self) -> bytes:
        """All bytes that are written."""
        return b"".join(one.content for one in self.operations if one.kind == "write")


@dataclass(frozen=True)
class Recording:
    """A littlefs as it was at first, what it held, and what the node then did to its flash."""

    image: bytes
    tree: Tree
    operations: list[Operation]


def record_update() -> Recording:
    """An update that is kept."""
    found: list[Operation] = []

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start("node", scene.template, clock=clock)
        machine.records_flash = True
        bench = Workbench(clock, machine, 9600)
        Device(bench.sensors, SENSOR, {0: 7, 1: 7})
        await bench.power_on()
        async with linked(bench) as gateway:
            outcome = await gateway.update(scene.content).run()
        await machine.stop()
        if outcome.result != "kept":
            raise RuntimeError(outcome.sentence)
        found.extend(machine.operations)

    with tempfile.TemporaryDirectory() as folder:
        scene = make_scene(Path(folder))
        image, tree = first_image(scene.template)
        run_virtual(main, start_unix_ms=START_UNIX_S * 1000)
    return Recording(image, tree, found)


def record_change(change: Change) -> Recording:
    """A change of settings, or events, that goes through without a cut."""
    with tempfile.TemporaryDirectory() as folder:
        flash = build_flash(Path(folder), change.table)
        image, tree = first_image(flash)
        outcome = play(change, flash=flash)
    if not outcome.verdict.survived:
        raise RuntimeError(f"the change fails without any cut: {outcome.verdict}")
    return Recording(image, tree, outcome.recorded)


def steps_of(operations: Sequence[Operation]) -> Iterator[Step]:
    """Group the operations. Raises ValueError when two files are open at once."""
    step = Step()
    for one in operations:
        if step.operations and one.kind not in ("write", "close"):
            raise ValueError(f"{one.kind} {one.name} while {step.operations[0].name} is open")
        step.operations.append(one)
        if one.kind not in ("open", "write"):
            yield step
            step = Step()


def states_of(tree: Tree, step: Step) -> list[Tree]:
    """What the flash may hold when the power goes within `step`; the last is that after it."""
    states = [dict(tree)]
    after = dict(tree)
    first = step.operations[0]
    name = _path(first.name)
    if first.kind == "open":
        old = tree.get(name) or b""
        if name not in tree:
            states.append({**tree, name: b""})
        after[name] = old + step.content if first.other == "ab" else step.content
    elif first.kind == "mkdir":
        after[name] = None
    elif first.kind == "rename":
        after[_path(first.other)] = after.pop(name)
    else:
        del after[name]
    return [*states, after]


def _path(name: str) -> str:
    return name.removeprefix("/flash/")


def _file_system(flash: CutFlash) -> LittleFS:
    return LittleFS(context=flash, mount=True, **_SETTINGS)


def _for_reading(flash: CutFlash) -> LittleFS:
    """The same with a cache of a whole block, which is faster and changes nothing on the flash."""
    return LittleFS(context=flash, mount=True, **{**_SETTINGS, "read_size": _BLOCK_BYTES, "cache_size": _BLOCK_BYTES})


def _do(files: LittleFS, step: Step, through: bool) -> None:
    """Carry out a step; `through` is the control's way: what is written reaches the flash before the file is closed."""
    first = step.operations[0]
    name = _path(first.name)
    if first.kind == "open":
        # The library's own file objects close once more when they go away, which littlefs takes amiss after an error.
        file = lfs.file_open(files.fs, name, _FLAGS[first.other])
        for one in step.operations:
            for piece in _pieces(one.content, _SYNC_BYTES if through else len(one.content) or 1):
                lfs.file_write(files.fs, file, piece)
                if through:
                    lfs.file_sync(files.fs, file)
        lfs.file_close(files.fs, file)
    elif first.kind == "mkdir":
        files.mkdir(name)
    elif first.kind == "rename":
        files.rename(name, _path(first.other))
    else:
        files.remove(name)


def _pieces(content: bytes, length: int) -> Iterator[bytes]:
    for at in range(0, len(content), length):
        yield content[at : at + length]


def read_tree(files: LittleFS) -> Tree:
    """Every file and folder."""
    tree: Tree = {}
    for folder, folders, names in files.walk("/"):
        here = folder.strip("/")
        for name in folders:
            tree[f"{here}/{name}".strip("/")] = None
        for name in names:
            path = f"{here}/{name}".strip("/")
            with files.open(path, "rb") as file:
                tree[path] = bytes(file.read())
    return tree


def first_image(folder: Path) -> tuple[bytes, Tree]:
    """A littlefs that holds what `folder` holds."""
    flash = CutFlash(b"\xff" * (_BLOCK_BYTES * _BLOCKS))
    files = LittleFS(context=flash, mount=False, **_SETTINGS)
    files.format()
    files.mount()
    for item in sorted(folder.rglob("*")):
        name = item.relative_to(folder).as_posix()
        if item.is_dir():
            files.mkdir(name)
            continue
        with files.open(name, "wb") as file:
            file.write(item.read_bytes())
    tree = read_tree(files)
    files.unmount()
    return bytes(flash.buffer), tree


def _changes(image: bytes, step: Step, through: bool) -> tuple[int, bytes]:
    """How many programs and erases a step takes, and the image after it."""
    flash = CutFlash(image)
    _do(_file_system(flash), step, through)
    return flash.changes, bytes(flash.buffer)


def is_right_after_cut(image: bytes, step: Step, states: list[Tree], cut_at: int, torn: bool, through: bool) -> bool:
    """Cut one step at its `cut_at`-th change, mount again, compare, and write a new file."""
    flash = CutFlash(image, cut_at, torn)
    with contextlib.suppress(LittleFSError):  # which is how the power goes
        _do(_file_system(flash), step, through)
    left = CutFlash(bytes(flash.buffer))
    if read_tree(_for_reading(left)) not in states:
        return False
    again = _file_system(left)
    with again.open(_PROBE, "wb") as file:
        file.write(b"new")
    with again.open(_PROBE, "rb") as file:
        return bool(file.read() == b"new")


def _run(case: str, made: Recording, through: bool, every: int, on_progress: OnProgress) -> Row:
    steps = list(steps_of(made.operations))
    image, tree = made.image, made.tree
    tried = right = 0
    for number, step in enumerate(steps):
        states = states_of(tree, step)
        changes, after = _changes(image, step, through)
        if number % every == 0:
            for cut_at in range(1, changes + 1):
                for torn in (False, True):
                    tried += 1
                    right += is_right_after_cut(image, step, states, cut_at, torn, through)
        image, tree = after, states[-1]
        on_progress(number + 1, len(steps))
    return {
        "case": case,
        "tried": tried,
        "survived": right,
        "lost": 0,
        "duplicated": 0,
        "wrong": tried - right,
        "operations": len(made.operations),
        "steps": len(steps),
    }


def update_on_littlefs(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """Every program and erase of every step of an update, or of each `every`-th step."""
    return _run("node/update-cut-littlefs", record_update(), False, every, on_progress)


def update_on_littlefs_control(on_progress: OnProgress = silent, every: int = 20) -> Row:
    """The same with files that are written through."""
    return _run("node/update-cut-littlefs-control", record_update(), True, every, on_progress)


def settings_on_littlefs(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same for a change of settings."""
    return _run("node/settings-cut-littlefs", record_change(node_settings.CHANGE), False, every, on_progress)


def settings_on_littlefs_control(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same with files that are written through."""
    return _run("node/settings-cut-littlefs-control", record_change(node_settings.CHANGE), True, every, on_progress)


def events_on_littlefs(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same for events."""
    return _run("node/event-cut-littlefs", record_change(node_event.CHANGE), False, every, on_progress)


def events_on_littlefs_control(on_progress: OnProgress = silent, every: int = 1) -> Row:
    """The same with files that are written through."""
    return _run("node/event-cut-littlefs-control", record_change(node_event.CHANGE), True, every, on_progress)


CASES = {
    "node/update-cut-littlefs": update_on_littlefs,
    "node/update-cut-littlefs-control": update_on_littlefs_control,
    "node/settings-cut-littlefs": settings_on_littlefs,
    "node/settings-cut-littlefs-control": settings_on_littlefs_control,
    "node/event-cut-littlefs": events_on_littlefs,
    "node/event-cut-littlefs-control": events_on_littlefs_control,
}
