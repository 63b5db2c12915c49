"""What happened, in a ring, numbered by (node epoch, sequence), until the gateway acknowledges it.

The ring is full: the oldest event goes, `overflow` counts it, and as soon as there is room again an event
EVENTS_LOST says so.
"""

import array

from micropython import const

from node import clock
from protocols import event_codes

CAPACITY = const(64)


class Events:
    """Sequences begin at 1 in each epoch. `oldest` and `newest` are 0 while there is none."""

    def __init__(self, epoch: int, node_clock: clock.Clock) -> None:
        self.epoch = epoch
        self.overflow = 0
        self.newest = 0
        self._acknowledged = 0
        self._told = 0
        self._clock = node_clock
        self._codes = array.array("H", [0] * CAPACITY)
        self._slots = array.array("H", [0] * CAPACITY)
        self._values = array.array("i", [0] * CAPACITY)
        self._seconds = array.array("I", [0] * CAPACITY)
        self._millis = array.array("H", [0] * CAPACITY)

    @property
    def count(self) -> int:
        """Events that are kept."""
        return self.newest - self._acknowledged

    @property
    def oldest(self) -> int:
        """Sequence of the oldest event that is kept, 0 if none."""
        return self._acknowledged + 1 if self.newest > self._acknowledged else 0

    def add(self, code: int, slot: int = event_codes.NO_SLOT, value: int = 0) -> None:
        """Remember an event of this moment; `code` as in protocols/event_codes.py, `value` 32 bits signed."""
        if self.count >= CAPACITY:
            self._acknowledged += 1
            self.overflow += 1
        self.newest += 1
        at = self.newest % CAPACITY
        self._clock.update()
        self._codes[at] = code
        self._slots[at] = slot
        self._values[at] = value
        self._seconds[at] = self._clock.seconds
        self._millis[at] = self._clock.millis

    def acknowledge(self, epoch: int, sequence: int) -> bool:
        """Let go of all events up to `sequence`; False if the epoch or the sequence is not one of ours."""
        if epoch != self.epoch or sequence > self.newest:
            return False
        if sequence > self._acknowledged:
            self._acknowledged = sequence
        if self.overflow > self._told and self.count < CAPACITY:
            self._told = self.overflow
            self.add(event_codes.EVENTS_LOST, event_codes.NO_SLOT, self.overflow)
        return True

    def code(self, sequence: int) -> int:
        """Code of a kept event."""
        return self._codes[sequence % CAPACITY]

    def slot(self, sequence: int) -> int:
        """Slot of a kept event, or NO_SLOT."""
        return self._slots[sequence % CAPACITY]

    def value(self, sequence: int) -> int:
        """Value of a kept event."""
        return self._values[sequence % CAPACITY]

    def unix_s(self, sequence: int) -> int:
        """When it happened, by the clock as it is set now: an event from before the first setting gets its time too."""
        at = sequence % CAPACITY
        return self._clock.unix_s(self._seconds[at], self._millis[at])

    def unix_ms(self, sequence: int) -> int:
        """The milliseconds within the second of `unix_s`."""
        return self._clock.unix_ms(self._millis[sequence % CAPACITY])
