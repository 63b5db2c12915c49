"""Where the gateway's time comes from.

Nothing in the agent asks the system for the time: it is handed a `Clock`, and it waits with `asyncio`. The rig gives
its own clock together with an event loop whose time jumps when nothing is left to do, so a day of a pole runs in
seconds.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in whole milliseconds; one object for a whole agent."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z; may step when the system's clock is set."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an unnamed beginning; never goes back, for measuring how long something took."""
        ...


class SystemClock:
    """The clock of the machine that the agent runs on."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z by the system's clock."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds by the system's monotonic clock."""
        return time.monotonic_ns() // 1_000_000
