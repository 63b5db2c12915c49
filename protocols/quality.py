"""The quality of a reading, one small number beside every value, on the node and at the gateway alike.

Only GOOD makes a reading. The others say why there is no number; a value beside them means nothing.
"""

GOOD = 0
"""A plausible value, measured when the stamp says."""
NEVER = 1
"""Not read since the start."""
NO_ANSWER = 2
"""The device stayed silent."""
BAD_ANSWER = 3
"""Damaged, late, or not what was asked."""
INVALID = 4
"""The device itself marks the value as absent (sentinel, NaN, unknown unit code)."""
RANGE = 5
"""Outside the range that the profile calls plausible, or more than a slot can hold."""
WARMING_UP = 6
"""The sensor has power but its figures do not count yet."""
STALE = 7
"""Good once, but older than its period allows."""
FAULT = 8
"""The device's own status says that it is broken."""
NO_ECHO = 9
"""The sensor heard nothing come back: too near, too far, or something in its way."""
STUCK = 10
"""Unchanged for longer than the profile believes."""
WIRE_BREAK = 11
"""A current loop with less current than a living sensor draws."""
SHORT_CIRCUIT = 12
"""A current loop with more."""

NAMES = (
    "good",
    "never",
    "no-answer",
    "bad-answer",
    "invalid",
    "range",
    "warming-up",
    "stale",
    "fault",
    "no-echo",
    "stuck",
    "wire-break",
    "short-circuit",
)
