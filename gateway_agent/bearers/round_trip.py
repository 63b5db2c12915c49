"""How long to wait for an answer over one link before a message is repeated, measured from what was answered.

The estimate is that of RFC 6298, section 2: a smoothed round trip and its mean deviation, SRTT + 4 RTTVAR. Karn's rule
(section 3): an exchange of which anything was repeated tells nothing of the round trip, for nobody knows which of its
datagrams was answered; the wait that it came to by doubling is kept for the exchanges that follow until one is answered
without a repetition (section 5.5 to 5.7). Where a link loses one answer in five, that alone would let the wait grow
without need; so of what was doubled no more than one step is kept.

A pole has few exchanges an hour. What was measured is kept over restarts, and is forgotten after a week.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ALPHA, _BETA, _K = 1 / 8, 1 / 4, 4
"""RFC 6298, 2.3: weights of a new measure in the mean and in the deviation; how many deviations the wait has."""
_FORGOTTEN_MS = 7 * 86_400_000
_KEPT_BACKOFF = 2.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a kind of link allows: the wait until something was measured, and between what it stays. Seconds."""

    first_s: float
    least_s: float
    most_s: float


class RoundTrips:
    """The estimate of one link. Round trips and waits in seconds, times in unix milliseconds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.measured = 0
        self.repeated = 0
        self._smoothed_s: float | None = None
        self._deviation_s = 0.0
        self._backoff = 1.0
        self._last_ms = 0

    @property
    def smoothed_s(self) -> float | None:
        """The mean round trip, None until one was measured."""
        return self._smoothed_s

    @property
    def wait_s(self) -> float:
        """How long to wait before the first repetition."""
        bounds = self.bounds
        if self._smoothed_s is None:
            known_s = bounds.first_s
        else:
            known_s = max(bounds.least_s, self._smoothed_s + _K * self._deviation_s)
        return min(bounds.most_s, known_s * self._backoff)

    def answered(self, round_trip_s: float, transmissions: int, now_ms: int) -> None:
        """Take an exchange that was answered: the time from its first datagram to the answer, and how often it was
        sent."""
        if transmissions > 1:
            self.unanswered()
            return
        self.measured += 1
        self._backoff = 1.0
        self._last_ms = now_ms
        if self._smoothed_s is None:
            self._smoothed_s, self._deviation_s = round_trip_s, round_trip_s / 2
            return
        self._deviation_s += _BETA * (abs(self._smoothed_s - round_trip_s) - self._deviation_s)
        self._smoothed_s += _ALPHA * (round_trip_s - self._smoothed_s)

    def unanswered(self) -> None:
        """Take an exchange that had to be repeated, or was never answered."""
        self.repeated += 1
        self._backoff = _KEPT_BACKOFF

    def kept(self) -> Mapping[str, Any]:
        """What `recall` takes after a restart; for JSON."""
        return {"smoothed_s": self._smoothed_s, "deviation_s": self._deviation_s, "last_ms": self._last_ms}

    def recall(self, kept: Mapping[str, Any], now_ms: int) -> None:
        """Go on from what was kept, unless it is too old. Raises KeyError, TypeError, ValueError."""
        smoothed_s, deviation_s, last_ms = kept["smoothed_s"], float(kept["deviation_s"]), int(kept["last_ms"])
        if smoothed_s is None or not 0 <= now_ms - last_ms <= _FORGOTTEN_MS:
            return
        smoothed_s = float(smoothed_s)
        if not (0 <= smoothed_s <= self.bounds.most_s and 0 <= deviation_s <= self.bounds.most_s):
            raise ValueError("a round trip beyond what this link allows")
        self._smoothed_s, self._deviation_s, self._last_ms = smoothed_s, deviation_s, last_ms
