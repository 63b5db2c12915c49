"""Names of the codes of event_codes, for whoever shows them; a node does not load this."""

NAMES = {
    0: "none",
    1: "node-started",
    2: "input-raised",
    3: "input-cleared",
    4: "device-lost",
    5: "device-back",
    6: "lamp-failed",
    7: "events-lost",
    8: "flash-failed",
    20: "lamp-failure",
    21: "lamp-power-low",
    22: "lamp-power-high",
    23: "lamp-burns-by-day",
    24: "lamp-gear-silent",
    25: "lamp-supply-lost",
    26: "lamp-sun-table-ended",
    27: "lamp-no-schedule",
    28: "lamp-no-time",
    29: "lamp-cycling",
    35: "lamp-override-ended",
}
"""Name of each code, by number."""
