"""What a node says about its manhole, as numbers; the gateway turns them into sentences."""

UNKNOWN = 0
"""States of the cover, in the manhole block's `cover_state`: no background yet, or no accelerometer that answers."""
CLOSED = 1
"""The angle is that of the background."""
OPEN = 2
"""The cover is tilted by more than the limit, for longer than the hold."""
TURNED_OVER = 3
"""The cover lies upside down."""

STATE_NAMES = ("unknown", "closed", "open", "turned-over")
"""Name of each state, by number."""

COVER_OPEN = 0
"""Alarms, bits of the manhole block's `alarms`: the cover has turned by more than `open_deg` for
`hold_s`, or its contact is open."""
COVER_TURNED_OVER = 1
"""The cover has turned by more than `over_deg`: the shaft is open."""
LEVEL_WARNING = 2
"""The water is above the first limit."""
LEVEL_ALARM = 3
"""The water is above the second limit."""
LEVEL_CRITICAL = 4
"""The water is above the third limit."""
CH4_LOW = 5
"""Methane is above its lower limit."""
CH4_HIGH = 6
"""Methane is above its upper limit."""
H2S_LOW = 7
"""Hydrogen sulphide is above its lower limit."""
H2S_HIGH = 8
"""Hydrogen sulphide is above its upper limit."""
CO_LOW = 9
"""Carbon monoxide is above its lower limit."""
CO_HIGH = 10
"""Carbon monoxide is above its upper limit."""
O2_LOW = 11
"""There is too little oxygen."""
O2_HIGH = 12
"""There is too much oxygen."""
SENSOR_FAULT = 13
"""A sensor of the manhole gives no value, for whatever reason but warming up."""

ALARM_COUNT = 14
NO_ALARM = 0xFF
