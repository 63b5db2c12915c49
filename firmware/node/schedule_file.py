"""The lamp's schedule as file 60002 of the node, and on its flash in two copies.

It is written in order from record 0 on, blocks may be repeated; its head tells its length. What has come is used once
its digest is written to the schedule command, which a key guards, if it is whole: `use`. The flash gets it by the next
`keep`, so that no answer waits for the flash. Reading gives the schedule that is in use.
"""

import hashlib
import os
import sys

from micropython import const

from node import files, lamp_control, two_copies
from protocols import lamp_schedule, modbus
from protocols.errors import WireError
from protocols.node_table_layout import u16

FILE_NUMBER = const(60002)
_NAME = "lamp"
_LENGTH_AT = const(4)


class ScheduleFile:
    """Reads the schedule at the start, takes new ones from the pole bus, and gives each to the lamp's control."""

    def __init__(self, control: lamp_control.LampControl) -> None:
        self._control = control
        self._coming: "bytearray | None" = None
        self._length = 0
        self._have = 0
        self._unkept: "bytes | None" = None
        files.add(FILE_NUMBER, FILE_NUMBER, self._read, self._write)
        self._load()

    def content(self) -> bytes:
        """SHA-256 of what has come, for the tag of the schedule command; of nothing, if nothing has come."""
        return bytes(hashlib.sha256(self._coming or b"").digest())

    def use(self, digest: int) -> bool:
        """Follow from now on the schedule that has come, if it is whole and `digest` is its own; also true when that
        is already the one in use."""  # fmt: skip
        coming = self._coming
        if coming is None or self._have != self._length:
            return digest != 0 and digest == self._control.schedule_digest
        self._coming = None
        schedule = bytes(coming)
        if not _is_whole(schedule) or lamp_schedule.digest(schedule) != digest:
            return False
        self._control.use_schedule(schedule)
        self._unkept = schedule
        return True

    def keep(self) -> None:
        """Store a schedule that has come since. Raises OSError when the flash cannot be written; it is in use then,
        and gone with the power."""  # fmt: skip
        if self._unkept is None:
            return
        schedule = self._unkept
        self._unkept = None
        two_copies.write(_NAME, schedule)

    def _load(self) -> None:
        schedule = two_copies.read(_NAME)
        if schedule is None:
            if _exists(_NAME + ".a") or _exists(_NAME + ".b"):
                self._control.tell_damaged()
            return
        if not _is_whole(schedule):
            self._control.tell_damaged()
            return
        self._control.use_schedule(schedule)

    def _read(self, _file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
        schedule = self._control.schedule
        if schedule is None or 2 * (record + count) > len(schedule) + 1:
            return modbus.ILLEGAL_DATA_ADDRESS
        for index in range(2 * count):
            place = 2 * record + index
            buffer[at + index] = schedule[place] if place < len(schedule) else 0
        return 0

    def _write(self, _file: int, record: int, count: int, buffer: bytearray, at: int) -> int:
        if record == 0:
            if count < lamp_schedule.HEADER_BYTES // 2:
                return modbus.ILLEGAL_DATA_VALUE
            self._length = u16(buffer, at + _LENGTH_AT)
            if not lamp_schedule.HEADER_BYTES <= self._length <= lamp_schedule.MAX_BYTES:
                return modbus.ILLEGAL_DATA_VALUE
            self._coming = bytearray(self._length)
            self._have = 0
        coming = self._coming
        if coming is None or 2 * record > self._have or 2 * (record + count) > self._length + 1:
            return modbus.ILLEGAL_DATA_ADDRESS
        end = min(2 * (record + count), self._length)
        for place in range(2 * record, end):
            coming[place] = buffer[at + place - 2 * record]
        self._have = max(self._have, end)
        return 0


def _is_whole(schedule: bytes) -> bool:
    """Check a schedule with a module that is in memory only meanwhile."""
    import protocols
    from protocols import lamp_schedule_check

    try:
        lamp_schedule_check.check(schedule)
    except WireError:
        return False
    finally:
        sys.modules.pop("protocols.lamp_schedule_check", None)
        del protocols.lamp_schedule_check
    return True


def _exists(name: str) -> bool:
    try:
        os.stat(name)
    except OSError:
        return False
    return True
