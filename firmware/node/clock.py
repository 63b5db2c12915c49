"""Time on the node: seconds since the start that never go back, and the wall time that the gateway sets.

MicroPython's own epoch is 2000-01-01 on the ESP32 and its clock is never set here, so `time.time()` is not used.
Ticks wrap after 12 days; this clock does not, as long as `update` is called at least once in six days.
"""

from node import ticks


class Clock:
    """`seconds` and `millis` since the start; wall time is that plus an offset, once it has been set."""

    def __init__(self) -> None:
        self.seconds = 0
        self.millis = 0
        self.is_set = False
        self.settings = 0
        self._last = ticks.now()
        self._start_unix_s = 0
        self._start_unix_ms = 0

    def update(self) -> None:
        """Bring `seconds` and `millis` up to now. Allocates nothing."""
        now = ticks.now()
        millis = self.millis + ticks.between(now, self._last)
        self._last = now
        if millis >= 1000:
            self.seconds += millis // 1000
            millis %= 1000
        self.millis = millis

    def set(self, unix_s: int, unix_ms: int) -> None:
        """Take `unix_s` seconds and `unix_ms` milliseconds since 1970-01-01 UTC as the time of this moment."""
        self.update()
        offset_s = unix_s - self.seconds
        offset_ms = unix_ms - self.millis
        if offset_ms < 0:
            offset_s -= 1
            offset_ms += 1000
        self._start_unix_s = offset_s
        self._start_unix_ms = offset_ms
        self.is_set = True
        self.settings += 1

    def unix_s(self, seconds: int, millis: int) -> int:
        """Unix seconds of the moment `seconds`, `millis` after the start; seconds after the start if never set."""
        if not self.is_set:
            return seconds
        return self._start_unix_s + seconds + (1 if self._start_unix_ms + millis >= 1000 else 0)

    def unix_ms(self, millis: int) -> int:
        """The milliseconds within the second of `unix_s`."""
        return (self._start_unix_ms + millis) % 1000

    def ms_into(self, period_ms: int) -> int:
        """How many milliseconds have passed since the last multiple of `period_ms` in Unix time."""
        self.update()
        whole = self.unix_s(self.seconds, self.millis) % period_ms
        return (whole * 1000 + self.unix_ms(self.millis)) % period_ms
