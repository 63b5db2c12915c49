"""How fast the past is sent after an outage: so many bytes an hour, spent as they go over the air."""

from gateway_agent.clock import Clock

_SAVED_S = 60.0


class Allowance:
    """Bytes that may be spent; what is not used is saved for a minute, no longer. Without a rate all may go at once."""

    def __init__(self, bytes_per_hour: int, clock: Clock) -> None:
        self._bytes_per_s = bytes_per_hour / 3600
        self._clock = clock
        self._free_from_ms = clock.monotonic_ms()

    def wait_s(self) -> float:
        """Seconds until more may be sent; 0 or less when it may be sent now."""
        return 0.0 if not self._bytes_per_s else (self._free_from_ms - self._clock.monotonic_ms()) / 1000

    def spend(self, count: int) -> None:
        """Bytes that went over the air, both ways."""
        if self._bytes_per_s:
            begun_ms = max(self._free_from_ms, self._clock.monotonic_ms() - round(1000 * _SAVED_S))
            self._free_from_ms = begun_ms + round(1000 * count / self._bytes_per_s)
