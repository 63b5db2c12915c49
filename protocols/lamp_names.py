"""Names of the numbers of lamp_codes, for whoever shows them; a node does not load this."""

RESULT_NAMES = ("none", "working", "confirmed", "failed", "refused")
"""Name of each result, by number."""
REASON_NAMES = (
    "none",
    "level-out-of-range",
    "no-lamp",
    "expired",
    "driver-silent",
    "driver-refused",
    "not-kept",
    "outranked",
)
"""Name of each reason, by number."""
SOURCE_NAMES = ("boot", "fail-safe", "schedule", "sensor", "override", "emergency", "default")
"""Name of each source, by number."""

FAULT_NAMES = (
    "lamp-failure",
    "lamp-power-low",
    "lamp-power-high",
    "lamp-burns-by-day",
    "lamp-gear-silent",
    "lamp-supply-lost",
    "lamp-sun-table-ended",
    "lamp-no-schedule",
    "lamp-no-time",
    "lamp-cycling",
)
"""Name of each fault, by bit; the same as that of its event."""
