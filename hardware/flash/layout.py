"""What goes where in a node's flash: the pieces to write, the whole as one image, and the whole taken apart again."""

from dataclasses import dataclass

from hardware.flash import partition_table
from hardware.flash.application import Application
from hardware.flash.esp_image import EspImage, parse_image
from hardware.flash.file_system import littlefs_image, node_files, read_littlefs
from hardware.flash.identity import Value, nvs_image, read_nvs
from hardware.flash.images import CHIP, FirmwareImage
from hardware.flash.node_file import NodeOrder
from hardware.flash.partition_table import SECTOR, Partition
from hardware.flash.problem import FlashProblem, Kind

FLASH_BYTES = 4 << 20
"""What a stock ESP32 module has."""
_BLANK = b"\xff"
_FILE_SYSTEM = "vfs"
"""The label by which MicroPython finds its file system; the type in the table is that of FAT, by tradition."""
_OTHER_IMAGE = "take an official image for the ESP32 (docs/flash.md)"


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes that are written at `offset`; `name` is what a person is shown."""

    offset: int
    name: str
    content: bytes

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + len(self.content)


@dataclass(frozen=True, slots=True)
class FlashPlan:
    """Everything that is written, in the order of the flash; `flash_bytes` is the least flash that it fits into."""

    pieces: tuple[Piece, ...]
    table: tuple[Partition, ...]
    flash_bytes: int

    @property
    def payload_bytes(self) -> int:
        """How many bytes are written."""
        return sum(len(piece.content) for piece in self.pieces)

    def whole_image(self, size: int = FLASH_BYTES) -> bytes:
        """The whole flash from offset 0, with 0xFF where nothing is written. Raises FlashProblem(SMALL_FLASH)."""
        if size < self.flash_bytes:
            raise FlashProblem(
                Kind.SMALL_FLASH,
                f"the image needs {self.flash_bytes >> 20} MB of flash, not {size >> 20} MB",
                "take a module with more flash",
            )
        whole = bytearray(_BLANK * size)
        for piece in self.pieces:
            whole[piece.offset : piece.end] = piece.content
        return bytes(whole)


@dataclass(frozen=True, slots=True)
class Found:
    """What a flash holds: its partitions, the files of its file system, its NVS, the bootloader and MicroPython."""

    table: tuple[Partition, ...]
    files: dict[str, bytes]
    nvs: dict[tuple[str, str], Value]
    bootloader: EspImage
    app: EspImage


def make_plan(image: FirmwareImage, order: NodeOrder, application: Application) -> FlashPlan:
    """Lay out the flash of one node. Raises FlashProblem(FILES) for an image that is not as it must be."""
    table = _table_of(image)
    file_system = _file_system(table)
    nvs = _need(table, partition_table.DATA, partition_table.NVS, "NVS")
    app = _app(table)
    table_at = partition_table.OFFSET
    bootloader = parse_image(_part(image, image.offset, table_at), "the bootloader")
    micropython = parse_image(_part(image, app.offset, app.end), "MicroPython")
    pieces = [
        Piece(image.offset, "bootloader", _part(image, image.offset, image.offset + bootloader.bytes)),
        Piece(table_at, "partition table", _part(image, table_at, table_at + SECTOR)),
        Piece(nvs.offset, "identity", nvs_image(order, nvs.size)),
        Piece(app.offset, "MicroPython", _part(image, app.offset, app.offset + micropython.bytes)),
        Piece(file_system.offset, "application", littlefs_image(node_files(order, application), file_system.size)),
    ]
    for subtype, name in ((partition_table.OTA_CHOICE, "start choice"), (partition_table.PHY, "radio calibration")):
        row = partition_table.find(table, partition_table.DATA, subtype)
        if row is not None:
            pieces.append(Piece(row.offset, name, _BLANK * row.size))
    for what in (bootloader, micropython):
        if what.chip != CHIP:
            raise FlashProblem(Kind.FILES, f"{image.path} is for the {what.chip}, not the {CHIP}", _OTHER_IMAGE)
    end = max(max(row.end for row in table), bootloader.flash_bytes)
    pieces += _size_checks(pieces, image.offset, end)
    return FlashPlan(tuple(sorted(pieces, key=lambda piece: piece.offset)), table, end)


def read_back(flash: bytes) -> Found:
    """Take a whole flash apart, as the chip and MicroPython do. Raises FlashProblem for what does not read."""
    table_at = partition_table.OFFSET
    table = partition_table.parse_table(flash[table_at : table_at + partition_table.MAX_BYTES])
    file_system, app = _file_system(table), _app(table)
    nvs = _need(table, partition_table.DATA, partition_table.NVS, "NVS")
    return Found(
        table,
        read_littlefs(flash[file_system.offset : file_system.end]),
        read_nvs(flash[nvs.offset : nvs.end]),
        parse_image(flash[SECTOR:table_at], "the bootloader"),
        parse_image(flash[app.offset : app.end], "MicroPython"),
    )


def _size_checks(pieces: list[Piece], bootloader_at: int, end: int) -> list[Piece]:
    """A blank sector at each place where a flash that is smaller than its id states would show the bootloader.

    Such a flash wraps round, so writing there destroys the bootloader, and reading all back afterwards finds it.
    Nothing is added where a piece lies already. The places are in the second partition for MicroPython, or unused.
    """
    places = [size + bootloader_at for size in (end >> 2, end >> 1)]
    free = [at for at in places if not any(piece.offset < at + SECTOR and at < piece.end for piece in pieces)]
    return [Piece(at, "size check", _BLANK * SECTOR) for at in free]


def _table_of(image: FirmwareImage) -> tuple[Partition, ...]:
    at = partition_table.OFFSET
    return partition_table.parse_table(_part(image, at, at + partition_table.MAX_BYTES))


def _part(image: FirmwareImage, start: int, end: int) -> bytes:
    """What the image has from `start` to `end` of the flash; it may end before."""
    return image.content[start - image.offset : end - image.offset]


def _file_system(table: tuple[Partition, ...]) -> Partition:
    for row in table:
        if (row.kind, row.label) == (partition_table.DATA, _FILE_SYSTEM):
            return row
    raise FlashProblem(Kind.FILES, "the image's partition table has no partition vfs", _OTHER_IMAGE)


def _app(table: tuple[Partition, ...]) -> Partition:
    """What the bootloader starts with a blank choice: the factory app, else the first of two."""
    for subtype in (partition_table.FACTORY, partition_table.FIRST_OTA):
        row = partition_table.find(table, partition_table.APP, subtype)
        if row is not None:
            return row
    raise FlashProblem(Kind.FILES, "the image's partition table has no place for MicroPython", _OTHER_IMAGE)


def _need(table: tuple[Partition, ...], kind: int, subtype: int, name: str) -> Partition:
    row = partition_table.find(table, kind, subtype)
    if row is None:
        raise FlashProblem(Kind.FILES, f"the image's partition table has no partition {name}", _OTHER_IMAGE)
    return row
