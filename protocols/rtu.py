"""Modbus RTU frames in buffers that the caller owns: build and check, both ends, without allocating.

MODBUS Application Protocol V1.1b3 (MB) and MODBUS over Serial Line V1.02 (SL); our own rules are told in
spec/modbus.md. Addresses are protocol addresses (0-based). Functions that look at good bytes allocate nothing on
MicroPython. What is wrong with a frame is told by `rtu_check`.
"""

from protocols import crc, modbus

READ_REQUEST_BYTES = 8
WRITE_ANSWER_BYTES = 8
EXCEPTION_BYTES = 5
ANSWER_DATA_AT = 3
"""Where the first register of a read answer stands, counted from the frame's start."""
WRITE_DATA_AT = 7
"""Where the first register of a request of function 16 stands, counted from the frame's start."""
NOT_FOUND = -1
UNKNOWN_LENGTH = 0
UNKNOWN_FUNCTION = -1

_MAX_NOISE_BEFORE = 4
_MAX_NOISE_AFTER = 3


def get_u16(buffer: bytes | bytearray, at: int) -> int:
    """The register (high byte first) that begins at `buffer[at]`."""
    return (buffer[at] << 8) | buffer[at + 1]


def put_u16(buffer: bytearray, at: int, value: int) -> None:
    """Write the low 16 bits of `value` as a register, high byte first, at `buffer[at]`."""
    buffer[at] = (value >> 8) & 0xFF
    buffer[at + 1] = value & 0xFF


def seal(buffer: bytearray, length: int) -> int:
    """Append the CRC of `buffer[:length]` and return the length of the whole frame."""
    check = crc.crc16(buffer, 0, length)
    buffer[length] = check & 0xFF
    buffer[length + 1] = check >> 8
    return length + 2


def is_sealed(buffer: bytes | bytearray, start: int, end: int) -> bool:
    """Whether the last two bytes of `buffer[start:end]` are the CRC of those before them."""
    check = crc.crc16(buffer, start, end - 2)
    return buffer[end - 2] == check & 0xFF and buffer[end - 1] == check >> 8


def character_us(baud: int, has_parity: bool, stop_bits: int) -> int:
    """Microseconds that one character takes on the line, rounded up: start bit, 8 data bits, parity, stop bits."""
    bits = 9 + stop_bits + (1 if has_parity else 0)
    return (bits * 1_000_000 + baud - 1) // baud


def silence_us(baud: int) -> int:
    """Microseconds of silence that end a frame: 3.5 characters of 11 bits, and 1750 above 19200 baud; SL 2.5.1.1."""
    return 1750 if baud > 19200 else (38_500_000 + baud - 1) // baud


# Requests, written by the client.


def build_read(buffer: bytearray, unit: int, function: int, address: int, count: int) -> int:
    """Write a read request (function 3 or 4, `count` 1 to 125 registers) and return its length."""
    buffer[0] = unit
    buffer[1] = function
    put_u16(buffer, 2, address)
    put_u16(buffer, 4, count)
    return seal(buffer, 6)


def build_write_single(buffer: bytearray, unit: int, address: int, value: int) -> int:
    """Write a request of function 6 and return its length. `value` is taken modulo 65536."""
    buffer[0] = unit
    buffer[1] = modbus.WRITE_SINGLE_REGISTER
    put_u16(buffer, 2, address)
    put_u16(buffer, 4, value)
    return seal(buffer, 6)


def build_write_multiple(buffer: bytearray, unit: int, address: int, registers: list[int], count: int) -> int:
    """Write a request of function 16 for `registers[:count]` (1 to 123) and return its length.

    Each register is 0 to 65535.
    """
    buffer[0] = unit
    buffer[1] = modbus.WRITE_MULTIPLE_REGISTERS
    put_u16(buffer, 2, address)
    put_u16(buffer, 4, count)
    buffer[6] = 2 * count
    for index in range(count):
        put_u16(buffer, WRITE_DATA_AT + 2 * index, registers[index])
    return seal(buffer, WRITE_DATA_AT + 2 * count)


# Answers, read by the client.


def answer_length(request: bytes | bytearray) -> int:
    """Bytes of the good answer to `request` (a frame built above)."""
    if request[1] == modbus.READ_HOLDING_REGISTERS or request[1] == modbus.READ_INPUT_REGISTERS:
        return ANSWER_DATA_AT + 2 * get_u16(request, 4) + 2
    return WRITE_ANSWER_BYTES


def is_echo(buffer: bytes | bytearray, start: int, request: bytes | bytearray) -> bool:
    """Whether the frame at `start` repeats the address, and the value or count, of the write `request`."""
    return (
        buffer[start + 2] == request[2]
        and buffer[start + 3] == request[3]
        and buffer[start + 4] == request[4]
        and buffer[start + 5] == request[5]
    )


