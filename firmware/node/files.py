"""Numbered files behind Read and Write File Record (functions 20 and 21): who reads and writes which numbers.

A file is up to 10,000 registers; a *record* is the number of a register in it (MODBUS Application Protocol V1.1b3,
6.14 and 6.15). Whoever keeps a file adds its numbers and two functions here; the server hands requests to `respond`.

    reader(file, record, count, buffer, at) -> 0 or an exception code; writes `2 * count` bytes into `buffer[at:]`
    writer(file, record, count, buffer, at) -> 0 or an exception code; takes `2 * count` bytes from `buffer[at:]`

Both work in the server's buffers and must be done at once; `record + count` is at most 10,000. An OSError or a
MemoryError becomes exception 4, the server goes on. Numbers in use: protocols/spec/modbus.md.
"""

from micropython import const

from protocols import modbus, rtu

_REFERENCE_TYPE = const(6)
_GROUP_BYTES = const(7)
_GROUPS_AT = const(3)
_RECORDS = const(10000)
_MAX_READ_BYTES = const(245)
_MIN_WRITE_BYTES = const(9)
_MAX_WRITE_BYTES = const(251)

_kept = []  # type: ignore[var-annotated]


def add(first: int, last: int, reader, writer) -> None:  # type: ignore[no-untyped-def]
    """Let `reader` and `writer` (None: the files cannot be read, or written) serve the files `first` to `last`."""
    remove(first)
    _kept.append((first, last, reader, writer))


def remove(first: int) -> None:
    """Forget the files that were added from number `first` on; does nothing if there are none."""
    for index in range(len(_kept)):
        if _kept[index][0] == first:
            del _kept[index]
            return


def respond(request: bytearray, start: int, answer: bytearray, unit: int) -> int:
    """Carry out the request of function 20 or 21 at `request[start:]`, of which the frame is checked; write the answer.

    Returns the answer's length. Several groups are served in their order; one that is refused ends it, so write one
    group a request where that matters.
    """
    function = request[start + 1]
    if function == modbus.READ_FILE_RECORD:
        code = _check_reads(request, start)
        length = 0 if code else _read_groups(request, start, answer)
        if length < 0:
            code = -length
        if not code:
            answer[0] = unit
            answer[1] = function
            answer[2] = length - _GROUPS_AT
            return rtu.seal(answer, length)
    else:
        code = _write_groups(request, start, False)
        if not code:
            code = _write_groups(request, start, True)
        if not code:
            length = _GROUPS_AT + request[start + 2]
            for index in range(length):
                answer[index] = request[start + index]
            return rtu.seal(answer, length)
    return rtu.build_exception(answer, unit, function, code)


def _check_reads(request: bytearray, start: int) -> int:
    """0, or the exception code for the form of a read: byte count, room for the answer, each group's numbers."""
    size = request[start + 2]
    if size < _GROUP_BYTES or size > _MAX_READ_BYTES or size % _GROUP_BYTES:
        return modbus.ILLEGAL_DATA_VALUE
    answered = 0
    for at in range(start + _GROUPS_AT, start + _GROUPS_AT + size, _GROUP_BYTES):
        code = _check_group(request, at)
        if code:
            return code
        answered += 2 + 2 * rtu.get_u16(request, at + 5)
        if answered > _MAX_READ_BYTES:
            return modbus.ILLEGAL_DATA_VALUE
    return 0


def _check_group(request: bytearray, at: int) -> int:
    count = rtu.get_u16(request, at + 5)
    if request[at] != _REFERENCE_TYPE or count == 0 or rtu.get_u16(request, at + 3) + count > _RECORDS:
        return modbus.ILLEGAL_DATA_ADDRESS
    return 0


def _read_groups(request: bytearray, start: int, answer: bytearray) -> int:
    """The end of what was written, or an exception code as a negative number."""
    out = _GROUPS_AT
    for at in range(start + _GROUPS_AT, start + _GROUPS_AT + request[start + 2], _GROUP_BYTES):
        count = rtu.get_u16(request, at + 5)
        code = _call(2, request, at, answer, out + 2)
        if code:
            return -code
        answer[out] = 1 + 2 * count
        answer[out + 1] = _REFERENCE_TYPE
        out += 2 + 2 * count
    return out


def _write_groups(request: bytearray, start: int, carry_out: bool) -> int:
    """Check the form of all groups, or carry them out; 0 or the exception code."""
    size = request[start + 2]
    if size < _MIN_WRITE_BYTES or size > _MAX_WRITE_BYTES:
        return modbus.ILLEGAL_DATA_VALUE
    at = start + _GROUPS_AT
    end = at + size
    while at < end:
        if end - at < _GROUP_BYTES or at + _GROUP_BYTES + 2 * rtu.get_u16(request, at + 5) > end:
            return modbus.ILLEGAL_DATA_VALUE
        code = _check_group(request, at)
        if carry_out and not code:
            code = _call(3, request, at, request, at + _GROUP_BYTES)
        if code:
            return code
        at += _GROUP_BYTES + 2 * rtu.get_u16(request, at + 5)
    return 0


def _call(which: int, request: bytearray, at: int, buffer: bytearray, data_at: int) -> int:
    """Let the keeper of the group's file read (`which` 2) or write (3)."""
    file = rtu.get_u16(request, at + 1)
    for kept in _kept:
        if kept[0] <= file <= kept[1]:
            if kept[which] is None:
                return modbus.ILLEGAL_DATA_ADDRESS
            try:
                record, count = rtu.get_u16(request, at + 3), rtu.get_u16(request, at + 5)
                code: int = kept[which](file, record, count, buffer, data_at)
                return code
            except (OSError, MemoryError):
                return modbus.SERVER_DEVICE_FAILURE
    return modbus.ILLEGAL_DATA_ADDRESS
