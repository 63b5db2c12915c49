"""Which level the lamp shall have: emergency before override before sensor before programme before default.

Whoever does not know, lights: without a schedule, or without a valid time once the wait at the start is over, the lamp
has its fail-safe level. When an override or an emergency ends, what comes after it holds again; nothing is remembered.
The gateway is not needed for any of this. A tick that changes nothing takes no heap.
"""

import array

from micropython import const

from node import clock, events, lamp_faults, slots
from protocols import event_codes, lamp_codes, lamp_programme, lamp_schedule

_NOT_SET = const(-1)
_FAIL_SAFE_PCT = const(100)
_FAIL_SAFE_WAIT_S = const(20)
_REPLAN_S = const(3600)
_AGAIN_S = const(60)
_RETRY_S = const(300)
_DAY_S = const(86400)
_FOR_EVER = const(0x3FFFFFFF)

# Nobody's clock is right before this: 2024-01-01, and two days before the schedule's first sun day.
_LEAST_UNIX_S = 1704067200
_DAYS_BEFORE = const(2)


class LampControl:
    """The lamp's state as the registers tell it; results, reasons and sources are those of protocols/lamp_codes.py.

    `driver` is a lamp.Lamp or a lamp_pins.LampPins. `schedule` is a checked lamp schedule or None; whose slots it
    names only counts if it was made for the node table with `table_digest`.
    """

    def __init__(  # type: ignore[no-untyped-def]
        self, driver, node_slots: slots.Slots, node_events: events.Events, node_clock: clock.Clock, table_digest: int
    ) -> None:
        self.driver = driver
        self.sequence = 0
        self.result = lamp_codes.NONE
        self.reason = lamp_codes.NO_REASON
        self.source = lamp_codes.SOURCE_BOOT
        self.scheduled_pct = lamp_codes.LEVEL_UNKNOWN
        self.programme = lamp_schedule.NONE
        self.override_reason = 0
        self.schedule: "bytes | None" = None
        self.days_left = 0
        self.faults = lamp_faults.LampFaults(node_events, node_slots, driver.slot)
        self._slots = node_slots
        self._events = node_events
        self._clock = node_clock
        self._table_digest = table_digest
        self._found = array.array("i", [0] * lamp_programme.FOUND_PLACES)
        self._sensors = None
        self._wanted = _NOT_SET
        self._plan_at = 0
        self._settings = 0
        self._fade_s = 0
        self._again_at = 0
        self._override_pct = _NOT_SET
        self._override_until = 0
        self._emergency_pct = _NOT_SET
        self._emergency_until = 0
        self._group_pct = _NOT_SET
        self._group = (0, 0, 0)
        self._group_at = 0
        self._planned = lamp_codes.SOURCE_BOOT
        self._has_failed = False
        self._is_damaged = False
        driver.on_end = self._note_end

    @property
    def groups(self) -> int:
        """The groups that the lamp belongs to, one bit each."""
        return lamp_schedule.groups(self.schedule) if self.schedule is not None else 0

    @property
    def schedule_digest(self) -> int:
        """Which schedule the node has, 0 for none."""
        return lamp_schedule.digest(self.schedule) if self.schedule is not None else 0

    @property
    def override_left_s(self) -> int:
        """Seconds until the override ends, 0 for none, at most 0xFFFF."""
        if self._override_pct == _NOT_SET:
            return 0
        return min(max(self._override_until - self._clock.seconds, 0), 0xFFFF)

    def use_schedule(self, schedule: bytes) -> None:
        """Follow `schedule`, which is checked, from the next tick on."""
        self.schedule = schedule
        self._plan_at = 0
        fits = lamp_schedule.table_digest(schedule) == self._table_digest
        self._sensors = None
        if fits and lamp_schedule.sensor_count(schedule):
            from node import lamp_sensors

            self._sensors = lamp_sensors.LampSensors(schedule, self._slots)  # type: ignore[assignment]
        self.faults.use_schedule(schedule if fits else None)

    def tell_damaged(self) -> None:
        """There was a schedule on the flash, but none of its copies is whole."""
        self._is_damaged = True

    def take_command(
        self, sequence: int, level_pct: int, fade_s: int, expires_s: int, hold_s: int = 0, reason: int = 0
    ) -> None:
        """Take command number `sequence`, unless it is 0 or the last one again; `result` tells what becomes of it.

        `level_pct` is linear light output 0 to 100 or lamp_codes.RESUME, `expires_s` Unix seconds after which it is
        refused (0: never; judged only by a set clock), `hold_s` how long it holds (0: as the schedule says).
        """
        if sequence in (0, self.sequence):
            return
        self.sequence = sequence
        self.reason = self._refusal(level_pct, expires_s)
        if self.reason:
            self.result = lamp_codes.REFUSED
            return
        self.result = lamp_codes.WORKING
        self._override(level_pct, fade_s, hold_s, reason)
        self._decide(True)
        if not self.driver.is_busy:
            self.result = lamp_codes.CONFIRMED

    def take_group(self, mask: int, level_pct: int, fade_s: int, hold_s: int, reason: int) -> bool:
        """Take a broadcast to the groups in `mask`, one bit each; whether it concerns this lamp.

        It begins after this lamp's share of the stagger. Absolute, so it may be sent again; otherwise as a command.
        """
        if not mask & self.groups or (level_pct > 100 and level_pct != lamp_codes.RESUME):
            return False
        self._clock.update()
        if self.schedule is not None:
            self._group_at = self._clock.seconds + lamp_schedule.delay_s(self.schedule)
        self._group_pct = level_pct
        self._group = (fade_s, hold_s, reason)
        return True

    def take_emergency(self, level_pct: int, hold_s: int = 0) -> bool:
        """Light at `level_pct`, 1 to 100, before everything else, for `hold_s` seconds (0: until ended); 0 ends it.

        An emergency can only light: no one darkens a street by it. False for a level above 100.
        """
        if level_pct > 100:
            return False
        self._clock.update()
        if self.result == lamp_codes.WORKING:
            self.result = lamp_codes.FAILED
            self.reason = lamp_codes.OUTRANKED
        self._emergency_pct = level_pct or _NOT_SET
        self._emergency_until = self._clock.seconds + hold_s if hold_s else _FOR_EVER
        self._decide(False)
        return True

    def tick(self) -> None:
        """Do what is due by the node's clock."""
        node_clock = self._clock
        node_clock.update()
        seconds = node_clock.seconds
        if seconds >= self._plan_at or node_clock.settings != self._settings:
            self._plan()
        if self._group_pct != _NOT_SET and seconds >= self._group_at:
            self._override(self._group_pct, self._group[0], self._group[1], self._group[2])
            self._group_pct = _NOT_SET
        if self._override_pct != _NOT_SET and seconds >= self._override_until:
            self._end_override()
        if self._emergency_pct != _NOT_SET and seconds >= self._emergency_until:
            self._emergency_pct = _NOT_SET
        self._decide(False)
        if self._is_to_be_repeated(seconds):
            self._drive(0)
        self.faults.look(seconds, self._wanted, self.driver)

    def _is_to_be_repeated(self, seconds: int) -> bool:
        """Whether the driver has another level than it was given, and it is time to give it again."""
        if self._wanted == _NOT_SET:
            return False
        if self.driver.has_strayed():
            return seconds >= self._again_at
        return self.driver.reason and not self.driver.is_busy and seconds >= self._again_at + _RETRY_S

    def _refusal(self, level_pct: int, expires_s: int) -> int:
        if level_pct > 100 and level_pct != lamp_codes.RESUME:
            return lamp_codes.LEVEL_OUT_OF_RANGE
        if self._emergency_pct != _NOT_SET:
            return lamp_codes.OUTRANKED
        self._clock.update()
        is_late = self._clock.is_set and self._clock.unix_s(self._clock.seconds, self._clock.millis) > expires_s
        return lamp_codes.EXPIRED if expires_s and is_late else lamp_codes.NO_REASON

    def _override(self, level_pct: int, fade_s: int, hold_s: int, reason: int) -> None:
        self._fade_s = fade_s
        if level_pct == lamp_codes.RESUME:
            if self._override_pct != _NOT_SET:
                self._end_override()
            return
        if not hold_s and self.schedule is not None:
            hold_s = lamp_schedule.override_s(self.schedule)
        self._override_pct = level_pct
        self._override_until = min(self._clock.seconds + hold_s, _FOR_EVER) if hold_s else _FOR_EVER
        self.override_reason = reason

    def _end_override(self) -> None:
        self._override_pct = _NOT_SET
        self._events.add(event_codes.LAMP_OVERRIDE_ENDED, self.driver.slot, self.override_reason)
        self.override_reason = 0

    def _plan(self) -> None:
        """Ask the schedule what holds now, and when to ask again."""
        node_clock = self._clock
        schedule = self.schedule
        self._settings = node_clock.settings
        self.programme = lamp_schedule.NONE
        if schedule is None or not self._is_time_valid(schedule):
            self._plan_without(schedule)
            return
        lamp_programme.find_level(schedule, node_clock.unix_s(node_clock.seconds, node_clock.millis), self._found)
        self.programme = self._found[lamp_programme.PROGRAMME]
        self.scheduled_pct = self._found[lamp_programme.LEVEL]
        self._fade_s = self._found[lamp_programme.FADE_S]
        self._plan_at = node_clock.seconds + min(self._found[lamp_programme.LEFT_S], _REPLAN_S)
        is_planned = self.programme != lamp_schedule.NONE
        self._planned = lamp_codes.SOURCE_SCHEDULE if is_planned else lamp_codes.SOURCE_DEFAULT
        self.days_left = lamp_schedule.days_left(schedule, self._found[lamp_programme.NIGHT])
        self.faults.note(lamp_codes.NO_TIME, False)
        self.faults.note(lamp_codes.NO_SCHEDULE, False)
        self.faults.note(lamp_codes.SUN_TABLE_ENDED, self.days_left < 0)

    def _is_time_valid(self, schedule: bytes) -> bool:
        node_clock = self._clock
        if not node_clock.is_set:
            return False
        unix_s = node_clock.unix_s(node_clock.seconds, node_clock.millis)
        return unix_s >= max(_LEAST_UNIX_S, (lamp_schedule.first_day(schedule) - _DAYS_BEFORE) * _DAY_S)

    def _plan_without(self, schedule: "bytes | None") -> None:
        """No schedule or no time: wait a little at the start, then light."""
        self._fade_s = 0
        wait_s = _FAIL_SAFE_WAIT_S if schedule is None else lamp_schedule.boot_wait_s(schedule)
        if self._clock.seconds < wait_s:
            self._planned = lamp_codes.SOURCE_BOOT
            self._plan_at = wait_s
            level = lamp_schedule.NONE if schedule is None else lamp_schedule.boot_level(schedule)
            self.scheduled_pct = lamp_codes.LEVEL_UNKNOWN if level == lamp_schedule.NONE else level
            return
        self._planned = lamp_codes.SOURCE_FAIL_SAFE
        self._plan_at = self._clock.seconds + _REPLAN_S
        self.scheduled_pct = _FAIL_SAFE_PCT if schedule is None else lamp_schedule.fail_safe_level(schedule)
        self.faults.note(lamp_codes.NO_SCHEDULE, schedule is None, self._is_damaged)
        self.faults.note(lamp_codes.NO_TIME, schedule is not None)

    def _decide(self, is_command: bool) -> None:
        """Find who holds, and drive the lamp if that means another level or was commanded."""
        if self._emergency_pct != _NOT_SET:
            source, level = lamp_codes.SOURCE_EMERGENCY, self._emergency_pct
        elif self._override_pct != _NOT_SET:
            source, level = lamp_codes.SOURCE_OVERRIDE, self._override_pct
        else:
            source, level = self._planned, self.scheduled_pct
            if self._sensors is not None and source != lamp_codes.SOURCE_FAIL_SAFE:
                sensed = self._sensors.level(self._clock.seconds, level)
                if sensed >= 0:
                    source, level = lamp_codes.SOURCE_SENSOR, sensed
        self.source = source
        if level == lamp_codes.LEVEL_UNKNOWN:
            return
        if level and self.schedule is not None:
            level = max(level, lamp_schedule.least_level(self.schedule))
        if level != self._wanted or is_command:
            self._wanted = level
            self._drive(0 if source in (lamp_codes.SOURCE_EMERGENCY, lamp_codes.SOURCE_SENSOR) else self._fade_s)

    def _drive(self, fade_s: int) -> None:
        self._again_at = self._clock.seconds + _AGAIN_S
        self.driver.drive(self._wanted, fade_s)

    def _note_end(self, reason: int) -> None:
        is_command = self.result == lamp_codes.WORKING
        if is_command:
            self.result = lamp_codes.FAILED if reason else lamp_codes.CONFIRMED
            self.reason = reason
        if (reason and (is_command or not self._has_failed)) or (self._has_failed and not reason):
            self._events.add(event_codes.LAMP_FAILED, self.driver.slot, reason)
        self._has_failed = reason != lamp_codes.NO_REASON
