"""Compiling the lamps of a pole.toml into the schedules that their nodes follow (protocols/spec/lamp-schedule.md).

The same configuration and the same local date always give the same bytes, so that the digest in the schedule's head,
which the node tells, says whether a node has today's.
"""

import zlib
from datetime import date, timedelta
from zoneinfo import ZoneInfo

from gateway_agent.config.devices import ProfileShelf
from gateway_agent.config.lighting import DAYS, CalendarRule, LampConfig, PowerConfig, SensorRule, date_parts
from gateway_agent.config.schema import PoleConfig
from gateway_agent.lighting.sun import day_number, local_day, offset_minutes, sun_day
from gateway_agent.provision import ProvisionError, Slot, digest, node_table, slots
from protocols import lamp_schedule as layout
from protocols.errors import WireError
from protocols.lamp_schedule_writer import LampScheduleWriter

DAYS_AHEAD = 14
_DAYS_BACK = 1
_WHEN = {"dark": layout.WHEN_OFF, "lit": layout.WHEN_ON, "always": layout.WHEN_ON | layout.WHEN_OFF}


def lamp_of(pole: PoleConfig, node_name: str) -> LampConfig | None:
    """What pole.toml says of the node's lamp, None if nothing."""
    return next((lamp for lamp in pole.lamps if lamp.node == node_name), None)


def today(pole: PoleConfig, unix_s: int) -> date:
    """The date by the pole's clock."""
    return local_day(unix_s, _zone(pole))


def compile_schedule(pole: PoleConfig, lamp: LampConfig, day: date, shelf: ProfileShelf | None = None) -> bytes:
    """The schedule of a lamp as it is to be from local date `day` on, 14 days ahead. Raises ProvisionError."""
    by_name = {slot.point_name: slot for slot in slots(pole, lamp.node, shelf)}
    names_slots = bool(lamp.sensors) or lamp.power is not None
    writer = LampScheduleWriter(
        groups=sum(1 << group for group in set(lamp.groups)),
        delay_s=delay_s(pole, lamp),
        boot_wait_s=lamp.boot_wait_s,
        boot_level=layout.NONE if lamp.boot_level is None else lamp.boot_level,
        default_level=lamp.default_level,
        fail_safe_level=lamp.fail_safe_level,
        least_level=lamp.least_level,
        override_s=lamp.override_s,
        table_digest=digest(node_table(pole, lamp.node, shelf)) if names_slots else 0,
    )
    try:
        _add_programmes(writer, pole, lamp)
        for sensor in lamp.sensors:
            _add_sensor(writer, sensor, by_name[sensor.point])
        if lamp.power is not None:
            _set_power(writer, lamp.power, by_name)
        _add_days(writer, pole, day)
        return writer.schedule()
    except (ValueError, WireError) as error:
        raise ProvisionError(f"the lamp of {lamp.node} cannot be given a schedule: {error}") from error


