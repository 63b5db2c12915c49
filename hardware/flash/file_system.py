"""The node's file system: which files lie in it, and the littlefs image that MicroPython mounts.

The parameters are those with which MicroPython 1.23 to 1.25 makes and mounts it on an ESP32 (extmod/vfs_lfs.c,
ports/esp32/modules): blocks of 4096 bytes, reading and programming 32, caches of 128, a lookahead of 32 bytes, names
up to 255. A file of up to 128 bytes lies in its directory: with larger caches here, files would lie there that do not
fit into the node's. The version on the disk is 2.1, which littlefs 2.8 of MicroPython 1.23 and newer writes itself:
an image of 2.0 would be rewritten by the node's first write.
"""

from typing import Any

from littlefs import LFSConfig, LittleFS, LittleFSError, UserContext

from hardware.flash.application import Application
from hardware.flash.node_file import NodeOrder
from hardware.flash.problem import FlashProblem, Kind

BLOCK_BYTES = 4096
NODE_TABLE, UPDATE_KEY = "node.tab", "update.key"
_DISK_VERSION = 0x00020001
_FOLDER_BYTES = 2048
"""How long a folder's log may become before it is written anew: half a block halves what a start reads of the flash,
for each of its imports looks a name up four times."""
_LEAST_BYTES = 512 * 1024
"""Room for two versions of the application, for events and a log (docs/sizes.md)."""


def node_files(order: NodeOrder, application: Application) -> dict[str, bytes]:
    """Path and content of every file that a new node has. The node itself writes the others."""
    files = dict(application.files)
    if order.table is not None:
        files[NODE_TABLE] = order.table
    if order.update_key is not None:
        files[UPDATE_KEY] = order.update_key
    return files


def littlefs_image(files: dict[str, bytes], size: int) -> bytes:
    """A littlefs of `size` bytes with these files; the same files give the same bytes. Raises FlashProblem(FILES)."""
    if size < _LEAST_BYTES or size % BLOCK_BYTES:
        raise FlashProblem(
            Kind.FILES,
            f"the image leaves {size // 1024} KB for the file system",
            f"take an image that leaves {_LEAST_BYTES // 1024} KB or more, as the official ones do",
        )
    disk = LittleFS(_Memory(size), mount=False, metadata_max=_FOLDER_BYTES, **_parameters(size))
    try:
        disk.format()
        disk.mount()
        made: set[str] = set()
        for path in sorted(files):
            folders = path.split("/")[:-1]
            for depth in range(1, len(folders) + 1):
                folder = "/".join(folders[:depth])
                if folder not in made:
                    disk.mkdir(folder)
                    made.add(folder)
            with disk.open(path, "wb") as file:
                file.write(files[path])
        disk.unmount()
    except LittleFSError as error:
        raise FlashProblem(
            Kind.FILES,
            f"{sum(map(len, files.values())) // 1024} KB of files do not fit into {size // 1024} KB ({error})",
            "take the plain image, which leaves 2 MB",
        ) from error
    return bytes(disk.context.buffer)


def read_littlefs(image: bytes) -> dict[str, bytes]:
    """Path and content of every file in a littlefs image, mounted as MicroPython mounts it.

    Raises FlashProblem(BAD_FLASH) for one that it would not mount, or in which a file is damaged.
    """
    disk = LittleFS(_Memory(buffer=bytearray(image)), mount=False, **_parameters(len(image)))
    try:
        disk.mount()
        files: dict[str, bytes] = {}
        for folder, _, names in disk.walk("/"):
            for name in names:
                path = f"{folder.rstrip('/')}/{name}"
                with disk.open(path, "rb") as file:
                    files[path.lstrip("/")] = file.read()
        disk.unmount()
    except LittleFSError as error:
        raise FlashProblem(
            Kind.BAD_FLASH, f"the file system cannot be read ({error})", "flash the node again"
        ) from error
    return files


class _Memory(UserContext):
    """A flash in memory; the library's own logs every one of some 100,000 reads."""

    def read(self, cfg: LFSConfig, block: int, off: int, size: int) -> bytearray:
        """A copy of that stretch."""
        start = block * BLOCK_BYTES + off
        return self.buffer[start : start + size]

    def prog(self, cfg: LFSConfig, block: int, off: int, data: bytes) -> int:
        """Write it; what littlefs programs was erased before."""
        start = block * BLOCK_BYTES + off
        self.buffer[start : start + len(data)] = data
        return 0

    def erase(self, cfg: LFSConfig, block: int) -> int:
        """Set all its bits."""
        start = block * BLOCK_BYTES
        self.buffer[start : start + BLOCK_BYTES] = b"\xff" * BLOCK_BYTES
        return 0


def _parameters(size: int) -> dict[str, Any]:
    return {
        "block_size": BLOCK_BYTES,
        "block_count": size // BLOCK_BYTES,
        "read_size": 32,
        "prog_size": 32,
        "cache_size": 128,
        "lookahead_size": 32,
        "block_cycles": 100,
        "name_max": 255,
        "disk_version": _DISK_VERSION,
    }
