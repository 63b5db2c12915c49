"""A CRC-32 in every row: over the name of its table and all its columns, so that a row in a wrong place is noticed
as well as a flipped bit.
"""

import zlib

import cbor2

Column = int | str | bytes | None


def checksum(table: str, *columns: Column) -> int:
    """CRC-32 (as in zlib and IEEE 802.3) as a signed number of 32 bits, which SQLite keeps in four bytes."""
    crc32 = zlib.crc32(cbor2.dumps(columns), zlib.crc32(table.encode()))
    return crc32 - (1 << 32) if crc32 >> 31 else crc32


def record_checksum(
    sequence: int, record_class: int, time_ms: int, era: int, readings: int, state: int, body: bytes
) -> int:
    """The checksum of a row of the table `record`."""
    return checksum("record", sequence, record_class, time_ms, era, readings, state, body)


def item_checksum(number: int, kind: int, key: str, version: int, body: bytes) -> int:
    """The checksum of a row of the tables `item` and `item_copy`."""
    return checksum("item", number, kind, key, version, body)
