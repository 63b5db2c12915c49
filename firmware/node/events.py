"""What happened, in a ring, named by (node epoch, sequence), until the gateway acknowledges it.

Events of earlier starts that were not acknowledged come back from the flash under their old names, before those of this
start. The gateway sees a window: the oldest events, all of one epoch, and only what is on the flash already (`settle`).

The ring is full: the oldest event goes, `overflow` counts it, and as soon as there is room again an event EVENTS_LOST
says so.
"""

import array
import asyncio

from micropython import const

from node import clock, log
from protocols import event_codes, log_codes

CAPACITY = const(64)

TIME_OF_THIS_START = const(0)
TIME_UNIX = const(1)
TIME_OF_ITS_START = const(2)


class Events:
    """Sequences begin at 1 in each epoch. `at` below is the place of a kept event, 0 for the oldest.

    `changed` is set whenever the flash no longer has what is here; `changes` counts how often that was.
    """

    def __init__(self, epoch: int, node_clock: clock.Clock, is_kept: bool = False) -> None:
        """`is_kept`: somebody writes the events to the flash and calls `settle`; otherwise all are told at once."""
        self.epoch = epoch
        self.overflow = 0
        self.untold = 0
        self.newest = 0
        self.count = 0
        self.settled = 0
        self.changes = 0
        self.changed = asyncio.Event()
        self._is_kept = is_kept
        self._first = 0
        self._acknowledged_epoch = epoch
        self._acknowledged = 0
        self._clock = node_clock
        self._codes = array.array("H", [0] * CAPACITY)
        self._slots = array.array("H", [0] * CAPACITY)
        self._values = array.array("i", [0] * CAPACITY)
        self._seconds = array.array("I", [0] * CAPACITY)
        self._millis = array.array("H", [0] * CAPACITY)
        self._sequences = array.array("I", [0] * CAPACITY)
        self._epochs_ago = array.array("H", [0] * CAPACITY)
        self._times = bytearray(CAPACITY)

    def add(self, code: int, slot: int = event_codes.NO_SLOT, value: int = 0) -> None:
        """Remember an event of this moment; `code` as in protocols/event_codes.py, `value` 32 bits signed."""
        self.newest += 1
        self._clock.update()
        self.put(0, self.newest, code, slot, value, self._clock.seconds, self._clock.millis, TIME_OF_THIS_START)
        if not self._is_kept:
            self.settled = self.count
        self._note_change()

    def put(
        self, epochs_ago: int, sequence: int, code: int, slot: int, value: int, seconds: int, millis: int, time: int
    ) -> None:
        """Append an event as it is; when the ring is full the oldest goes."""
        if self.count == CAPACITY:
            self._drop()
            self.overflow += 1
            self.untold += 1
        index = self._index(self.count)
        self.count += 1
        self._codes[index] = code
        self._slots[index] = slot
        self._values[index] = value
        self._seconds[index] = seconds
        self._millis[index] = millis
        self._sequences[index] = sequence
        self._epochs_ago[index] = epochs_ago
        self._times[index] = time

    def settle(self, count: int) -> None:
        """The oldest `count` events are on the flash: they may be told."""
        self.settled = max(self.settled, count)

    def window(self) -> int:
        """How many of the oldest events may be told: on the flash, and of the same epoch as the oldest."""
        told = 0
        while told < self.settled and self.epochs_ago(told) == self.epochs_ago(0):
            told += 1
        return told

    def acknowledge(self, epoch: int, sequence: int) -> bool:
        """Let go of all events of `epoch` up to `sequence`; False if they are not ones that were told."""
        if epoch == self._acknowledged_epoch and sequence <= self._acknowledged:
            return True
        told = self.window()
        if not told or epoch != self.epoch - self.epochs_ago(0) or sequence > self.sequence(told - 1):
            return False
        self._acknowledged_epoch = epoch
        self._acknowledged = sequence
        while told and self.sequence(0) <= sequence:
            self._drop()
            told -= 1
        if self.untold and self.count < CAPACITY:
            self.untold = 0
            log.note(log_codes.EVENTS_LOST, self.overflow)
            self.add(event_codes.EVENTS_LOST, event_codes.NO_SLOT, self.overflow)
        self._note_change()
        return True

    def epochs_ago(self, at: int) -> int:
        """How many starts before this one the event happened."""
        return self._epochs_ago[self._index(at)]

    def sequence(self, at: int) -> int:
        """Its sequence within its epoch."""
        return self._sequences[self._index(at)]

    def code(self, at: int) -> int:
        """Its code."""
        return self._codes[self._index(at)]

    def slot(self, at: int) -> int:
        """Its slot, or NO_SLOT."""
        return self._slots[self._index(at)]

    def value(self, at: int) -> int:
        """Its value."""
        return self._values[self._index(at)]

    def time_is_unix(self, at: int) -> bool:
        """Whether the time of the event is known; else it is counted from the start of its epoch."""
        time = self._times[self._index(at)]
        return time == TIME_UNIX or (time == TIME_OF_THIS_START and self._clock.is_set)

    def unix_s(self, at: int) -> int:
        """When, by the clock as it is set now: an event from before the first setting gets its time too."""
        index = self._index(at)
        if self._times[index] != TIME_OF_THIS_START:
            return self._seconds[index]
        return self._clock.unix_s(self._seconds[index], self._millis[index])

    def unix_ms(self, at: int) -> int:
        """The milliseconds within the second of `unix_s`."""
        index = self._index(at)
        if self._times[index] != TIME_OF_THIS_START or not self._clock.is_set:
            return self._millis[index]
        return self._clock.unix_ms(self._millis[index])

    def _index(self, at: int) -> int:
        return (self._first + at) % CAPACITY

    def _drop(self) -> None:
        self._first = (self._first + 1) % CAPACITY
        self.count -= 1
        self.settled = max(self.settled - 1, 0)

    def _note_change(self) -> None:
        self.changes += 1
        self.changed.set()
