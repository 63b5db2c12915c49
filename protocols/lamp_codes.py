"""What a node says about its lamp, as numbers; the gateway turns them into sentences."""

NONE = 0
"""Results, in the lamp state's `result`: no command since the start."""
WORKING = 1
"""The command was taken, the level is on its way."""
CONFIRMED = 2
"""The driver has taken the level and read back right."""
FAILED = 3
"""The level could not be set, or did not read back; `reason` says why."""
REFUSED = 4
"""The command was not tried; `reason` says why."""

RESULT_NAMES = ("none", "working", "confirmed", "failed", "refused")
"""Name of each result, by number."""

NO_REASON = 0
"""Reasons, in the lamp state's `reason`."""
LEVEL_OUT_OF_RANGE = 1
"""level_pct is above 100."""
NO_LAMP = 2
"""The node table has no lamp."""
EXPIRED = 3
"""The node's clock is past expires_s."""
DRIVER_SILENT = 4
"""The driver gave no right answer, however often it was asked."""
DRIVER_REFUSED = 5
"""The driver answered with a Modbus exception."""
NOT_KEPT = 6
"""The driver took the level but read back another one."""

REASON_NAMES = (
    "none",
    "level-out-of-range",
    "no-lamp",
    "expired",
    "driver-silent",
    "driver-refused",
    "not-kept",
)
"""Name of each reason, by number."""

LEVEL_UNKNOWN = 0xFFFF
"""`actual_pct` while nothing has been read back."""
