"""Images and tables in flash, read the way a boot ROM and a second-stage loader read them.

Kept apart from what flashes a node (hardware/flash) on purpose: this is its judge. Sources: Espressif, "App Image
Format" and "Partition Tables" of the ESP-IDF Programming Guide.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hardware.rig.esp32.checksum import exclusive_or

Read = Callable[[int, int], bytes]
"""(address, count) -> bytes"""

IMAGE_MAGIC, ROW_MAGIC, MD5_MAGIC = 0xE9, b"\xaa\x50", b"\xeb\xeb"
HEAD_BYTES, ROW_BYTES, MOST_SEGMENTS = 24, 32, 16
TABLE_ADDRESS, TABLE_BYTES = 0x8000, 0xC00
APP, DATA = 0, 1
FACTORY, OTA_0, OTA_DATA = 0x00, 0x10, 0x00
_CHECKSUM_SEED = 0xEF
_LONGEST_SEGMENT = 0x1000000


class BootError(Exception):
    """What is in flash cannot be started; the text is what the loader prints."""


@dataclass(frozen=True, slots=True)
class Image:
    """A sound image: where it starts, its segments as (load address, length), bytes in all."""

    entry: int
    segments: tuple[tuple[int, int], ...]
    length: int


@dataclass(frozen=True, slots=True)
class Row:
    """One partition."""

    kind: int
    subtype: int
    address: int
    size: int
    label: str


def load_image(read: Read, address: int, chip_id: int) -> Image:
    """The image at `address`; BootError when head, chip, checksum or hash are wrong."""
    head = read(address, HEAD_BYTES)
    magic, count, _mode, _size, entry = struct.unpack_from("<BBBBI", head)
    if magic != IMAGE_MAGIC:
        raise BootError(f"esp_image: image at {address:#x} has invalid magic byte (nothing flashed here?)")
    (image_chip,) = struct.unpack_from("<H", head, 12)
    if image_chip != chip_id:
        raise BootError(f"boot_comm: mismatch chip ID, expected {chip_id}, found {image_chip}")
    if not 1 <= count <= MOST_SEGMENTS:
        raise BootError(f"esp_image: image at {address:#x} segment count {count} exceeds max {MOST_SEGMENTS}")
    segments, sums, place = [], _CHECKSUM_SEED, address + HEAD_BYTES
    for number in range(count):
        load, length = struct.unpack("<II", read(place, 8))
        if length > _LONGEST_SEGMENT or length % 4:
            raise BootError(f"esp_image: segment {number}: invalid length {length:#x}")
        sums ^= exclusive_or(read(place + 8, length))
        segments.append((load, length))
        place += 8 + length
    place += 15 - (place - address) % 16
    (stored,) = read(place, 1)
    if stored != sums:
        raise BootError(f"esp_image: Checksum failed. Calculated {sums:#x} read {stored:#x}")
    length = place + 1 - address
    if head[23] == 1 and hashlib.sha256(read(address, length)).digest() != read(address + length, 32):
        raise BootError("esp_image: Image hash failed - image is corrupt")
    return Image(entry, tuple(segments), length)


def load_table(read: Read) -> tuple[Row, ...]:
    """The partitions; BootError when a row's magic or the table's MD5 is wrong."""
    table = read(TABLE_ADDRESS, TABLE_BYTES)
    rows: list[Row] = []
    for place in range(0, TABLE_BYTES, ROW_BYTES):
        row = table[place : place + ROW_BYTES]
        if row[:2] == MD5_MAGIC:
            if hashlib.md5(table[:place], usedforsecurity=False).digest() != row[16:]:
                raise BootError("flash_parts: Incorrect MD5 checksum")
            return tuple(rows)
        if row == b"\xff" * ROW_BYTES and rows:
            return tuple(rows)
        if row[:2] != ROW_MAGIC:
            magic = int.from_bytes(row[:2], "little")
            raise BootError(f"flash_parts: partition {len(rows)} invalid magic number {magic:#x}")
        kind, subtype, address, size = struct.unpack_from("<BBII", row, 2)
        rows.append(Row(kind, subtype, address, size, row[12:28].rstrip(b"\0").decode("ascii", "replace")))
    raise BootError("flash_parts: partition table has no terminating entry, not valid")


def app_rows(rows: tuple[Row, ...], read: Read) -> list[Row]:
    """The partitions to start from, the chosen one first: by OTA data where that says one, else factory, else ota_0."""
    apps = {row.subtype: row for row in rows if row.kind == APP}
    slots = [apps[subtype] for subtype in sorted(apps) if subtype >= OTA_0]
    data = next((row for row in rows if row.kind == DATA and row.subtype == OTA_DATA), None)
    ordered = ([apps[FACTORY]] if FACTORY in apps else []) + slots
    if data is not None and slots:
        sequences = [int.from_bytes(read(data.address + half, 4), "little") for half in (0, 0x1000)]
        known = [sequence for sequence in sequences if sequence not in (0, 0xFFFFFFFF)]
        if known:
            chosen = slots[(max(known) - 1) % len(slots)]
            ordered = [chosen] + [row for row in ordered if row is not chosen]
    return ordered
