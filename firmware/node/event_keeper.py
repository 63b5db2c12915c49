"""Keeps the events on the flash, in `events.a|b`, so that none is lost in a restart.

An event is written as soon as it happens, together with all others that are not acknowledged, and told only then: what
the gateway has seen once is safe. What has been acknowledged goes from the flash with the next write, a minute later at
the latest; an event that comes back after a power cut has its old name, by which the gateway knows it.

A contact that chatters must not wear the flash out: 60 writes in a row, then one a minute, some half a million a year,
each to another place. While the budget is used up, events are told before they are on the flash.

    version (u16), count (u16), events lost and not yet told (u32), then for each event: epoch (u32), sequence (u32),
    code (u16), slot (u16), value (s32), seconds (u32), milliseconds (u16), whether that is unix time (u16)
"""

import errno

from micropython import const

from node import clock, events, log, supervisor, two_copies
from protocols import log_codes

_FILE = "events"
_VERSION = const(1)
_HEAD_BYTES = const(8)
_EVENT_BYTES = const(24)
_WRITES_IN_A_ROW = const(60)
_REFILL_S = const(60)
_TIDY_S = const(60)


class EventKeeper:
    """Restores the events of earlier starts when it is made, and writes new ones in `run`."""

    def __init__(self, node_events: events.Events, node_clock: clock.Clock) -> None:
        self._events = node_events
        self._clock = node_clock
        self._record = bytearray(_EVENT_BYTES)
        self._budget = _WRITES_IN_A_ROW
        self._refilled_s = 0
        self._written = 0
        self._written_s = 0
        self._settings = 0
        restored = self._restore()
        if restored:
            log.note(log_codes.EVENTS_RESTORED, restored)

    async def run(self, seat: supervisor.Seat) -> None:
        """Write for ever; the supervisor wakes it once a second."""
        changed = self._events.changed
        while True:
            seat.check_in()
            await changed.wait()
            changed.clear()
            self._look()

    def wake(self) -> None:
        """Let the task look whether something is to be tidied up."""
        self._events.changed.set()

    def _look(self) -> None:
        kept = self._events
        now = self._clock
        now.update()
        while now.seconds - self._refilled_s >= _REFILL_S:
            self._refilled_s += _REFILL_S
            self._budget = min(self._budget + 1, _WRITES_IN_A_ROW)
        has_new = kept.settled < kept.count
        is_stale = kept.changes != self._written or (kept.count > 0 and now.settings != self._settings)
        is_due = has_new or (is_stale and now.seconds - self._written_s >= _TIDY_S)
        if is_due and self._budget > 0:
            self._budget -= 1
            self.write()
        elif has_new:
            kept.settle(kept.count)

    def write(self) -> None:
        """Write all events now. One that the flash does not take is told all the same."""
        kept = self._events
        self._written = kept.changes
        self._written_s = self._clock.seconds
        self._settings = self._clock.settings
        try:
            writing = two_copies.Writing(_FILE)
            head = bytearray(_HEAD_BYTES)
            _put(head, 0, _VERSION, 2)
            _put(head, 2, kept.count, 2)
            _put(head, 4, kept.untold, 4)
            writing.add(head)
            for at in range(kept.count):
                self._fill(at)
                writing.add(self._record)
            writing.finish()
        except OSError as error:
            self._written = -1
            log.note(log_codes.FLASH_FAILED, error.errno or errno.EIO)
        kept.settle(kept.count)

    def _fill(self, at: int) -> None:
        kept = self._events
        record = self._record
        _put(record, 0, kept.epoch - kept.epochs_ago(at), 4)
        _put(record, 4, kept.sequence(at), 4)
        _put(record, 8, kept.code(at), 2)
        _put(record, 10, kept.slot(at), 2)
        _put(record, 12, kept.value(at), 4)
        _put(record, 16, kept.unix_s(at), 4)
        _put(record, 20, kept.unix_ms(at), 2)
        _put(record, 22, 1 if kept.time_is_unix(at) else 0, 2)

    def _restore(self) -> int:
        """Put the events of earlier starts into the ring, which is empty; returns how many."""
        body = two_copies.read(_FILE)
        kept = self._events
        if body is None or len(body) < _HEAD_BYTES or _take(body, 0, 2) != _VERSION:
            return 0
        kept.overflow = kept.untold = _take(body, 4, 4)
        for at in range(_HEAD_BYTES, len(body) - _EVENT_BYTES + 1, _EVENT_BYTES):
            ago = kept.epoch - _take(body, at, 4)
            if 0 < ago <= 0xFFFF:
                value = _take(body, at + 12, 4)
                kept.put(
                    ago,
                    _take(body, at + 4, 4),
                    _take(body, at + 8, 2),
                    _take(body, at + 10, 2),
                    value - (1 << 32) if value >> 31 else value,
                    _take(body, at + 16, 4),
                    _take(body, at + 20, 2),
                    events.TIME_UNIX if body[at + 23] else events.TIME_OF_ITS_START,
                )
        kept.settle(kept.count)
        return kept.count


def last_epoch() -> int:
    """The epoch of the newest event on the flash, 0 if there is none: no later start may have it again."""
    body = two_copies.read(_FILE)
    if body is None or len(body) < _HEAD_BYTES + _EVENT_BYTES:
        return 0
    return _take(body, len(body) - _EVENT_BYTES, 4)


def _put(buffer: bytearray, at: int, value: int, size: int) -> None:
    for index in range(size):
        buffer[at + index] = value >> 8 * (size - 1 - index) & 0xFF


def _take(buffer: bytes, at: int, size: int) -> int:
    value = 0
    for index in range(at, at + size):
        value = value << 8 | buffer[index]
    return value
