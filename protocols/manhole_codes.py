"""What a node says about its manhole, as numbers; the gateway turns them into sentences."""

UNKNOWN = 0
"""States of the cover, in the manhole block's `cover_state`: no background yet, or no accelerometer that answers."""
CLOSED = 1
OPEN = 2
TURNED_OVER = 3

STATE_NAMES = ("unknown", "closed", "open", "turned-over")
"""Name of each state, by number."""

COVER_OPEN = 0
"""Alarms, by their bit in the manhole block's `alarms`."""
COVER_TURNED_OVER = 1
LEVEL_WARNING = 2
LEVEL_ALARM = 3
LEVEL_CRITICAL = 4
CH4_LOW = 5
CH4_HIGH = 6
H2S_LOW = 7
H2S_HIGH = 8
CO_LOW = 9
CO_HIGH = 10
O2_LOW = 11
O2_HIGH = 12
SENSOR_FAULT = 13
"""A sensor of the manhole gives no value, for whatever reason but warming up."""

ALARM_COUNT = 14
NO_ALARM = 0xFF
