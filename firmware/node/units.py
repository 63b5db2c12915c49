"""Who is asked, and when next: one entry for each run of requests that share a device and a unit id.

Most devices are one unit; a product that answers under several unit ids is several, so that a dead one among them
does not silence the rest. A device of pins is a unit without requests. Times are ticks (milliseconds that wrap).
"""

import array

from micropython import const

from node import clock, ticks
from protocols import node_table

_LOST_AFTER_POLLS = const(2)
_FIRST_BACKOFF_S = const(5)
_LAST_BACKOFF_S = const(120)


class Units:
    """Arrays with one place for each unit. `lost` is 1 for a unit on the slow list, `backoff_s` how slow it is."""

    def __init__(self, table: bytes) -> None:
        starts = _starts(table)
        count = len(starts)
        self.count = count
        self.devices = bytearray(count)
        self.first_requests = bytearray(count)
        self.request_counts = bytearray(count)
        self.unit_ids = bytearray(count)
        self.periods_ms = array.array("I", [0] * count)
        self.lost = bytearray(count)
        self.failures = bytearray(count)
        self.backoffs_s = bytearray(count)
        self.due = array.array("i", [0] * count)
        self.hold = array.array("i", [0] * count)
        now = ticks.now()
        for unit, (device, request, requests) in enumerate(starts):
            self.devices[unit] = device
            self.first_requests[unit] = request
            self.request_counts[unit] = requests
            if requests:
                self.unit_ids[unit] = node_table.request_unit(table, request)
            self.periods_ms[unit] = node_table.device_period_ms(table, device)
            self.due[unit] = now
            self.hold[unit] = now

    def next_due(self) -> int:
        """The unit that has been due longest and is not held, or -1."""
        now = ticks.now()
        found = -1
        late = -1
        for unit in range(self.count):
            since = ticks.between(now, self.due[unit])
            if since > late and ticks.between(now, self.hold[unit]) >= 0:
                found = unit
                late = since
        return found

    def pause_ms(self, longest: int) -> int:
        """Milliseconds until the next unit is due, 1 to `longest`."""
        now = ticks.now()
        pause = longest
        for unit in range(self.count):
            wait = max(ticks.between(self.due[unit], now), ticks.between(self.hold[unit], now))
            if wait < pause:
                pause = wait
        return max(pause, 1)

    def hold_for(self, unit: int, wait_ms: int) -> None:
        """Ask the unit nothing for `wait_ms`."""
        self.hold[unit] = ticks.later(ticks.now(), wait_ms)

    def hold_unit_id(self, unit_id: int, wait_ms: int) -> None:
        """The same for whoever answers under `unit_id`."""
        for unit in range(self.count):
            if self.unit_ids[unit] == unit_id:
                self.hold_for(unit, wait_ms)

    def wake_unit_id(self, unit_id: int) -> None:
        """Somebody else has had an answer from `unit_id`: if it is on the slow list, poll it at once."""
        for unit in range(self.count):
            if self.unit_ids[unit] == unit_id and self.lost[unit]:
                self.hold_for(unit, 0)

    def held_ms(self, unit_id: int) -> int:
        """Milliseconds for which `unit_id` is still not to be asked, 0 if it may be; no more than a late answer takes,
        for a unit on the slow list may be asked by others."""  # fmt: skip
        now = ticks.now()
        held = 0
        for unit in range(self.count):
            if self.unit_ids[unit] == unit_id and not self.lost[unit]:
                held = max(held, ticks.between(self.hold[unit], now))
        return held

    def advance(self, unit: int) -> None:
        """Plan the next poll: the next multiple of the period that is still to come; missed ones are left out."""
        now = ticks.now()
        period = self.periods_ms[unit]
        behind = ticks.between(now, self.due[unit])
        if behind >= 0:
            self.due[unit] = ticks.later(self.due[unit], (behind // period + 1) * period)

    def align(self, node_clock: clock.Clock) -> None:
        """Move every poll to the nearest multiple of its period in Unix time; call when the clock has been set."""
        for unit in range(self.count):
            period = self.periods_ms[unit]
            into = node_clock.ms_into(period)
            now = ticks.now()
            beside = (into + ticks.between(self.due[unit], now)) % period
            shift = -beside if 2 * beside <= period else period - beside
            due = ticks.later(self.due[unit], shift)
            if ticks.between(now, due) > period // 4:
                due = ticks.later(due, period)
            self.due[unit] = due

    def note_answer(self, unit: int) -> bool:
        """The unit has answered: it leaves the slow list. True if it was on it."""
        was_lost = self.lost[unit] == 1
        self.lost[unit] = 0
        self.failures[unit] = 0
        return was_lost

    def note_silence(self, unit: int) -> bool:
        """A poll got no answer at all. True if this puts the unit on the slow list; on it, each poll waits longer."""
        if self.lost[unit]:
            self.backoffs_s[unit] = min(2 * self.backoffs_s[unit], _LAST_BACKOFF_S)
            self.hold_for(unit, self.backoffs_s[unit] * 1000)
            return False
        self.failures[unit] += 1
        if self.failures[unit] < _LOST_AFTER_POLLS:
            return False
        self.lost[unit] = 1
        self.backoffs_s[unit] = _FIRST_BACKOFF_S
        self.hold_for(unit, _FIRST_BACKOFF_S * 1000)
        return True

    def lost_count(self) -> int:
        """Units on the slow list."""
        return sum(self.lost)


def _starts(table: bytes) -> "list[tuple[int, int, int]]":
    """(device, first request, number of requests) of every unit, in the table's order."""
    starts = []
    for device in range(node_table.device_count(table)):
        first = node_table.device_first_request(table, device)
        end = first + node_table.device_request_count(table, device)
        if first == end:
            starts.append((device, first, 0))
        while first < end:
            unit = node_table.request_unit(table, first)
            last = first
            while last < end and node_table.request_unit(table, last) == unit:
                last += 1
            starts.append((device, first, last - first))
            first = last
    return starts
