"""A disk that remembers: what SQLite did to its files in order, and how a power cut at any moment leaves them.

`recording(folder)` gives an SQLite file system over the usual one that logs each creation, write, truncation, sync and
deletion. What Python itself renames and deletes in that folder, the extended attributes that it sets and that it syncs
the folder is logged too, but not what Python writes into files. `Disk` does a log again, one operation at a time, and
tells at each what a power cut may leave: all that was synced, and what `mode` says of the rest. A file's name is safe
only when its folder was synced; the content of a file whose name is not safe may be gone with it. Not modelled: a card
that says that it has synced and has not, or that damages blocks beside those it writes.
"""

import itertools
import os
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import apsw

DROP, ALL, SUBSET, TORN = "drop", "all", "subset", "torn"
MODES = (DROP, ALL, SUBSET, TORN)
"""Of what was not synced there is nothing, everything, a random part of the writes, or a random part of which some are
cut where a sector ends, the one in flight too."""

SECTOR_BYTES = 512
_MEMORY_DISK = Path("/dev/shm")

Image = dict[str, bytes]
"""A disk that is at rest: the content of each file by its name, and each extended attribute by `<file>:<attribute>`."""

CREATE, WRITE, TRUNCATE, SYNC, DELETE, RENAME, SET_ATTRIBUTE, SYNC_FOLDER = (
    "create",
    "write",
    "truncate",
    "sync",
    "delete",
    "rename",
    "set-attribute",
    "sync-folder",
)

