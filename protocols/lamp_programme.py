"""Which level a lamp schedule means for a moment, and for how long: pure arithmetic on integers.

A programme tells one night, from noon to noon by the local clock: the lamp is on from one moment to another, and steps
within change its level. What was before does not matter, so a node that starts in the night knows its level at once.
"""

from protocols import lamp_schedule as schedule_of
from protocols.lamp_schedule import CLOCK, NEVER_RISES, NEVER_SETS, NONE, SUNSET, day_at, offset_minutes, s16
from protocols.node_table_layout import u16

PROGRAMME = 0
"""Places in what `find_level` fills: number of the programme, NONE for none,"""
LEVEL = 1
"""level in per cent,"""
FADE_S = 2
"""seconds to get there,"""
LEFT_S = 3
"""seconds after which to ask again,"""
NIGHT = 4
"""local day, since 1970, on whose evening the night began."""
FOUND_PLACES = 5

_NOON_S = 43200
_DAY_S = 86400
_NOON_MINUTES = 720
_NIGHT_MINUTES = 1440


def find_level(schedule: bytes, unix_s: int, found) -> None:  # type: ignore[no-untyped-def]
    """Fill `found` (FOUND_PLACES integers) for the moment `unix_s`, less the delay that staggers this lamp."""
    seconds = unix_s - schedule_of.delay_s(schedule)
    night = (seconds + 60 * offset_minutes(schedule, schedule_of.first_day(schedule)) - _NOON_S) // _DAY_S
    night = (seconds + 60 * offset_minutes(schedule, night) - _NOON_S) // _DAY_S
    since_noon_s = seconds + 60 * offset_minutes(schedule, night) - _NOON_S - night * _DAY_S
    programme = find_programme(schedule, night)
    found[NIGHT] = night
    found[PROGRAMME] = programme
    found[LEFT_S] = max(1, _DAY_S - since_noon_s)
    if programme == NONE:
        found[LEVEL] = schedule_of.default_level(schedule)
        found[FADE_S] = 0
        return
    at = schedule_of.programme_at(schedule, programme)
    found[FADE_S] = u16(schedule, at + 10)
    found[LEVEL] = 0
    on_s = 60 * _minute(schedule, night, schedule[at], s16(schedule, at + 2))
    off_s = 60 * (_minute(schedule, night, schedule[at + 1], s16(schedule, at + 4)) or _NIGHT_MINUTES)
    if on_s >= off_s or since_noon_s >= off_s:
        return
    if since_noon_s < on_s:
        found[LEFT_S] = on_s - since_noon_s
        return
    _find_step(schedule, night, at, since_noon_s, off_s, found)


def _find_step(  # type: ignore[no-untyped-def]
    schedule: bytes, night: int, at: int, since_noon_s: int, off_s: int, found
) -> None:
    """The level of the latest step, the programme's own before the first; the next step or the end bounds it."""
    level = schedule[at + 6]
    latest_s = -1
    next_s = off_s
    first = schedule_of.step_at(schedule, schedule[at + 7])
    for step in range(first, first + schedule[at + 8] * schedule_of.STEP_BYTES, schedule_of.STEP_BYTES):
        step_s = 60 * _minute(schedule, night, schedule[step], s16(schedule, step + 2))
        if step_s > since_noon_s:
            next_s = min(next_s, step_s)
        elif step_s >= latest_s:
            latest_s = step_s
            level = schedule[step + 1]
    least = schedule_of.least_level(schedule)
    found[LEVEL] = least if 0 < level < least else level
    found[LEFT_S] = next_s - since_noon_s


def _minute(schedule: bytes, night: int, anchor: int, minute: int) -> int:
    """Minutes from the night's first noon to a moment of it, 0 to 1440."""
    if anchor == SUNSET:
        return _sunset(schedule, day_at(schedule, night), minute)
    # What lies after midnight is told by the next day's clock, which may have been changed by an hour.
    shift = offset_minutes(schedule, night + 1) - offset_minutes(schedule, night)
    if anchor == CLOCK:
        return minute - _NOON_MINUTES if minute >= _NOON_MINUTES else minute + _NOON_MINUTES - shift
    entry = day_at(schedule, night + 1)
    if schedule[entry + 1] & NEVER_RISES:
        return _NIGHT_MINUTES
    if schedule[entry + 1] & NEVER_SETS:
        return _NOON_MINUTES
    return min(max(s16(schedule, entry + 2) + minute + _NOON_MINUTES - shift, 0), _NIGHT_MINUTES)


def _sunset(schedule: bytes, entry: int, minute: int) -> int:
    if schedule[entry + 1] & NEVER_SETS:
        return _NIGHT_MINUTES
    if schedule[entry + 1] & NEVER_RISES:
        return 0
    return min(max(s16(schedule, entry + 4) + minute - _NOON_MINUTES, 0), _NIGHT_MINUTES)


def find_programme(schedule: bytes, night: int) -> int:
    """The programme of the night that begins on local day `night`: the first rule that names its date, else the
    default one, or NONE."""  # fmt: skip
    if schedule_of.rule_count(schedule):
        year, date = civil_date(night)
        weekday = 1 << (night + 3) % 7
        first = schedule_of.rule_at(schedule, 0)
        end = schedule_of.rule_at(schedule, schedule_of.rule_count(schedule))
        for rule in range(first, end, schedule_of.RULE_BYTES):
            if schedule[rule + 1] & weekday and _is_between(schedule, rule, year, date):
                return schedule[rule]
    return schedule_of.default_programme(schedule)


def _is_between(schedule: bytes, rule: int, year: int, date: int) -> bool:
    first = schedule[rule + 3] * 32 + schedule[rule + 4]
    last = schedule[rule + 6] * 32 + schedule[rule + 7]
    if schedule[rule + 2]:
        first += 512 * schedule[rule + 2]
        last += 512 * schedule[rule + 5]
        return first <= date + 512 * (year - 2000) <= last
    if first <= last:
        return first <= date <= last
    return date >= first or date <= last


def civil_date(day: int) -> "tuple[int, int]":
    """Year and 32 * month + day of the month, of a number of days since 1970-01-01 (proleptic Gregorian calendar)."""
    day += 719468
    era_day = day % 146097
    year_of_era = (era_day - era_day // 1460 + era_day // 36524 - era_day // 146096) // 365
    day_of_year = era_day - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + 400 * (day // 146097) + (1 if month <= 2 else 0)
    return year, 32 * month + day_of_year - (153 * shifted + 2) // 5 + 1
