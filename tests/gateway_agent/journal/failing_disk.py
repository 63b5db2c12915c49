"""An SQLite file system over the usual one whose writes or syncs fail when told to."""

import itertools

import apsw

_NAMES = itertools.count()


class FailingDisk(apsw.VFS):
    """`full` makes every write fail, `broken_syncs` the next so many syncs; both count what they refused."""

    def __init__(self) -> None:
        self.vfs_name = f"failing-{next(_NAMES)}"
        self.full = False
        self.broken_syncs = 0
        self.refused = 0
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _FailingFile(self, name, flags)


class _FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.full:
            self._disk.refused += 1
            raise apsw.FullError("database or disk is full")
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.broken_syncs:
            self._disk.broken_syncs -= 1
            self._disk.refused += 1
            raise apsw.IOError("disk I/O error")
        super().xSync(flags)
