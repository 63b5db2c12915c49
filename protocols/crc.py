"""CRC-16 of Modbus RTU (MODBUS over Serial Line V1.02, section 6.2.2 and appendix B)."""

import array

_POLYNOMIAL = 0xA001


def _remainder(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
    return value


_TABLE = array.array("H", [_remainder(value) for value in range(256)])


def crc16(buffer: bytes | bytearray, start: int, end: int) -> int:
    """CRC of `buffer[start:end]`, 0 to 0xFFFF; its low byte goes on the line first. Allocates nothing."""
    table = _TABLE
    crc = 0xFFFF
    for index in range(start, end):
        crc = (crc >> 8) ^ table[(crc ^ buffer[index]) & 0xFF]
    return crc
