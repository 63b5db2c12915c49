"""The middle one of the last three good samples of a point: an ultrasonic sensor hears a wave or a ladder now and then.

Loaded only where the frame of a serial sensor asks for it. After a sample that is not good, and after a failed poll,
it begins anew, and the first two samples are told as they are: no old figure outlives a gap.
"""

import array

from protocols import quality

_BEFORE = 2


class Median:
    """Of `count` slots. Allocates nothing once it is made."""

    def __init__(self, count: int) -> None:
        self._older = array.array("i", [0] * count)
        self._newer = array.array("i", [0] * count)
        self._have = bytearray(count)

    def take(self, slot: int, values: "array.array[int]", qualities: bytearray) -> None:
        """Replace the newest sample of a slot, in `values` and `qualities`, by the middle one of the last three."""
        if qualities[slot] != quality.GOOD:
            self._have[slot] = 0
            return
        low, high, value = self._older[slot], self._newer[slot], values[slot]
        self._older[slot], self._newer[slot] = high, value
        if self._have[slot] < _BEFORE:
            self._have[slot] += 1
            return
        if low > high:
            low, high = high, low
        values[slot] = low if value < low else min(value, high)

    def forget(self) -> None:
        """The sensor did not answer: begin anew with all slots."""
        for slot in range(len(self._have)):
            self._have[slot] = 0
