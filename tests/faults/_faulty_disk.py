"""A disk that from a chosen file operation on is full, read-only or gone, until it is mended.

An SQLite file system over the usual one, and the same for what Python itself does in that folder: files that it makes,
attributes that it sets, names that it changes, folders that it syncs. Only operations that the fault would touch count.
"""

import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import apsw

FULL, READ_ONLY, GONE = "full", "read-only", "gone"
FAULTS = (FULL, READ_ONLY, GONE)

_MAKE, _WRITE, _NAME, _OTHER = "make", "write", "name", "other"
_TOUCHES = {FULL: (_MAKE, _WRITE), READ_ONLY: (_MAKE, _WRITE, _NAME), GONE: (_MAKE, _WRITE, _NAME, _OTHER)}
_ERRORS: dict[str, tuple[Callable[[], apsw.Error], int]] = {
    FULL: (lambda: apsw.FullError("database or disk is full"), errno.ENOSPC),
    READ_ONLY: (lambda: apsw.ReadOnlyError("attempt to write a readonly database"), errno.EROFS),
    GONE: (lambda: apsw.IOError("disk I/O error"), errno.EIO),
}
_PYTHON = {"setxattr": _WRITE, "pwrite": _WRITE, "fsync": _OTHER, "rename": _NAME, "unlink": _NAME}
_NAMES = itertools.count()


class FaultyDisk(apsw.VFS):
    """Sound until `arm`; `count` are the operations since then that the fault would touch, `refused` those it did."""

    def __init__(self, folder: Path, fault: str) -> None:
        self.vfs_name = f"faulty-{next(_NAMES)}"
        self.folder = str(folder)
        self.fault = fault
        self.count = 0
        self.refused = 0
        self._fails_from: int | None = None
        super().__init__(self.vfs_name, "")

    def arm(self, fails_from: int) -> None:
        """Count from here; operation `fails_from` (the first is 1) and all later ones fail."""
        self.count = 0
        self._fails_from = fails_from

    def mend(self) -> None:
        """The disk works again."""
        self._fails_from = None

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self.check(_OTHER if path is None or os.path.exists(path) else _MAKE)
        return _FaultyFile(self, name, flags)

    def xDelete(self, path: str, sync_folder: bool) -> None:  # noqa: N802
        self.check(_NAME)
        super().xDelete(path, sync_folder)

    def check(self, kind: str) -> None:
        """Raise the fault's apsw.Error when it has begun and touches operations of this kind."""
        if self._fails_now(kind):
            raise _ERRORS[self.fault][0]()

    def check_python(self, kind: str) -> None:
        """The same as OSError."""
        if self._fails_now(kind):
            number = _ERRORS[self.fault][1]
            raise OSError(number, os.strerror(number))

    def _fails_now(self, kind: str) -> bool:
        if self._fails_from is None or kind not in _TOUCHES[self.fault]:
            return False
        self.count += 1
        fails = self.count >= self._fails_from
        self.refused += fails
        return fails


class _FaultyFile(apsw.VFSFile):
    def __init__(self, disk: FaultyDisk, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        self._disk.check(_OTHER)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.check(_WRITE)
        super().xWrite(data, offset)

    def xTruncate(self, length: int) -> None:  # noqa: N802
        self._disk.check(_NAME)
        super().xTruncate(length)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.check(_OTHER)
        super().xSync(flags)


@contextmanager
def faulty(folder: Path, fault: str) -> Iterator[FaultyDisk]:
    """Give a disk for `folder` that can fail; its connections must be closed before this ends."""
    disk = FaultyDisk(folder, fault)
    with ExitStack() as stack:
        stack.callback(disk.unregister)
        for name, kind in (
            ("setxattr", _WRITE),
            ("pwrite", _WRITE),
            ("fsync", _OTHER),
            ("rename", _NAME),
            ("unlink", _NAME),
        ):
            stack.enter_context(patch.object(os, name, _guarded(getattr(os, name), disk, kind)))
        stack.enter_context(patch.object(os, "open", _guarded_open(disk)))
        yield disk


def _guarded(function: Any, disk: FaultyDisk, kind: str) -> Any:
    def guarded(file: Any, *arguments: Any, **named: Any) -> Any:
        path = os.readlink(f"/proc/self/fd/{file}") if isinstance(file, int) else os.fspath(file)
        if path.startswith(disk.folder):
            disk.check_python(kind)
        return function(file, *arguments, **named)

    return guarded


def _guarded_open(disk: FaultyDisk) -> Any:
    function = os.open

    def guarded(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(disk.folder):
            disk.check_python(_MAKE if flags & os.O_CREAT and not os.path.exists(path) else _OTHER)
        return function(path, flags, *arguments, **named)

    return guarded
