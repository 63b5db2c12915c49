"""Where the gateway's time comes from.

Nothing in the agent asks the system for the time: it is handed a `Clock`, and it waits with `asyncio`. The rig gives
its own clock together with an event loop whose time jumps when nothing is left to do, so a day of a pole runs in
seconds. The agent's parts share a `GatewayClock`, which is built on one of these.
"""

import time
from pathlib import Path
from typing import Protocol

from gateway_agent.kernel_clock import is_synchronised

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Clock(Protocol):
    """Tells the time in whole milliseconds; one object for a whole agent."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z; may step when the system's clock is set."""
        ...

    def monotonic_ms(self) -> int:
        """Milliseconds since an unnamed beginning; never goes back, for measuring how long something took."""
        ...

    def boot_id(self) -> str:
        """The name of the stretch of time over which `monotonic_ms` goes on: one start of the machine."""
        ...

    @property
    def is_trusted(self) -> bool:
        """Whether `unix_ms` is known to be right, and not just what the machine came up with."""
        ...


class SystemClock:
    """The clock of the machine that the agent runs on."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z by the system's clock."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds by the system's monotonic clock."""
        return time.monotonic_ns() // 1_000_000

    def boot_id(self) -> str:
        """The kernel's random id of this boot. Raises OSError where there is no /proc."""
        return _BOOT_ID.read_text(encoding="ascii").strip()

    @property
    def is_trusted(self) -> bool:
        """Whether the kernel says that something keeps its clock synchronised."""
        return is_synchronised()


def unix_at(clock: Clock, monotonic_ms: int) -> int:
    """The unix milliseconds of a moment of `monotonic_ms()`, by the clock as it is set now.

    What is measured is remembered by the monotonic clock and told in unix time only when it is handed on: a clock that
    was set between the two then does no harm. A millisecond may be told too late, never too early.
    """
    now_ms = clock.monotonic_ms()
    return clock.unix_ms() - (now_ms - monotonic_ms)
