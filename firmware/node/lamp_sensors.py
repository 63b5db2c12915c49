"""Sensor rules of the lamp's schedule: a slot's value beyond a limit sets the level while it lasts, and a while longer.

A value that is not good neither begins nor prolongs anything. Loaded only where the schedule has such rules.
"""

import array

from node import slots
from protocols import lamp_schedule, quality
from protocols.lamp_schedule import s32
from protocols.node_table_layout import u16


class LampSensors:
    """The rules of `schedule`, which was made for this node's table."""

    def __init__(self, schedule: bytes, node_slots: slots.Slots) -> None:
        self._schedule = schedule
        self._slots = node_slots
        self._until = array.array("i", [0] * lamp_schedule.sensor_count(schedule))
        self._holds = bytearray(len(self._until))

    def level(self, seconds: int, scheduled_pct: int) -> int:
        """The highest level of the rules that hold at `seconds` since the start, -1 if none does. Takes no heap."""
        highest = -1
        for rule in range(len(self._until)):
            at = lamp_schedule.sensor_at(self._schedule, rule)
            self._look(rule, at, seconds)
            wanted = lamp_schedule.WHEN_ON if scheduled_pct else lamp_schedule.WHEN_OFF
            if seconds < self._until[rule] and self._schedule[at + 1] & wanted:
                highest = max(highest, self._schedule[at + 2])
        return highest

    def _look(self, rule: int, at: int, seconds: int) -> None:
        slot = self._schedule[at]
        node_slots = self._slots
        if slot >= node_slots.count or node_slots.qualities[slot] != quality.GOOD:
            self._holds[rule] = 0
            return
        limit = s32(self._schedule, at + (8 if self._holds[rule] else 4))
        value = node_slots.values[slot]
        is_beyond = value > limit if self._schedule[at + 1] & lamp_schedule.ABOVE else value < limit
        self._holds[rule] = 1 if is_beyond else 0
        if is_beyond:
            self._until[rule] = seconds + max(1, u16(self._schedule, at + 12))