class DailySchedule:
    """Gives a lamp's schedule for any unix time in milliseconds; made anew once a day."""

    def __init__(self, pole: PoleConfig, lamp: LampConfig, shelf: ProfileShelf | None = None) -> None:
        self._pole = pole
        self._lamp = lamp
        self._shelf = shelf
        self._day: date | None = None
        self._schedule = b""

    def __call__(self, unix_ms: int) -> bytes:
        """The schedule of the local day. Raises ProvisionError."""
        day = today(self._pole, unix_ms // 1000)
        if day != self._day:
            self._schedule = compile_schedule(self._pole, self._lamp, day, self._shelf)
            self._day = day
        return self._schedule


def delay_s(pole: PoleConfig, lamp: LampConfig) -> int:
    """The lamp's share of the stagger: always the same for a name, even over all poles; 0 to `spread_s`."""
    return zlib.crc32(f"{pole.pole.gateway}/{lamp.node}".encode()) % (lamp.spread_s + 1)


def moment(text: str) -> tuple[int, int]:
    """Anchor and minute of a moment as pole.toml writes it."""
    for word, anchor in (("sunset", layout.SUNSET), ("sunrise", layout.SUNRISE)):
        if text.startswith(word):
            return anchor, int(text[len(word) :] or 0)
    return layout.CLOCK, int(text[:2]) * 60 + int(text[3:])


def _zone(pole: PoleConfig) -> ZoneInfo:
    return ZoneInfo(pole.pole.timezone or "UTC")


def _add_programmes(writer: LampScheduleWriter, pole: PoleConfig, lamp: LampConfig) -> None:
    """The programmes that this lamp names, and its calendar."""
    named = [rule.programme for rule in lamp.calendar] + ([lamp.programme] if lamp.programme else [])
    numbers = {}
    for programme in pole.programmes:
        if programme.name in named:
            steps = tuple((*moment(step.at), step.level) for step in programme.steps)
            on, off = moment(programme.on), moment(programme.off)
            numbers[programme.name] = writer.add_programme(on, off, programme.level, steps, programme.fade_s)
    if lamp.programme:
        writer.set_default(numbers[lamp.programme])
    for rule in lamp.calendar:
        _add_rule(writer, rule, numbers[rule.programme])


def _add_rule(writer: LampScheduleWriter, rule: CalendarRule, number: int) -> None:
    first = date_parts(rule.first or "01-01")
    last = date_parts(rule.last or "12-31")
    writer.add_rule(number, sum(1 << DAYS.index(day) for day in set(rule.days)), first, last)


def _add_sensor(writer: LampScheduleWriter, sensor: SensorRule, slot: Slot) -> None:
    limit = sensor.above if sensor.above is not None else sensor.below
    assert limit is not None
    flags = _WHEN[sensor.when] | (layout.ABOVE if sensor.above is not None else 0)
    back = limit if sensor.back is None else sensor.back
    writer.add_sensor(slot.index, flags, sensor.level, _counts(limit, slot), _counts(back, slot), sensor.hold_s)


def _set_power(writer: LampScheduleWriter, power: PowerConfig, by_name: dict[str, Slot]) -> None:
    slot = by_name[power.point]
    voltage = by_name[power.voltage] if power.voltage is not None else None
    known = {0: float(power.standby_w), 100: float(power.full_w)} | {
        level: float(watts) for level, watts in power.levels_w
    }
    writer.set_power(
        power_slot=slot.index,
        expected=tuple(_counts(_between(known, level), slot) for level in range(0, 101, 10)),
        standby=_counts(power.standby_w, slot),
        voltage_slot=layout.NONE if voltage is None else voltage.index,
        voltage_least=0 if voltage is None else _counts(power.supply_lost_v, voltage),
        failure_pct=power.failure_pct,
        low_pct=power.low_pct,
        high_pct=power.high_pct,
        cycles=power.cycles,
        failure_s=power.failure_s,
        band_s=power.band_s,
        burner_s=power.burner_s,
        settle_s=power.settle_s,
    )


def _between(known: dict[int, float], level: int) -> float:
    """The value at `level` on the straight lines between the known ones."""
    below = max(place for place in known if place <= level)
    above = min(place for place in known if place >= level)
    if above == below:
        return known[level]
    return known[below] + (known[above] - known[below]) * (level - below) / (above - below)


def _counts(value: float, slot: Slot) -> int:
    """A value of the point's unit as the slot counts it."""
    return round(value * 10.0**-slot.exponent)


def _add_days(writer: LampScheduleWriter, pole: PoleConfig, day: date) -> None:
    """Yesterday, whose night may still last, today, and the days ahead."""
    zone, place = _zone(pole), pole.pole
    first = day - timedelta(days=_DAYS_BACK)
    writer.set_first_day(day_number(first))
    for ahead in range(_DAYS_BACK + 1 + DAYS_AHEAD):
        one = first + timedelta(days=ahead)
        if place.latitude is None or place.longitude is None:
            writer.add_day(offset_minutes(one, zone), flags=layout.NO_SUN)
            continue
        sun = sun_day(one, place.latitude, place.longitude, zone)
        flags = (layout.NEVER_SETS if sun.never_sets else 0) | (layout.NEVER_RISES if sun.never_rises else 0)
        writer.add_day(sun.offset_minutes, sun.sunrise, sun.sunset, flags)
