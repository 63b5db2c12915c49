"""What the platform's answers tell of the time: a range in which the offset of its clock over ours must lie.

The platform writes its time into an answer at some moment between our request and the answer's arrival, so one answer
tells the offset to half its round trip. Ranges of several answers are cut with each other, so the shortest round trips
decide; a range grows with its age by what a crystal may drift. A range that contradicts the one before replaces it: the
platform's clock was set.
"""

MAX_ROUND_TRIP_MS = 10_000
"""An answer that took longer tells too little of the time to be believed."""
EARLIEST_MS = 1_704_067_200_000
"""2024-01-01: no gateway of ours is older, so an earlier time is nobody's right one."""
LATEST_MS = 4_102_444_800_000
"""2100-01-01: neither is a later one."""
_MS_FOR_1_MS_OF_DRIFT = 10_000
"""100 parts in a million: twice what crystals of such boards are sold for, over their temperatures."""


class PlatformTime:
    """Offsets are unix milliseconds of the platform less our monotonic milliseconds."""

    def __init__(self) -> None:
        self._range: tuple[int, int] | None = None
        self._range_at_ms = 0

    def hear(self, platform_ms: int, round_trip_ms: int, now_ms: int) -> bool:
        """Take the time of an answer that has just come, at `now_ms` of the monotonic clock; False: not believed."""
        if not 0 <= round_trip_ms <= MAX_ROUND_TRIP_MS or not EARLIEST_MS <= platform_ms < LATEST_MS:
            return False
        low, high = platform_ms - now_ms - 1, platform_ms - now_ms + round_trip_ms + 1
        known = self._range_now(now_ms)
        if known is not None and known[0] <= high and low <= known[1]:
            low, high = max(low, known[0]), min(high, known[1])
        self._range, self._range_at_ms = (low, high), now_ms
        return True

    def offset_ms(self, now_ms: int, present_ms: int | None) -> int | None:
        """The offset to go by: `present_ms` where that may be right, else the middle of the range; None if unknown."""
        known = self._range_now(now_ms)
        if known is None:
            return None
        if present_ms is not None and known[0] <= present_ms <= known[1]:
            return present_ms
        return (known[0] + known[1]) // 2

    def _range_now(self, now_ms: int) -> tuple[int, int] | None:
        if self._range is None:
            return None
        drift_ms = (now_ms - self._range_at_ms) // _MS_FOR_1_MS_OF_DRIFT
        return self._range[0] - drift_ms, self._range[1] + drift_ms
