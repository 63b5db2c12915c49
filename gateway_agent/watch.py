"""Watching: the rules of `[[alarms]]` turn samples into alarms, with a way back and a time to hold.

An alarm is raised when the value has been beyond its limit for `hold_ms` of the samples' own time, and cleared when it
has been beyond the clearing limit for as long. Between the limits nothing changes. A missing reading is no evidence: it
neither raises nor clears, and a gap does not restart the time to hold.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway_agent.records import Event, Reading


@dataclass(frozen=True, slots=True)
class Limit:
    """One rule on one point, in counts of the point's exponent.

    `code` is `above` or `below`. The alarm is raised strictly beyond `raise_at` and cleared strictly beyond `clear_at`,
    on the other side.
    """

    point: str
    code: str
    raise_at: int
    clear_at: int
    hold_ms: int = 0

    def is_beyond(self, value: int) -> bool:
        """Whether the value calls for the alarm."""
        return value > self.raise_at if self.code == "above" else value < self.raise_at

    def is_clear(self, value: int) -> bool:
        """Whether the value calls the alarm off."""
        return value < self.clear_at if self.code == "above" else value > self.clear_at


class Watch:
    """All rules of a pole. `raised` are the (point, code) of alarms that an earlier run has left standing."""

    def __init__(self, limits: Iterable[Limit], raised: Iterable[tuple[str, str]] = ()) -> None:
        standing = set(raised)
        self._by_point: dict[str, list[_Watched]] = {}
        for limit in limits:
            watched = _Watched(limit, (limit.point, limit.code) in standing)
            self._by_point.setdefault(limit.point, []).append(watched)

    def look_at(self, samples: Iterable[Reading]) -> list[Event]:
        """The alarms that these samples raise or clear, in their order."""
        return [
            event
            for sample in samples
            for watched in self._by_point.get(sample.point, ())
            for event in watched.look_at(sample)
        ]

    def move(self, by_ms: int) -> None:
        """Times have moved by so many milliseconds; what has held for a while goes on holding."""
        for group in self._by_point.values():
            for watched in group:
                watched.move(by_ms)

    def standing(self) -> Mapping[tuple[str, str], bool]:
        """Every rule's (point, code) and whether its alarm stands."""
        return {
            (watched.limit.point, watched.limit.code): watched.is_raised
            for group in self._by_point.values()
            for watched in group
        }


class _Watched:
    def __init__(self, limit: Limit, is_raised: bool) -> None:
        self.limit = limit
        self.is_raised = is_raised
        self._since_ms: int | None = None

    def move(self, by_ms: int) -> None:
        if self._since_ms is not None:
            self._since_ms += by_ms

    def look_at(self, sample: Reading) -> list[Event]:
        limit = self.limit
        changes = limit.is_clear(sample.value) if self.is_raised else limit.is_beyond(sample.value)
        if not changes:
            self._since_ms = None
            return []
        if self._since_ms is None or sample.time_ms < self._since_ms:
            self._since_ms = sample.time_ms
        if sample.time_ms - self._since_ms < limit.hold_ms:
            return []
        self._since_ms = None
        self.is_raised = not self.is_raised
        return [Event(limit.point, "alarm", limit.code, sample.time_ms, state=self.is_raised, value=sample.value)]
