"""Milliseconds that wrap after some days, as plain integers that may stand in an array.

Only differences of less than six days mean something (MicroPython, `time.ticks_diff`).
"""

import time


def now() -> int:
    """This moment."""
    return time.ticks_ms()  # type: ignore[return-value]


def later(moment: int, ms: int) -> int:
    """The moment `ms` after `moment`; before it, if negative."""
    return time.ticks_add(moment, ms)  # type: ignore[type-var]


def between(moment: int, earlier: int) -> int:
    """Milliseconds from `earlier` to `moment`; negative if it is the other way round."""
    return time.ticks_diff(moment, earlier)
