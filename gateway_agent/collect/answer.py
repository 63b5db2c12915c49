"""Finding the one answer that belongs to a request among the bytes that came after it.

pymodbus trusts the first bytes it sees: noise before a good answer loses it, and every well-formed frame is taken for
the answer. Here an answer counts only when unit, function, length and CRC are the ones that the request calls for,
wherever in the bytes it begins; everything else is noise, or a stranger that is named but never believed.
"""

from dataclasses import dataclass

from gateway_agent.collect.request import Ask, Fault, Read
from protocols import modbus
from protocols.crc import crc16

_EXCEPTION_BYTES = 5
_MAX_EXCEPTION_CODE = 11  # MB section 7


@dataclass(frozen=True, slots=True)
class Found:
    """`buffer[start:end]` is the answer; `is_exception` when the device refused."""

    start: int
    end: int
    is_exception: bool


def find_answer(buffer: bytes, ask: Ask) -> Found | None:
    """The first complete answer to `ask` in `buffer`, or None as long as there is none."""
    head, length = ask.answer_head, ask.answer_bytes
    refusal = bytes((ask.unit, ask.function | modbus.EXCEPTION_FLAG))
    start = buffer.find(ask.unit)
    while 0 <= start <= len(buffer) - _EXCEPTION_BYTES:
        if buffer.startswith(head, start) and _checks(buffer, start, length):
            return Found(start, start + length, False)
        if (
            buffer.startswith(refusal, start)
            and 1 <= buffer[start + 2] <= _MAX_EXCEPTION_CODE
            and _checks(buffer, start, _EXCEPTION_BYTES)
        ):
            return Found(start, start + _EXCEPTION_BYTES, True)
        start = buffer.find(ask.unit, start + 1)
    return None


def diagnose(buffer: bytes, ask: Ask) -> tuple[Fault, str]:
    """Say what was heard instead of an answer: the fault and its wording. `buffer` holds no answer to `ask`."""
    if not buffer:
        return Fault.SILENT, ""
    for start in range(len(buffer)):
        frame = _foreign_frame(buffer, start)
        if frame is None:
            continue
        unit, function, registers = frame
        if unit != ask.unit:
            return Fault.WRONG_UNIT, f"unit {unit} answered instead of unit {ask.unit}"
        if function != ask.function:
            return Fault.WRONG_FUNCTION, f"function {function} instead of {ask.function}"
        if isinstance(ask, Read):
            return Fault.WRONG_COUNT, f"{registers:g} registers instead of {ask.count}"
    return Fault.DAMAGED, f"{len(buffer)} bytes that are no frame: {buffer[:12].hex(' ')}"


def _foreign_frame(buffer: bytes, start: int) -> tuple[int, int, float] | None:
    """(unit, function, registers) of a read answer or refusal with a good CRC at `start`, whoever sent it."""
    if len(buffer) - start < _EXCEPTION_BYTES:
        return None
    unit, function, third = buffer[start : start + 3]
    if unit == modbus.BROADCAST_UNIT:
        return None
    if function in (modbus.READ_HOLDING_REGISTERS, modbus.READ_INPUT_REGISTERS):
        return (unit, function, third / 2) if _checks(buffer, start, third + 5) else None
    if function & modbus.EXCEPTION_FLAG and _checks(buffer, start, _EXCEPTION_BYTES):
        return unit, function & ~modbus.EXCEPTION_FLAG, 0
    if function in (modbus.WRITE_SINGLE_REGISTER, modbus.WRITE_MULTIPLE_REGISTERS) and _checks(buffer, start, 8):
        return unit, function, 0
    return None


def _checks(buffer: bytes, start: int, length: int) -> bool:
    end = start + length
    if length < modbus.MIN_FRAME_BYTES or len(buffer) < end:
        return False
    return crc16(buffer, start, end - 2) == buffer[end - 2] | buffer[end - 1] << 8
