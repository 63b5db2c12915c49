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

NO_REASON = 0
"""Reasons, in the lamp state's `reason`: none."""
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
OUTRANKED = 7
"""An emergency holds, which goes before every command."""

LEVEL_UNKNOWN = 0xFFFF
"""`actual_pct` while nothing has been read back."""

RESUME = 0xFFFF
"""`level_pct` of a command that ends the override: the programme goes on."""

SOURCE_BOOT = 0
"""Which rule holds, in the lamp schedule's `source`: the node has started and waits for the time."""
SOURCE_FAIL_SAFE = 1
"""There is no schedule or no valid time: the lamp is lit."""
SOURCE_SCHEDULE = 2
"""The programme of this night."""
SOURCE_SENSOR = 3
"""A sensor rule."""
SOURCE_OVERRIDE = 4
"""A command."""
SOURCE_EMERGENCY = 5
"""An emergency."""
SOURCE_DEFAULT = 6
"""No programme is for this date: the default level."""

OVERRIDE_UNKNOWN = 0
"""Why there is an override, as whoever commands says it: not said."""
OVERRIDE_OPERATOR = 1
"""A person at the platform."""
OVERRIDE_MAINTENANCE = 2
"""A technician at the pole."""
OVERRIDE_TEST = 3
"""A test of the lamp."""
OVERRIDE_EVENT = 4
"""Something in the street: works, a feast, traffic."""

LAMP_FAILURE = 0
"""Faults, bits of the lamp schedule's `faults`: commanded on, but hardly any power is drawn: 15 % of what
is expected, for 60 s, unless pole.toml says otherwise."""
POWER_LOW = 1
"""Less power than expected for the level: below 75 % for five minutes."""
POWER_HIGH = 2
"""More power than expected for the level: above 125 % for five minutes."""
BURNS_BY_DAY = 3
"""Commanded off, but more power than standby is drawn for five minutes."""
GEAR_SILENT = 4
"""The lamp's driver does not answer for 60 s."""
SUPPLY_LOST = 5
"""The meter shows no supply voltage for 30 s; the faults of power are not judged meanwhile."""
SUN_TABLE_ENDED = 6
"""The sun days have run out: the last day's values are used on."""
NO_SCHEDULE = 7
"""The node has no schedule; an event only if it had one and the flash has lost it."""
NO_TIME = 8
"""The node has no valid time."""
CYCLING = 9
"""The lamp went out and on again by itself several times: the end of a discharge lamp's life."""
FAULT_COUNT = 10
