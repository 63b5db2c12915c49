"""A CRC-32 in every row: over the name of its table and all its columns, so that a row in a wrong place is noticed
as well as a flipped bit.
"""

import struct
import zlib

import cbor2

Column = int | str | bytes | None

_NUMBERS = struct.Struct(">6q")
_RECORD = zlib.crc32(b"record")


def checksum(table: str, *columns: Column) -> int:
    """CRC-32 (as in zlib and IEEE 802.3) of a row's columns as a CBOR array, after the name of its table."""
    return _signed(zlib.crc32(cbor2.dumps(columns), zlib.crc32(table.encode())))


def record_checksum(
    sequence: int, record_class: int, time_ms: int, era: int, readings: int, state: int, body: bytes
) -> int:
    """The checksum of a row of the table `record`: over its numbers in eight bytes each, then its body. There are
    millions of these rows, and CBOR takes six times as long.

    Raises TypeError or struct.error for columns that are of another type.
    """
    numbers = _NUMBERS.pack(sequence, record_class, time_ms, era, readings, state)
    return _signed(zlib.crc32(body, zlib.crc32(numbers, _RECORD)))


def item_checksum(number: int, kind: int, key: str, version: int, body: bytes) -> int:
    """The checksum of a row of the tables `item` and `item_copy`."""
    return checksum("item", number, kind, key, version, body)


def _signed(crc32: int) -> int:
    """A number of 32 bits with a sign, which SQLite keeps in four bytes."""
    return crc32 - (1 << 32) if crc32 >> 31 else crc32
