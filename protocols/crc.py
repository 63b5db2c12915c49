"""CRC-16 of Modbus RTU (MODBUS over Serial Line V1.02, section 6.2.2 and appendix B)."""

import array

_POLYNOMIAL = 0xA001


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = array.array("H", [_remainder(value) for value in range(256)])


START = 0xFFFF
"""The CRC of nothing."""


def crc16(buffer: bytes | bytearray, start: int, end: int, crc: int = START) -> int:
    """CRC of `buffer[start:end]`, 0 to 0xFFFF; its low byte goes on the line first. Allocates nothing.

    `crc` is that of what goes before, where the whole comes in pieces.
    """
    table = _TABLE
    for index in range(start, end):
        crc = (crc >> 8) ^ table[(crc ^ buffer[index]) & 0xFF]
    return crc
