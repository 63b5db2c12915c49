"""Who answers and who does not: a device that stays silent goes on a slow list, so that it does not slow the others."""

from enum import Enum

LOST_AFTER = 3
_LONGEST_PAUSE_MS = 60_000


class Change(Enum):
    """What a poll has changed."""

    NONE = 0
    LOST = 1
    BACK = 2


class Attendance:
    """One device's presence. It is lost after `LOST_AFTER` failed polls in a row.

    A lost device is polled with pauses that double up to a minute (or its own period, if that is longer).
    """

    def __init__(self, period_ms: int) -> None:
        self.is_lost = False
        self._period_ms = period_ms
        self._failed = 0
        self._pause_ms = period_ms
        self._not_before_ms = 0

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last poll failed."""
        return self._failed > 0

    def wants(self, slot_ms: int) -> bool:
        """Whether the poll of this slot is to be made."""
        return not self.is_lost or slot_ms >= self._not_before_ms or slot_ms < self._not_before_ms - self._pause_ms

    def answered(self) -> Change:
        """Note a poll with an answer."""
        self._failed = 0
        self._pause_ms = self._period_ms
        if self.is_lost:
            self.is_lost = False
            return Change.BACK
        return Change.NONE

    def failed(self, slot_ms: int) -> Change:
        """Note a poll without any answer."""
        self._failed += 1
        if self.is_lost:
            self._pause_ms = min(2 * self._pause_ms, max(_LONGEST_PAUSE_MS, self._period_ms))
        self._not_before_ms = slot_ms + self._pause_ms
        if not self.is_lost and self._failed >= LOST_AFTER:
            self.is_lost = True
            return Change.LOST
        return Change.NONE
