"""The device's side of Modbus RTU: requests taken apart, answers put together.

It leans on pymodbus for the checksum and on nothing of `protocols`, so that node and gateway are tested against
another reading of the standards (MODBUS Application Protocol V1.1b3; Modbus over Serial Line V1.02).
"""

import struct
from dataclasses import dataclass

from pymodbus.framer.rtu import FramerRTU

READ_HOLDING, READ_INPUT, WRITE_COIL, WRITE_ONE, WRITE_MANY = 3, 4, 5, 6, 16
ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, BUSY = 1, 2, 3, 6
BROADCAST = 0
MAX_READ = 125
MAX_WRITE = 123
_LEAST_FRAME = 4


@dataclass(frozen=True, slots=True)
class Write:
    """A write request: registers from `address` on."""

    function: int
    address: int
    values: tuple[int, ...]


def pack(unit: int, pdu: bytes) -> bytes:
    """A whole RTU frame, checksum low byte first (V1.02, section 2.5.1.2)."""
    frame = bytes([unit]) + pdu
    return frame + struct.pack(">H", FramerRTU.compute_CRC(frame))


def unpack(frame: bytes) -> tuple[int, bytes] | None:
    """Unit id and PDU of a frame, or None when it is too short or its checksum is wrong."""
    if len(frame) < _LEAST_FRAME or FramerRTU.compute_CRC(frame[:-2]) != struct.unpack(">H", frame[-2:])[0]:
        return None
    return frame[0], frame[1:-2]


def exception(function: int, code: int) -> bytes:
    """The PDU of an exception answer (V1.1b3, section 7)."""
    return bytes([function | 0x80, code])


def read_span(pdu: bytes, most: int = MAX_READ) -> tuple[int, int] | None:
    """Address and count of a read request, or None when they are not what section 6.3 allows."""
    if len(pdu) != 5:
        return None
    address, count = struct.unpack(">HH", pdu[1:])
    return (address, count) if 1 <= count <= most else None


def write_of(pdu: bytes) -> Write | None:
    """What a request with function 6 or 16 writes, or None when its counts do not agree."""
    if pdu[0] == WRITE_ONE:
        if len(pdu) != 5:
            return None
        address, value = struct.unpack(">HH", pdu[1:])
        return Write(WRITE_ONE, address, (value,))
    if len(pdu) < 6:
        return None
    address, count, size = struct.unpack(">HHB", pdu[1:6])
    if not 1 <= count <= MAX_WRITE or size != 2 * count or len(pdu) != 6 + size:
        return None
    return Write(WRITE_MANY, address, struct.unpack(f">{count}H", pdu[6:]))


def write_answer(write: Write) -> bytes:
    """The PDU that confirms a write (V1.1b3, sections 6.6 and 6.12)."""
    second = write.values[0] if write.function == WRITE_ONE else len(write.values)
    return struct.pack(">BHH", write.function, write.address, second)
