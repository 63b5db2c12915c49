"""The log: numbers in a ring, no text; the last ones outlive a restart.

An entry says what (protocols/log_codes.py), a value, and when: seconds since the start, and which start. The ring goes
to the flash at a start, before a reset of our own, and otherwise at most once an hour: at most 9,000 writes of half
a kilobyte a year, which a flash bears for a century. On the pole bus it is a file, laid out as protocols/log_file.py
tells.
"""

import errno

from micropython import const

from node import clock, two_copies
from protocols import log_codes, log_file, modbus

_FILE = "log"
_SAVE_EVERY_S = const(3600)

_ring = bytearray(log_file.CAPACITY * log_file.ENTRY_BYTES)
# The number of the newest entry, of the newest one on the flash, of this start; seconds of the last save.
_state = [0, 0, 0, 0]
_clocks: "list[clock.Clock]" = []


def load(boots: int, node_clock: clock.Clock) -> None:
    """Take what an earlier start has left; call once, with the number of this start and its clock."""
    _clocks.append(node_clock)
    _state[2] = boots & 0xFFFF
    kept = two_copies.read(_FILE)
    if kept is None or len(kept) != 4 + len(_ring):
        return
    _ring[:] = memoryview(kept)[4:]
    _state[0] = _state[1] = int.from_bytes(kept[:4], "big") & 0x3FFFFFFF


def newest() -> int:
    """The number of the newest entry; it goes on over restarts."""
    return _state[0]


def note(code: int, value: int = 0) -> None:
    """Add an entry of this moment. Never fails; `value` has 32 bits with sign."""
    _state[0] += 1
    at = _state[0] % log_file.CAPACITY * log_file.ENTRY_BYTES
    _put(at, _state[0], 2)
    _put(at + 2, _state[2], 2)
    _put(at + 4, _seconds(), 4)
    _put(at + 8, code, 2)
    _put(at + 10, value, 4)


def keep(at_once: bool = False) -> None:
    """Put the ring on the flash if it has something new and the last time in this start was an hour ago, or `at_once`.

    A flash that cannot be written is an entry of its own, nothing more.
    """
    if _state[0] == _state[1] or not (at_once or _state[3] == 0 or _seconds() - _state[3] >= _SAVE_EVERY_S):
        return
    _state[3] = max(_seconds(), 1)
    try:
        writing = two_copies.Writing(_FILE)
        writing.add(_state[0].to_bytes(4, "big"))
        writing.add(_ring)
        writing.finish()
        _state[1] = _state[0]
    except OSError as error:
        note(log_codes.FLASH_FAILED, error.errno or errno.EIO)


def read(_file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
    """The reader of the log's file (node/files.py)."""
    entries = min(_state[0], log_file.CAPACITY)
    if 2 * (record + count) > log_file.HEAD_BYTES + entries * log_file.ENTRY_BYTES:
        return modbus.ILLEGAL_DATA_ADDRESS
    for place in range(2 * record, 2 * (record + count)):
        buffer[at] = _byte(place, entries)
        at += 1
    return 0


def _byte(place: int, entries: int) -> int:
    if place < 4:
        return _state[0] >> 8 * (3 - place) & 0xFF
    if place < log_file.HEAD_BYTES:
        return (0, entries, 0, log_file.ENTRY_BYTES)[place - 4]
    place -= log_file.HEAD_BYTES
    entry = _state[0] - entries + 1 + place // log_file.ENTRY_BYTES
    return _ring[entry % log_file.CAPACITY * log_file.ENTRY_BYTES + place % log_file.ENTRY_BYTES]


def _seconds() -> int:
    for now in _clocks:
        now.update()
        return now.seconds
    return 0


def _put(at: int, value: int, size: int) -> None:
    for index in range(size):
        _ring[at + index] = value >> 8 * (size - 1 - index) & 0xFF
