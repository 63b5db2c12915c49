"""The newest value of every point, for the view and the status."""

from collections.abc import Iterable
from dataclasses import replace

from gateway_agent.records import PointState
from protocols import quality


class LatestValues:
    """Point states by full name, in the order in which the points were announced."""

    def __init__(self) -> None:
        self._states: dict[str, PointState] = {}

    def announce(self, point: str, exponent: int, unit: str) -> None:
        """Make a point known before it is read for the first time."""
        self._states[point] = PointState(point, None, exponent, unit, quality.NEVER, 0)

    def good(self, point: str, value: int, monotonic_ms: int) -> None:
        """Note a good value and when it was measured, by the monotonic clock."""
        state = self._states[point]
        self._states[point] = replace(state, value=value, quality=quality.GOOD, monotonic_ms=monotonic_ms)

    def bad(self, points: Iterable[str], number: int) -> None:
        """Note that these points have no value now, by a number of `protocols.quality`; the old value stays visible."""
        for point in points:
            self._states[point] = replace(self._states[point], quality=number)

    def states(self) -> list[PointState]:
        """All point states."""
        return list(self._states.values())

    def __contains__(self, point: str) -> bool:
        """Whether the point was announced."""
        return point in self._states