_NAMES = itertools.count()
_NEEDS_ITS_NAME = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing done to the file `name`: `offset` is where (a truncation's new length), `other` a renamed file's new
    name."""  # fmt: skip

    kind: str
    name: str = ""
    offset: int = 0
    data: bytes = b""
    other: str = ""


class RecordingDisk(apsw.VFS):
    """Logs what SQLite does to the files in `folder`. With `keeps_syncs` False a sync does nothing, like
    synchronous=OFF. `log` grows while it is used; its length is the moment in it."""

    def __init__(self, folder: Path, keeps_syncs: bool) -> None:
        self.vfs_name = f"recording-{next(_NAMES)}"
        self.folder = str(folder)
        self.keeps_syncs = keeps_syncs
        self.log: list[Operation] = []
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if path is None:
            return apsw.VFSFile("", name, flags)
        is_new = not os.path.exists(path)
        file = _RecordingFile(self, path, name, flags)
        if is_new:
            self.note(CREATE, path)
        return file

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: N802
        super().xDelete(path, sync_folder)
        self.note(DELETE, path)
        if sync_folder:
            self.note(SYNC_FOLDER)

    def note(self, kind: str, path: str = "", offset: int = 0, data: bytes = b"", other: str = "") -> None:
        """Log one operation; syncs only where they are kept."""
        if self.keeps_syncs or kind not in (SYNC, SYNC_FOLDER):
            self.log.append(Operation(kind, os.path.basename(path), offset, data, os.path.basename(other)))


class _RecordingFile(apsw.VFSFile):
    def __init__(self, disk: RecordingDisk, path: str, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        self._disk = disk
        self._path = path
        # As SQLite's own file system does: the first sync of a new log makes its name safe as well.
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _NEEDS_ITS_NAME)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.note(WRITE, self._path, offset, bytes(data))

    def xTruncate(self, length: int) -> None:  # noqa: N802
        super().xTruncate(length)
        self._disk.note(TRUNCATE, self._path, length)

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.note(SYNC, self._path)
        if self._syncs_folder:
            self._disk.note(SYNC_FOLDER)
            self._syncs_folder = False


@contextmanager
def recording(folder: Path, keeps_syncs: bool = True) -> Iterator[RecordingDisk]:
    """Give a disk that logs what is done in `folder`; its connections must be closed before this ends."""
    disk = RecordingDisk(folder, keeps_syncs)
    with ExitStack() as stack:
        stack.callback(disk.unregister)
        for name, log in (("fsync", _note_fsync), ("rename", _note_rename), ("replace", _note_rename)):
            stack.enter_context(patch.object(os, name, _after(getattr(os, name), log, disk)))
        for name in ("unlink", "remove"):
            stack.enter_context(patch.object(os, name, _after(getattr(os, name), _note_unlink, disk)))
        stack.enter_context(patch.object(os, "setxattr", _after(os.setxattr, _note_attribute, disk)))
        yield disk


def _after(function: Any, log: Any, disk: RecordingDisk) -> Any:
    def done_and_noted(*arguments: Any, **named: Any) -> None:
        function(*arguments, **named)
        log(disk, *arguments)

    return done_and_noted


def _note_fsync(disk: RecordingDisk, descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        disk.note(SYNC_FOLDER)


def _note_rename(disk: RecordingDisk, old: Any, new: Any) -> None:
    if os.path.dirname(os.fspath(old)) == disk.folder:
        disk.note(RENAME, os.fspath(old), other=os.fspath(new))


def _note_unlink(disk: RecordingDisk, path: Any) -> None:
    if os.path.dirname(os.fspath(path)) == disk.folder:
        disk.note(DELETE, os.fspath(path))


def _note_attribute(disk: RecordingDisk, file: Any, attribute: str, value: bytes) -> None:
    path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fspath(file)
    disk.note(SET_ATTRIBUTE, f"{path}:{attribute}", data=value)


@dataclass(eq=False)
class _File:
    safe: bytearray = field(default_factory=bytearray)
    unsafe: list[Operation] = field(default_factory=list)


class Disk:
    """Does a log again from `image` on. Names and contents that are not yet safe are kept apart from those that are."""

    def __init__(self, image: Image) -> None:
        self._names = {name: _File(bytearray(content)) for name, content in image.items() if ":" not in name}
        self._safe_names = dict(self._names)
        self._unsafe_names: list[dict[str, _File | None]] = []
        self._attributes: dict[str, list[bytes | None]] = {
            name: [content] for name, content in image.items() if ":" in name
        }

    def do(self, operation: Operation) -> None:
        """Do the next operation."""
        name = operation.name
        if operation.kind in (WRITE, TRUNCATE):
            self._names[name].unsafe.append(operation)
        elif operation.kind == SYNC:
            file = self._names[name]
            for change in file.unsafe:
                _change(file.safe, change)
            file.unsafe.clear()
        elif operation.kind == SYNC_FOLDER:
            self._safe_names = dict(self._names)
            self._unsafe_names.clear()
        elif operation.kind == SET_ATTRIBUTE:
            self._attributes.setdefault(name, [None]).append(operation.data)
        elif operation.kind == CREATE:
            self._rename({name: _File()})
        elif operation.kind == DELETE:
            self._rename({name: None})
        elif operation.kind == RENAME:
            self._rename({name: None, operation.other: self._names[name]})
        else:
            raise ValueError(f"unknown operation {operation.kind}")

    def image(self, mode: str, random: Random, in_flight: Operation | None = None) -> Image:
        """The disk after a power cut in this moment, while `in_flight` is being done."""
        names = dict(self._safe_names)
        for renaming in self._unsafe_names:
            if _stays(mode, random):
                names = {name: file for name, file in {**names, **renaming}.items() if file is not None}
        image = self._attributes_after(mode, random)
        for name, file in names.items():
            content = bytearray(file.safe)
            for change in file.unsafe:
                if _stays(mode, random):
                    _change(content, _tear(change, random) if mode == TORN and random.random() < 0.25 else change)
            if mode == TORN and in_flight is not None and in_flight.kind == WRITE and in_flight.name == name:
                _change(content, _tear(in_flight, random))
            image[name] = bytes(content)
        return image

    def _attributes_after(self, mode: str, random: Random) -> Image:
        """Attributes are synced by nobody: any value that they ever had, the first and the last where `mode` is so."""
        found = {}
        for name, values in self._attributes.items():
            value = values[0] if mode == DROP else values[-1] if mode == ALL else random.choice(values)
            if value is not None:
                found[name] = value
        return found

    def _rename(self, renaming: dict[str, _File | None]) -> None:
        self._names = {name: file for name, file in {**self._names, **renaming}.items() if file is not None}
        self._unsafe_names.append(renaming)


def images(
    log: Sequence[Operation], start: Image, cuts: Sequence[int], modes: Sequence[str] = MODES, seed: int = 1
) -> Iterator[tuple[int, str, Image]]:
    """(cut, mode, image) for a power cut just before each operation of `cuts`, which rise; `len(log)` is after the
    last one."""
    disk, done = Disk(start), 0
    for cut in cuts:
        for operation in log[done:cut]:
            disk.do(operation)
        done = cut
        for mode in modes:
            in_flight = log[cut] if cut < len(log) else None
            yield cut, mode, disk.image(mode, Random(f"{seed}/{cut}/{mode}"), in_flight)


@contextmanager
def memory_folder() -> Iterator[Path]:
    """A folder of its own, in memory where the machine has such a place."""
    with tempfile.TemporaryDirectory(dir=_MEMORY_DISK if _MEMORY_DISK.is_dir() else None) as name:
        yield Path(name)


def lay(folder: Path, image: Image) -> None:
    """Make `folder` hold the files of `image` and no others."""
    for file in folder.iterdir():
        file.unlink()
    for name, content in image.items():
        file_name, _, attribute = name.partition(":")
        if attribute:
            (folder / file_name).touch()
            os.setxattr(folder / file_name, attribute, content)
        else:
            (folder / name).write_bytes(content)


def take(folder: Path) -> Image:
    """The files in `folder` and their attributes as they are, without shared memory, which no disk has."""
    image = {}
    for file in folder.iterdir():
        if not file.name.endswith("-shm"):
            image[file.name] = file.read_bytes()
            image |= {f"{file.name}:{name}": os.getxattr(file, name) for name in os.listxattr(file)}
    return image


def _stays(mode: str, random: Random) -> bool:
    return mode == ALL or (mode != DROP and random.random() < 0.5)


def _tear(operation: Operation, random: Random) -> Operation:
    """The write up to where a sector of the file ends; what is no write is whole."""
    if operation.kind != WRITE:
        return operation
    end = operation.offset + len(operation.data)
    sectors = range(operation.offset // SECTOR_BYTES + 1, (end - 1) // SECTOR_BYTES + 1)
    kept = random.choice([0, *(sector * SECTOR_BYTES - operation.offset for sector in sectors)])
    return Operation(WRITE, operation.name, operation.offset, operation.data[:kept])


def _change(content: bytearray, operation: Operation) -> None:
    offset, data = operation.offset, operation.data
    if operation.kind == TRUNCATE:
        del content[offset:]
        content.extend(bytes(max(0, offset - len(content))))
    elif data:
        content.extend(bytes(max(0, offset - len(content))))
        content[offset : offset + len(data)] = data
