"""Whether a lamp schedule is whole and leads nowhere outside itself; see `lamp_schedule`."""

import binascii

from protocols import lamp_schedule as schedule_of
from protocols.errors import CRC, LENGTH, SHORT, VALUE, VERSION, WireError
from protocols.node_table_layout import u16, u32

MAGIC = b"GPL1"
VERSION_NUMBER = 1
CHECKED_FROM = 12

_SMALL = 1 << 30
_MOST_POWER = 8000000


def check(schedule: bytes | bytearray | memoryview) -> None:
    """Nothing when the schedule is whole; else WireError: SHORT, VERSION, LENGTH, CRC or VALUE with the place."""
    if len(schedule) < schedule_of.HEADER_BYTES:
        raise WireError(SHORT, len(schedule))
    if bytes(schedule[0:4]) != MAGIC or schedule[6] != VERSION_NUMBER:
        raise WireError(VERSION, 6)
    if u16(schedule, 4) != len(schedule) or len(schedule) > schedule_of.MAX_BYTES:  # type: ignore[arg-type]
        raise WireError(LENGTH, 4)
    if binascii.crc32(memoryview(schedule)[CHECKED_FROM:]) != u32(schedule, 8):  # type: ignore[arg-type]
        raise WireError(CRC, 8)
    _check_entries(schedule)  # type: ignore[arg-type]


def _demand(right: bool, at: int) -> None:
    if not right:
        raise WireError(VALUE, at)


def _check_entries(schedule: bytes) -> None:
    _demand(schedule[33] >= 1, 33)
    power = schedule_of.power_at(schedule)
    _demand(schedule[36] <= 1 and len(schedule) == power + schedule[36] * schedule_of.POWER_BYTES, 4)
    _demand(schedule[20] <= 100 or schedule[20] == schedule_of.NONE, 20)
    _demand(schedule[21] <= 100, 21)
    _demand(1 <= schedule[22] <= 100, 22)
    _demand(1 <= schedule[23] <= 100, 23)
    _demand(1 <= u32(schedule, 24) < _SMALL, 24)
    _demand(schedule[30] < schedule[28] or schedule[30] == schedule_of.NONE, 30)
    for programme in range(schedule[28]):
        _check_programme(schedule, schedule_of.programme_at(schedule, programme))
    for step in range(schedule[31]):
        at = schedule_of.step_at(schedule, step)
        _check_moment(schedule, schedule[at], at + 2)
        _demand(schedule[at + 1] <= 100, at + 1)
    for rule in range(schedule[29]):
        _check_rule(schedule, schedule_of.rule_at(schedule, rule))
    for sensor in range(schedule[32]):
        at = schedule_of.sensor_at(schedule, sensor)
        _demand(schedule[at + 2] <= 100, at + 2)
        _demand(-_SMALL <= schedule_of.s32(schedule, at + 4) < _SMALL, at + 4)
        _demand(-_SMALL <= schedule_of.s32(schedule, at + 8) < _SMALL, at + 8)
    _check_days(schedule)
    if schedule[36]:
        for at in range(power + 16, power + schedule_of.POWER_BYTES, 4):
            _demand(u32(schedule, at) <= _MOST_POWER, at)


def _check_programme(schedule: bytes, at: int) -> None:
    _check_moment(schedule, schedule[at], at + 2)
    _check_moment(schedule, schedule[at + 1], at + 4)
    _demand(schedule[at + 6] <= 100, at + 6)
    _demand(schedule[at + 7] + schedule[at + 8] <= schedule[31], at + 7)


def _check_moment(schedule: bytes, anchor: int, at: int) -> None:
    minute = schedule_of.s16(schedule, at)
    if anchor == schedule_of.CLOCK:
        _demand(0 <= minute < 1440, at)
    else:
        _demand(anchor <= schedule_of.SUNRISE and -1440 < minute < 1440, at)
        _demand(not schedule[schedule_of.day_at(schedule, 0) + 1] & schedule_of.NO_SUN, at)


def _check_rule(schedule: bytes, at: int) -> None:
    _demand(schedule[at] < schedule[28] or schedule[at] == schedule_of.NONE, at)
    _demand((schedule[at + 2] == 0) == (schedule[at + 5] == 0), at + 2)
    for place in (at + 3, at + 6):
        _demand(1 <= schedule[place] <= 12 and 1 <= schedule[place + 1] <= 31, place)


def _check_days(schedule: bytes) -> None:
    first = schedule_of.power_at(schedule) - schedule[33] * schedule_of.DAY_BYTES
    for at in range(first, first + schedule[33] * schedule_of.DAY_BYTES, schedule_of.DAY_BYTES):
        _demand(schedule[at] <= 56 or schedule[at] >= 256 - 48, at)
        _demand(-1440 <= schedule_of.s16(schedule, at + 2) <= 2880, at + 2)
        _demand(-1440 <= schedule_of.s16(schedule, at + 4) <= 2880, at + 4)
