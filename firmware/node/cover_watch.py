"""The task that reads the accelerometer of a cover and looks after the manhole; loaded only where there is one.

What was learned, and which alarms are latched and stand, is on the flash ("cover" and "manhole", node/two_copies.py),
written when it changes. The alarms are written after their events: a power cut between the two has the event told
twice, the other way round it would be lost, for an alarm that stands is not told again. If the flash cannot be written
the node goes on with what it knows, and an event says so.
"""

import asyncio

from micropython import const

from node import clock, cover_angle, events, lis3dh, manhole, slots, supervisor, ticks, two_copies
from protocols import event_codes, node_table
from protocols import node_table_layout as layout
from protocols.node_table_layout import point_at, u16

_PER_BLOCK = const(4)
_DEFAULT_FILTER_MS = const(2000)
_TICK_MS = const(1000)
_COVER_FILE = "cover"
_MANHOLE_FILE = "manhole"
_UNKNOWN_ERROR = const(-1)


class CoverWatch:
    """`angle` is the cover's (None without an accelerometer), `manhole` the manhole (None where the table has none)."""

    def __init__(
        self, table: bytes, node_slots: slots.Slots, node_events: events.Events, node_clock: clock.Clock
    ) -> None:
        self.angle = None
        self.manhole = None
        self._events = node_events
        self._clock = node_clock
        self._sensor = None
        self._step_ms = _TICK_MS
        self._was_learned = False
        slot = _tilt_slot(table)
        block = u16(table, layout.MANHOLE_AT)
        if slot >= 0:
            at = point_at(table, slot)
            filter_ms = u16(table, block + layout.MANHOLE_FILTER_MS) if block else _DEFAULT_FILTER_MS
            self._step_ms = filter_ms // _PER_BLOCK
            self._sensor = lis3dh.Lis3dh(table[at + 12], table[at + 13], table[at + 19])
            self.angle = cover_angle.CoverAngle(_PER_BLOCK, two_copies.read(_COVER_FILE))
            self._was_learned = self.angle.is_learned
        if block:
            kept = two_copies.read(_MANHOLE_FILE)
            self.manhole = manhole.Manhole(table, node_slots, node_events, self.angle, kept)
        self._kept = 0

    def has_sensor(self) -> bool:
        """Whether the accelerometer answers now, with figures."""
        return self._sensor is not None and self._sensor.read()

    async def run(self, seat: supervisor.Seat) -> None:
        """Watch for ever."""
        due = ticks.now()
        while True:
            seat.check_in()
            self._read()
            if ticks.between(ticks.now(), due) >= 0:
                due = ticks.later(ticks.now(), _TICK_MS)
                self._tick()
            await asyncio.sleep_ms(self._step_ms)

    def _read(self) -> None:
        angle = self.angle
        sensor = self._sensor
        if angle is None or sensor is None:
            return
        if not sensor.read():
            angle.lose()
        elif angle.add(sensor.x, sensor.y, sensor.z) and angle.is_learned != self._was_learned:
            self._was_learned = angle.is_learned
            if angle.is_learned:
                self._write(_COVER_FILE, angle.background())

    def _tick(self) -> None:
        watched = self.manhole
        if watched is None:
            return
        self._clock.update()
        watched.tick(self._clock.seconds)
        if watched.changes != self._kept and self._events.settled == self._events.count:
            self._kept = watched.changes
            self._write(_MANHOLE_FILE, watched.keep())

    def _write(self, name: str, body: bytes) -> None:
        try:
            two_copies.write(name, body)
        except OSError as error:
            self._events.add(event_codes.FLASH_FAILED, event_codes.NO_SLOT, error.errno or _UNKNOWN_ERROR)


def _tilt_slot(table: bytes) -> int:
    """The first slot of a tilt, -1 if there is none."""
    for slot in range(node_table.slot_count(table)):
        if node_table.slot_type(table, slot) == layout.TILT:
            return slot
    return -1
