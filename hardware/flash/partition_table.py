"""The partition table of an ESP32: where what lies in its flash.

At 0x8000, rows of 32 bytes: magic AA 50, type, subtype, offset and size (u32, little endian), a label of 16 bytes,
flags (u32); then a row that begins with EB EB and ends with the MD5 of all rows before it; then 0xFF.
ESP-IDF Programming Guide, API guides, "Partition Tables".
"""

import hashlib
import struct
from dataclasses import dataclass
from itertools import pairwise

from hardware.flash.problem import FlashProblem, Kind

OFFSET = 0x8000
"""Where the table lies in the flash of every ESP32 that MicroPython is built for."""
MAX_BYTES = 0xC00
SECTOR = 0x1000
_MOST_FLASH = 16 << 20
"""The largest flash that an ESP32 addresses without tricks; a partition beyond it is a mistake."""

APP, DATA = 0, 1
OTA_CHOICE, PHY, NVS, FACTORY, FIRST_OTA = 0x00, 0x01, 0x02, 0x00, 0x10

_ROW = struct.Struct("<2sBBII16sI")
_MAGIC, _MD5_MAGIC = b"\xaaP", b"\xeb\xeb"
_OTHER_IMAGE = "take an official MicroPython image for the ESP32, a merged .bin"


@dataclass(frozen=True, slots=True)
class Partition:
    """One row: `kind` and `subtype` as in ESP-IDF (0 app, 1 data), `offset` and `size` in bytes."""

    label: str
    kind: int
    subtype: int
    offset: int
    size: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.size


def parse_table(table: bytes) -> tuple[Partition, ...]:
    """The partitions in the order of their rows, from the bytes at 0x8000.

    Raises FlashProblem(FILES) for a table that ESP-IDF's bootloader would refuse: no rows, a row without its magic, an
    MD5 that is missing or wrong, partitions that overlap or do not begin on a sector.
    """
    rows: list[Partition] = []
    for at in range(0, min(len(table), MAX_BYTES) - _ROW.size + 1, _ROW.size):
        row = table[at : at + _ROW.size]
        if row[:2] == _MD5_MAGIC:
            if row[16:] != hashlib.md5(table[:at], usedforsecurity=False).digest():
                raise _broken("its MD5 is not that of its rows")
            _check(rows)
            return tuple(rows)
        magic, kind, subtype, offset, size, label, _flags = _ROW.unpack(row)
        if magic != _MAGIC:
            break
        rows.append(Partition(label.split(b"\0")[0].decode("ascii", "replace"), kind, subtype, offset, size))
    raise _broken("it has no rows" if not rows else "the MD5 behind its rows is missing")


def find(table: tuple[Partition, ...], kind: int, subtype: int, label: str | None = None) -> Partition | None:
    """The first partition of a type, with the label if one is given."""
    for row in table:
        if (row.kind, row.subtype) == (kind, subtype) and label in (None, row.label):
            return row
    return None


def _check(rows: list[Partition]) -> None:
    if not rows:
        raise _broken("it has no rows")
    for row in rows:
        if row.offset % SECTOR or row.offset < OFFSET + SECTOR or not row.size or row.end > _MOST_FLASH:
            raise _broken(f"partition {row.label} lies at {row.offset:#x}")
    ordered = sorted(rows, key=lambda row: row.offset)
    for before, after in pairwise(ordered):
        if before.end > after.offset:
            raise _broken(f"partitions {before.label} and {after.label} overlap")


def _broken(why: str) -> FlashProblem:
    return FlashProblem(Kind.FILES, f"the partition table is broken: {why}", _OTHER_IMAGE)