def find_answer(buffer: bytes | bytearray, have: int, request: bytes | bytearray) -> int:
    """Where in `buffer[:have]` the answer to `request` begins, good or exception, or NOT_FOUND.

    Only a frame of the asked unit with the asked function, the asked number of registers (or the echo of what was
    written) and a good CRC counts; whatever stands before it is noise.
    """
    unit = request[0]
    function = request[1]
    length = answer_length(request)
    is_read = function < modbus.WRITE_SINGLE_REGISTER
    for start in range(have - EXCEPTION_BYTES + 1):
        if buffer[start] != unit:
            continue
        if buffer[start + 1] == function:
            end = start + length
            if end > have:
                continue
            if is_read:
                if buffer[start + 2] != length - EXCEPTION_BYTES:
                    continue
            elif not is_echo(buffer, start, request):
                continue
        elif buffer[start + 1] == function | modbus.EXCEPTION_FLAG:
            end = start + EXCEPTION_BYTES
        else:
            continue
        if is_sealed(buffer, start, end):
            return start
    return NOT_FOUND


def exception_code(buffer: bytes | bytearray, start: int) -> int:
    """The exception code of the answer at `start` that `find_answer` found, 0 when it is a good answer."""
    return buffer[start + 2] if buffer[start + 1] & modbus.EXCEPTION_FLAG else 0


# Requests, read by the server.


def request_length(buffer: bytes | bytearray, start: int, have: int) -> int:
    """Length in bytes of the request that begins at `buffer[start]`, from its function code and byte count.

    UNKNOWN_LENGTH while too few bytes are there to tell, UNKNOWN_FUNCTION for functions other than 3, 4, 6, 16, 20
    and 21.
    """
    if have - start < 2:
        return UNKNOWN_LENGTH
    function = buffer[start + 1]
    if function == modbus.WRITE_MULTIPLE_REGISTERS:
        return UNKNOWN_LENGTH if have - start < WRITE_DATA_AT else WRITE_DATA_AT + buffer[start + 6] + 2
    if (
        function == modbus.READ_HOLDING_REGISTERS
        or function == modbus.READ_INPUT_REGISTERS
        or function == modbus.WRITE_SINGLE_REGISTER
    ):
        return READ_REQUEST_BYTES
    if function == modbus.READ_FILE_RECORD or function == modbus.WRITE_FILE_RECORD:
        return UNKNOWN_LENGTH if have - start < 3 else 3 + buffer[start + 2] + 2
    return UNKNOWN_FUNCTION


def find_request(buffer: bytes | bytearray, have: int, unit: int) -> int:
    """Where in the burst `buffer[:have]` a request to `unit` or to all units begins, or NOT_FOUND.

    The request ends the burst, but for up to 3 bytes of noise; a request of a known function may stand behind
    anything, one of an unknown function behind up to 4 bytes of noise. Its CRC is good. Time grows with `have`.
    """
    for start in range(have - modbus.MIN_FRAME_BYTES + 1):
        if buffer[start] != unit and buffer[start] != modbus.BROADCAST_UNIT:
            continue
        length = request_length(buffer, start, have)
        if length == UNKNOWN_FUNCTION:
            if start > _MAX_NOISE_BEFORE:
                continue
            length = have - start
        if length < modbus.MIN_FRAME_BYTES or start + length > have or have - start - length > _MAX_NOISE_AFTER:
            continue
        if is_sealed(buffer, start, start + length):
            return start
    return NOT_FOUND


def is_count_consistent(buffer: bytes | bytearray, start: int) -> bool:
    """Whether register count and byte count of the request of function 16 at `start` fit each other; MB 6.12."""
    count = get_u16(buffer, start + 4)
    return 1 <= count <= modbus.MAX_WRITE_REGISTERS and buffer[start + 6] == 2 * count


# Answers, written by the server.


def begin_read_answer(buffer: bytearray, unit: int, function: int, count: int) -> int:
    """Write the head of an answer with `count` registers and return where they begin; `seal` ends the frame."""
    buffer[0] = unit
    buffer[1] = function
    buffer[2] = 2 * count
    return ANSWER_DATA_AT


def build_write_answer(buffer: bytearray, unit: int, function: int, address: int, value: int) -> int:
    """Write the answer to function 6 (`value` = the value written) or 16 (`value` = the count); return its length."""
    buffer[0] = unit
    buffer[1] = function
    put_u16(buffer, 2, address)
    put_u16(buffer, 4, value)
    return seal(buffer, 6)


def build_exception(buffer: bytearray, unit: int, function: int, code: int) -> int:
    """Write an exception answer to a request with `function` and return its length; MB section 7."""
    buffer[0] = unit
    buffer[1] = function | modbus.EXCEPTION_FLAG
    buffer[2] = code
    return seal(buffer, 3)
