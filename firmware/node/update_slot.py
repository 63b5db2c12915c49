"""The slot that does not run, being filled: what lies in its folder tells how far the update is, nothing else does.

    manifest.new        manifest and signature; written when the folder has been emptied
    node/, protocols/   the files that are whole and had the right hash when they came
    node/part           the beginning of the next file, in the folder that the file belongs to
    manifest.bin        manifest.new under its last name: all files were read back from the flash and are right

Every change but appending to `part` is one that littlefs makes whole or not at all. A file is never renamed from one
folder into another: littlefs does that in two steps, and until its next write a listing may lack a neighbour. All
methods raise OSError.
"""

import asyncio
import hashlib
import os

from micropython import const

from node import supervisor
from protocols import bundle

_SIZE = const(6)
_NAME, _TYPE = const(0), const(1)
_FOLDER_TYPE = const(0x4000)
_BLOCK_BYTES, _FREE_BLOCKS = const(0), const(3)
_SPARE_BLOCKS = const(24)
_AT_ONCE = const(8)
_READ_BYTES = const(512)
_PAUSE_MS = const(1)
_NEW = "manifest.new"
_WHOLE = "manifest.bin"
_PART = "part"
_PACKAGES = ("node", "protocols")


class UpdateSlot:
    """The slot in `folder`, which need not exist; long work checks in at `seat`."""

    def __init__(self, folder: str, seat: supervisor.Seat) -> None:
        self.folder = folder
        self._seat = seat

    def head(self) -> "bytearray | None":
        """Manifest and signature of the bundle that the slot is filled with, or was; None if there is none."""
        for name in (_NEW, _WHOLE):
            size = self._size(name)
            if size > 0:
                head = bytearray(size)
                with open(self._path(name), "rb") as file:
                    file.readinto(head)
                return head
        return None

    async def begin(self) -> None:
        """Empty the slot, manifest first, so that half of it is never taken for a version."""
        self.forget()
        if _exists(self.folder):
            await self._empty(self.folder)
        else:
            os.mkdir(self.folder)

    def has_room(self, manifest: "bytes | bytearray") -> bool:
        """Whether the flash has room for the files of `manifest` and for what else the node keeps."""
        flash = os.statvfs(self.folder)
        block_bytes = flash[_BLOCK_BYTES]
        left = flash[_FREE_BLOCKS] - _SPARE_BLOCKS
        at = bundle.HEAD_BYTES
        while at < bundle.manifest_bytes(manifest):
            left -= (bundle.length_at(manifest, at) + block_bytes - 1) // block_bytes
            at = bundle.next_at(manifest, at)
        return left >= 0

    def keep_head(self, head: "bytes | bytearray") -> None:
        """Make the packages' folders and write manifest and signature: from now on the slot tells how far it is."""
        for package in _PACKAGES:
            if not _exists(self._path(package)):
                os.mkdir(self._path(package))
        with open(self._path(_NEW), "wb") as file:
            file.write(head)

    def forget(self) -> None:
        """What is in the slot is of no version: the next transfer starts from the beginning."""
        for name in (_WHOLE, _NEW):
            if self._size(name) >= 0:
                os.remove(self._path(name))

    def has(self, name: str, length: int) -> bool:
        """Whether file `name` came whole."""
        return self._size(name) == length

    def part_bytes(self, name: str) -> int:
        """Bytes of the next file, `name`, that are already there."""
        return max(0, self._size(_part_of(name)))

    def append(self, name: str, piece: "memoryview | bytes") -> None:
        """Append to the next file, `name`; on the flash when this returns."""
        with open(self._path(_part_of(name)), "ab") as file:
            file.write(piece)

    def finish(self, name: str) -> None:
        """Give the next file its name."""
        os.rename(self._path(_part_of(name)), self._path(name))

    def complete(self) -> None:
        """Every file is right: make the slot one that can be started."""
        if self._size(_NEW) >= 0:
            os.rename(self._path(_NEW), self._path(_WHOLE))

    def file_count(self) -> int:
        """Files in the packages."""
        count = 0
        for package in _PACKAGES:
            for _ in os.ilistdir(self._path(package)):
                count += 1
        return count

    async def hash_part(self, name: str) -> "hashlib.sha256":
        """A SHA-256, not finished, over the part of the next file, `name`, that is there."""
        return await self._hash(_part_of(name))

    async def digest(self, name: str) -> bytes:
        """SHA-256 of file `name` as it is on the flash."""
        running = await self._hash(name)
        return bytes(running.digest())

    async def _hash(self, name: str) -> "hashlib.sha256":
        running = hashlib.sha256()
        if self._size(name) < 0:
            return running
        piece = bytearray(_READ_BYTES)
        view = memoryview(piece)
        with open(self._path(name), "rb") as file:
            count = file.readinto(piece)
            while count:
                running.update(view[:count])
                self._seat.check_in()
                await asyncio.sleep_ms(_PAUSE_MS)
                count = file.readinto(piece)
        return running

    async def _empty(self, folder: str) -> None:
        entries = _first_of(folder)
        while entries:
            for name, kind in entries:
                if kind == _FOLDER_TYPE:
                    await self._empty(name)
                    os.rmdir(name)
                else:
                    os.remove(name)
                self._seat.check_in()
                await asyncio.sleep_ms(_PAUSE_MS)
            entries = _first_of(folder)

    def _path(self, name: str) -> str:
        return self.folder + "/" + name

    def _size(self, name: str) -> int:
        """Length of a file, -1 if there is none."""
        try:
            return int(os.stat(self._path(name))[_SIZE])
        except OSError:
            return -1


def _first_of(folder: str) -> "list[tuple[str, int]]":
    """Path and type of the first few entries. The listing goes to its end, for littlefs must not remove what a listing
    that is still open stands at (micropython issues 6568 and 8506)."""
    found: "list[tuple[str, int]]" = []
    for entry in os.ilistdir(folder):
        if len(found) < _AT_ONCE:
            found.append((folder + "/" + str(entry[_NAME]), int(entry[_TYPE])))
    return found


def _part_of(name: str) -> str:
    return name.split("/")[0] + "/" + _PART


def _exists(path: str) -> bool:
    try:
        os.stat(path)
        return True
    except OSError:
        return False
