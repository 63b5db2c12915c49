"""A stand-in for MicroPython's merged image of an ESP32: sound in everything that flashing and booting look at.

No registry carries the real images, so tests cannot have them. This one has a bootloader, a partition table with its
MD5 and an application with its description, all as in the real ones (the tables are theirs); the code is filler that
compresses about as badly. Formats: "App Image Format" and "Partition Tables" of the ESP-IDF Programming Guide.
"""

import hashlib
import struct
from random import Random

from hardware.rig.esp32.boot_image import (
    APP,
    DATA,
    FACTORY,
    IMAGE_MAGIC,
    MD5_MAGIC,
    OTA_0,
    OTA_DATA,
    ROW_MAGIC,
    TABLE_ADDRESS,
    TABLE_BYTES,
)
from hardware.rig.esp32.checksum import exclusive_or

IMAGE_OFFSET = 0x1000
APP_OFFSET = 0x10000
_NVS, _PHY, _FAT = 0x02, 0x01, 0x81
LAYOUTS = {
    "plain": (
        ("nvs", DATA, _NVS, 0x9000, 0x6000),
        ("phy_init", DATA, _PHY, 0xF000, 0x1000),
        ("factory", APP, FACTORY, 0x10000, 0x1F0000),
        ("vfs", DATA, _FAT, 0x200000, 0x200000),
    ),
    "ota": (
        ("nvs", DATA, _NVS, 0x9000, 0x4000),
        ("otadata", DATA, OTA_DATA, 0xD000, 0x2000),
        ("phy_init", DATA, _PHY, 0xF000, 0x1000),
        ("ota_0", APP, OTA_0, 0x10000, 0x180000),
        ("ota_1", APP, OTA_0 + 1, 0x190000, 0x180000),
        ("vfs", DATA, _FAT, 0x310000, 0xF0000),
    ),
}
_DESCRIPTION_MAGIC, _BOOTLOADER_MAGIC = 0xABCD5432, 0x50
_HEAD, _EXTENDED_HEAD = "<BBBBI", "<BBBBHBHHBBBBB"
_DIO, _4_MB_40_MHZ, _NO_WP_PIN, _NEWEST_REVISION = 2, 0x20, 0xEE, 399
_CHECKSUM_SEED = 0xEF
_BUILT = "2024-10-25"


def stand_in_image(
    layout: str = "plain", version: str = "v1.24.0", app_bytes: int = 64 * 1024, chip_id: int = 0
) -> bytes:
    """The merged image for 0x1000; `layout` is "plain" or "ota", `app_bytes` the filler in the application."""
    bootloader = image(
        [(0x3FFF0030, _bootloader_description() + _filler("data", 400)), (0x40080404, _filler("boot", 3000))],
        entry=0x400805B0,
        chip_id=chip_id,
    )
    build = f"MicroPython {version} on {_BUILT}; stand-in for an ESP32".encode().ljust(64, b"\0")
    app = image(
        [(0x3F400020, _app_description() + build + _filler("rodata", 2048)), (0x400D0020, _filler(version, app_bytes))],
        entry=0x40081294,
        chip_id=chip_id,
    )
    merged = bytearray(b"\xff") * (APP_OFFSET - IMAGE_OFFSET) + app
    for address, content in ((IMAGE_OFFSET, bootloader), (TABLE_ADDRESS, table(layout))):
        merged[address - IMAGE_OFFSET : address - IMAGE_OFFSET + len(content)] = content
    return bytes(merged)


def image(segments: list[tuple[int, bytes]], entry: int, chip_id: int = 0) -> bytes:
    """An image of these (load address, content) with its checksum and SHA-256."""
    head = struct.pack(_HEAD, IMAGE_MAGIC, len(segments), _DIO, _4_MB_40_MHZ, entry)
    head += struct.pack(_EXTENDED_HEAD, _NO_WP_PIN, 0, 0, 0, chip_id, 0, 0, _NEWEST_REVISION, 0, 0, 0, 0, 1)
    body, checksum = head, _CHECKSUM_SEED
    for load, content in segments:
        content += bytes(-len(content) % 4)
        body += struct.pack("<II", load, len(content)) + content
        checksum ^= exclusive_or(content)
    body += bytes(15 - len(body) % 16) + bytes([checksum])
    return body + hashlib.sha256(body).digest()


def table(layout: str) -> bytes:
    """The partition table with its MD5 row, padded to its sector as in the merged images."""
    rows = b"".join(
        ROW_MAGIC + struct.pack("<BBII16sI", kind, subtype, address, size, label.encode(), 0)
        for label, kind, subtype, address, size in LAYOUTS[layout]
    )
    digest = MD5_MAGIC + b"\xff" * 14 + hashlib.md5(rows, usedforsecurity=False).digest()
    return (rows + digest).ljust(TABLE_BYTES, b"\xff")


def _app_description() -> bytes:
    """Version and project are empty, as in MicroPython's official images."""
    return struct.pack(
        "<II8s32s32s16s16s32s32sHHB3s72s",
        *(_DESCRIPTION_MAGIC, 0, b"", b"", b"", b"14:50:00", b"Oct 25 2024", b"v5.2.2"),
        *(bytes(32), 0, 0, 0, b"", b""),
    )


def _bootloader_description() -> bytes:
    return struct.pack("<B3sI32s24s16s", _BOOTLOADER_MAGIC, b"", 1, b"v5.2.2", b"Oct 25 2024 12:00:00", b"")


def _filler(seed: str, count: int) -> bytes:
    """Bytes of which a third repeats, so that they compress about as code does."""
    random = Random(seed)
    piece = random.randbytes(1024)
    return b"".join(random.randbytes(1024) + piece[:512] for _ in range(count // 1536 + 1))[:count]
