"""An SQLite file system over the usual one whose writes or syncs fail when told to."""

import itertools

import apsw

_NAMES = itertools.count()


class FailingDisk(apsw.VFS):
    """`full` makes every write fail, `error` every write and sync with that error, `broken_syncs` the next so many
    syncs. After `good_steps` more writes and syncs that went well `error` is set to IOError. `refused` counts what
    failed, `steps` the writes and syncs that went well."""

    def __init__(self) -> None:
        self.vfs_name = f"failing-{next(_NAMES)}"
        self.full = False
        self.error: type[apsw.Error] | None = None
        self.broken_syncs = 0
        self.good_steps: int | None = None
        self.refused = 0
        self.steps = 0
        super().__init__(self.vfs_name, "")

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _FailingFile(self, name, flags)

    def refuse_writes(self) -> None:
        """Raise what a write or a sync meets now."""
        if self.good_steps is not None and self.error is None:
            if self.good_steps == 0:
                self.error = apsw.IOError
            self.good_steps -= 1
        if self.error is not None:
            self.refused += 1
            raise self.error("the disk fails")
        self.steps += 1


class _FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        if self._disk.full:
            self._disk.refused += 1
            raise apsw.FullError("database or disk is full")
        self._disk.refuse_writes()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        if self._disk.broken_syncs:
            self._disk.broken_syncs -= 1
            self._disk.refused += 1
            raise apsw.IOError("disk I/O error")
        self._disk.refuse_writes()
        super().xSync(flags)
