"""What is wrong with the lamp: rules on its power, its driver and its schedule, each with a time that it must last.

Rules and times: lamp monitor of TALQ 2.7.1, practice of street lighting. Power is judged only while the level stands
still, by good samples that were taken since, and by no single one: a meter that is read every five minutes must not
make a fault of one figure, nor of one from before the lamp was switched. A fault stays until the opposite has lasted as
long. A look takes no heap.
"""

import array

from micropython import const

from node import events, slots
from protocols import event_codes, lamp_codes, lamp_schedule, quality
from protocols.node_table_layout import u16, u32

_GEAR_S = const(60)
_SUPPLY_S = const(30)
_STEADY_AGAIN_S = const(600)
_LONGEST_S = const(0xFFFF)
_ANOTHER_S = const(5)
_BY_METER = const(0b1000101111)  # failure, low, high, burns by day, supply lost, cycling
_MOST_POWER = const(8000000)


class LampFaults:
    """`bits` has a bit of protocols/lamp_codes.py for each fault that stands; each change of it is an event."""

    def __init__(self, node_events: events.Events, node_slots: slots.Slots, lamp_slot: int) -> None:
        self.bits = 0
        self._events = node_events
        self._slots = node_slots
        self._lamp_slot = lamp_slot
        self._power_slot = lamp_slot
        self._schedule: "bytes | None" = None
        self._at = 0
        self._lasted_s = array.array("H", [0] * lamp_codes.FAULT_COUNT)
        self._seconds = 0
        self._level = -1
        self._steady_s = 0
        self._is_drawing = False
        self._dropouts = 0

    def use_schedule(self, schedule: "bytes | None") -> None:
        """Judge power by `schedule`; None, or one that does not watch it, judges driver and schedule alone: what the
        meter told is over then."""  # fmt: skip
        self._schedule = None
        if schedule is not None and lamp_schedule.has_power(schedule):
            self._at = lamp_schedule.power_at(schedule)
            if schedule[self._at] < self._slots.count:
                self._schedule = schedule
                self._power_slot = schedule[self._at]
                return
        for fault in range(lamp_codes.FAULT_COUNT):
            if _BY_METER >> fault & 1:
                self.note(fault, False)

    def note(self, fault: int, holds: bool, tells: bool = True) -> None:
        """Set or clear a fault at once; an event if that is a change and it `tells`."""
        if bool(self.bits >> fault & 1) == holds:
            return
        self.bits ^= 1 << fault
        if tells:
            is_power = fault in (lamp_codes.LAMP_FAILURE, lamp_codes.POWER_LOW, lamp_codes.POWER_HIGH)
            slot = self._power_slot if is_power or fault == lamp_codes.BURNS_BY_DAY else self._lamp_slot
            self._events.add(event_codes.LAMP_FAULT_FIRST + fault, slot, 1 if holds else 0)

    def look(self, seconds: int, level: int, driver) -> None:  # type: ignore[no-untyped-def]
        """Judge what is to be seen at `seconds` since the start; `level` is the one commanded, -1 for none yet."""
        passed_s = seconds - self._seconds
        if passed_s <= 0:
            return
        self._seconds = seconds
        self._judge(lamp_codes.GEAR_SILENT, driver.is_silent(), _GEAR_S, passed_s)
        if level != self._level or driver.is_busy:
            self._begin_level(level)
            return
        self._steady_s = min(self._steady_s + passed_s, _LONGEST_S)
        if self._schedule is not None and level >= 0:
            self._judge_power(self._schedule, passed_s)

    def _begin_level(self, level: int) -> None:
        if (level > 0) != (self._level > 0):
            self._dropouts = 0
            self._is_drawing = False
        self._level = level
        self._steady_s = 0
        for fault in range(lamp_codes.BURNS_BY_DAY + 1):
            self._lasted_s[fault] = 0

    def _judge_power(self, schedule: bytes, passed_s: int) -> None:
        at = self._at
        node_slots = self._slots
        is_dead = False
        voltage_slot = schedule[at + 1]
        if voltage_slot < node_slots.count and node_slots.qualities[voltage_slot] == quality.GOOD:
            is_dead = node_slots.values[voltage_slot] < u32(schedule, at + 20)
            self._judge(lamp_codes.SUPPLY_LOST, is_dead, _SUPPLY_S, passed_s, node_slots.age(voltage_slot) // 100)
        power_slot = schedule[at]
        age_s = node_slots.age(power_slot) // 100
        if is_dead or node_slots.qualities[power_slot] != quality.GOOD:
            return
        if self._steady_s < u16(schedule, at + 12) + age_s:
            return
        power = min(node_slots.values[power_slot], _MOST_POWER)
        band_s = u16(schedule, at + 8)
        if self._level == 0:
            is_burning = power > u32(schedule, at + 16)
            self._judge(lamp_codes.BURNS_BY_DAY, is_burning, u16(schedule, at + 10), passed_s, age_s)
            return
        expected = self._expected(schedule)
        is_out = power * 100 < expected * schedule[at + 2]
        is_low = not is_out and power * 100 < expected * schedule[at + 3]
        self._judge(lamp_codes.LAMP_FAILURE, is_out, u16(schedule, at + 6), passed_s, age_s)
        self._judge(lamp_codes.POWER_LOW, is_low, band_s, passed_s, age_s)
        self._judge(lamp_codes.POWER_HIGH, power * 100 > expected * schedule[at + 4], band_s, passed_s, age_s)
        self._count_dropouts(schedule, power > u32(schedule, at + 16))

    def _expected(self, schedule: bytes) -> int:
        """The expected power at the level, along straight lines between every tenth per cent."""
        at = self._at + 24 + self._level // 10 * 4
        below = u32(schedule, at)
        rest = self._level % 10
        return below + (u32(schedule, at + 4) - below) * rest // 10 if rest else below

    def _count_dropouts(self, schedule: bytes, is_drawing: bool) -> None:
        """A lamp that goes out and comes again while it is commanded on, `cycles` times, is cycling."""
        if self._is_drawing and not is_drawing:
            self._dropouts += 1
            self._lasted_s[lamp_codes.CYCLING] = 0
        self._is_drawing = is_drawing
        cycles = schedule[self._at + 5]
        if cycles and self._dropouts >= cycles:
            self.note(lamp_codes.CYCLING, True)
        elif self._dropouts == 0 and self._steady_s >= _STEADY_AGAIN_S:
            self.note(lamp_codes.CYCLING, False)

    def _judge(self, fault: int, holds: bool, limit_s: int, passed_s: int, age_s: int = 0) -> None:
        """Set or clear a fault when that has lasted, and has been seen in another sample than the first."""
        if bool(self.bits >> fault & 1) == holds:
            self._lasted_s[fault] = 0
            return
        lasted_s = self._lasted_s[fault] + passed_s
        if lasted_s >= limit_s and lasted_s > age_s + _ANOTHER_S:
            self._lasted_s[fault] = 0
            self.note(fault, holds)
        else:
            self._lasted_s[fault] = min(lasted_s, _LONGEST_S)
