"""The latest sample of every point: value, quality, when, and a counter, in arrays that never grow.

A finished answer makes a sample: it changes value, quality, time and counter. A failed poll changes the quality
alone, so the age goes on and the counter tells that nothing new was measured.
"""

import array

from micropython import const

from node import clock
from protocols import quality

AGE_OLD = const(0xFFFE)
AGE_NEVER = const(0xFFFF)
_NO_SAMPLE = const(0xFF)


class Slots:
    """`count` slots, all of quality NEVER at first; times are those of the node's clock.

    A poll decodes into the `staged` arrays; `commit` makes samples of them.
    """

    def __init__(self, count: int, node_clock: clock.Clock) -> None:
        self.count = count
        self.values = array.array("i", [0] * count)
        self.qualities = bytearray([quality.NEVER] * count)
        self.counters = bytearray(count)
        self.staged_values = array.array("i", [0] * count)
        self.staged_qualities = bytearray(count)
        self._seconds = array.array("I", [0] * count)
        self._hundredths = bytearray([_NO_SAMPLE] * count)
        self._clock = node_clock

    def commit(self, first: int, count: int) -> None:
        """Make samples, taken at the clock's present time, of `count` staged slots from `first` on."""
        for slot in range(first, first + count):
            self.values[slot] = self.staged_values[slot]
            self.qualities[slot] = self.staged_qualities[slot]
            self.counters[slot] = (self.counters[slot] + 1) & 0xFF
            self._seconds[slot] = self._clock.seconds
            self._hundredths[slot] = self._clock.millis // 10

    def sample(self, slot: int, value: int) -> None:
        """Make a good sample of `value`, taken now."""
        self._clock.update()
        self.staged_values[slot] = value
        self.staged_qualities[slot] = quality.GOOD
        self.commit(slot, 1)

    def fail(self, first: int, count: int, quality_now: int) -> None:
        """Note that there is no sample; the value becomes 0, never the last good one."""
        for slot in range(first, first + count):
            self.values[slot] = 0
            self.qualities[slot] = quality_now

    def age(self, slot: int) -> int:
        """Age of the last sample in 10 ms, counted to the clock's present time, rounded down."""
        hundredths = self._hundredths[slot]
        if hundredths == _NO_SAMPLE:
            return AGE_NEVER
        seconds = self._clock.seconds - self._seconds[slot]
        if seconds > 655:
            return AGE_OLD
        age = seconds * 100 + self._clock.millis // 10 - hundredths
        return min(max(age, 0), AGE_OLD)
