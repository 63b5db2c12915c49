"""What is wrong with a Modbus RTU frame, as a WireError: for tests and people. Node and gateway take or leave a frame.

MODBUS Application Protocol V1.1b3 (MB) and MODBUS over Serial Line V1.02 (SL); frames themselves are in `rtu`.
"""

from protocols import errors, modbus, rtu


def check_frame(buffer: bytes | bytearray, start: int, end: int) -> None:
    """Check that `buffer[start:end]` is one whole frame of any kind.

    Raises WireError(SHORT | LENGTH | CRC). SL section 2.5.1.
    """
    if end - start < modbus.MIN_FRAME_BYTES:
        raise errors.WireError(errors.SHORT, end - start)
    if end - start > modbus.MAX_FRAME_BYTES:
        raise errors.WireError(errors.LENGTH, end - start)
    if not rtu.is_sealed(buffer, start, end):
        raise errors.WireError(errors.CRC)


def check_answer(buffer: bytes | bytearray, start: int, end: int, request: bytes | bytearray) -> None:
    """Check that `buffer[start:end]` is the good answer to `request`.

    Raises WireError with SHORT, LENGTH, CRC, UNIT, FUNCTION, COUNT, or EXCEPTION (the code is its `detail`).
    """
    check_frame(buffer, start, end)
    if buffer[start] != request[0]:
        raise errors.WireError(errors.UNIT, buffer[start])
    function = buffer[start + 1]
    if function == request[1] | modbus.EXCEPTION_FLAG and end - start == rtu.EXCEPTION_BYTES:
        raise errors.WireError(errors.EXCEPTION, buffer[start + 2])
    if function != request[1]:
        raise errors.WireError(errors.FUNCTION, function)
    length = rtu.answer_length(request)
    if function >= modbus.WRITE_SINGLE_REGISTER:
        if end - start != length or not rtu.is_echo(buffer, start, request):
            raise errors.WireError(errors.COUNT)
    elif buffer[start + 2] != length - rtu.EXCEPTION_BYTES:
        raise errors.WireError(errors.COUNT, buffer[start + 2])
    elif end - start != length:
        raise errors.WireError(errors.LENGTH, end - start)
