"""Values that have stayed the same for longer than the profile believes: a sensor that talks but no longer measures.

A sensor that was away for a quarter of that time begins anew: nobody knows what it showed meanwhile. Loaded only where
a point of the node table says how long it may stay unchanged.
"""

import array

from micropython import const

from node import clock, slots
from protocols import node_table, quality

_MINUTE_S = const(60)
_QUARTER_MINUTE_S = const(15)


class Stuck:
    """Watches the samples of all slots that have a limit. Allocates nothing once it is made."""

    def __init__(self, table: bytes, node_slots: slots.Slots, node_clock: clock.Clock) -> None:
        count = node_slots.count
        self._slots = node_slots
        self._clock = node_clock
        self._limits = array.array("H", [node_table.slot_stuck_min(table, slot) for slot in range(count)])
        self._values = array.array("i", [0] * count)
        self._since = array.array("I", [0] * count)
        self._seen = array.array("I", [0] * count)

    def judge(self, first: int, count: int) -> None:
        """Look at `count` staged samples from `first` on; a good one that has not moved for too long becomes STUCK."""
        staged = self._slots
        for slot in range(first, first + count):
            if not self._limits[slot] or staged.staged_qualities[slot] != quality.GOOD:
                continue
            value = staged.staged_values[slot]
            now_s = self._clock.seconds
            away_s = now_s - self._seen[slot]
            self._seen[slot] = now_s
            if self._values[slot] != value or away_s > self._limits[slot] * _QUARTER_MINUTE_S:
                self._values[slot] = value
                self._since[slot] = now_s
            elif now_s - self._since[slot] >= self._limits[slot] * _MINUTE_S:
                staged.staged_values[slot] = 0
                staged.staged_qualities[slot] = quality.STUCK
