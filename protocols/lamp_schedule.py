"""Reading a lamp schedule by offset: programmes, calendar, sun days, sensor rules, expected power.

The schedule is one `bytes`; every function takes it and gives small integers, without allocating. Check it once with
`lamp_schedule_check.check`; afterwards nothing here leads outside it. Told in words, then in bytes, in
spec/lamp-schedule.md. Made by `lamp_schedule_writer`; `lamp_programme` tells which level it means for a moment.
"""

from protocols.node_table_layout import u16, u32

HEADER_BYTES = 40
PROGRAMME_BYTES = 12
STEP_BYTES = 4
RULE_BYTES = 8
SENSOR_BYTES = 16
DAY_BYTES = 6
POWER_BYTES = 68
POWER_LEVELS = 11
"""The expected power stands for 0, 10, 20 to 100 per cent."""

MAX_BYTES = 2048
"""More than two hundred steps: a node keeps a second one in RAM while it is being sent."""

CLOCK = 0
"""Anchors of a moment: minutes of the local day,"""
SUNSET = 1
"""minutes after sunset,"""
SUNRISE = 2
"""minutes after sunrise; both with sign."""

NEVER_SETS = 1
"""Flags of a sun day: the sun stays above the horizon,"""
NEVER_RISES = 2
"""or below it,"""
NO_SUN = 4
"""or the place is not known, and only the zone's offset counts."""

ABOVE = 1
"""Flags of a sensor rule: it begins above its limit, otherwise below;"""
WHEN_ON = 2
"""it counts while the programme wants light,"""
WHEN_OFF = 4
"""and while the programme wants none."""

NONE = 0xFF
"""A programme, slot or boot level that there is not."""


def digest(schedule: bytes) -> int:
    """CRC-32 in its head, by which gateway and node tell which schedule a node has."""
    return u32(schedule, 8)


def table_digest(schedule: bytes) -> int:
    """The digest of the node table whose slots it names."""
    return u32(schedule, 12)


def groups(schedule: bytes) -> int:
    """The groups that the lamp belongs to, one bit each."""
    return u16(schedule, 16)


def delay_s(schedule: bytes) -> int:
    """How much later than others this lamp follows the programme and group commands: its share of the stagger."""
    return schedule[18]


def boot_wait_s(schedule: bytes) -> int:
    """How long after the start the node waits for the time before it takes the fail-safe level."""
    return schedule[19]


def boot_level(schedule: bytes) -> int:
    """The level at the start until the time is known, NONE to leave the lamp as it is."""
    return schedule[20]


def default_level(schedule: bytes) -> int:
    """The level while no programme holds."""
    return schedule[21]


def fail_safe_level(schedule: bytes) -> int:
    """The level while there is no valid time, 1 to 100."""
    return schedule[22]


def least_level(schedule: bytes) -> int:
    """The least level above 0 that the driver can give."""
    return schedule[23]


def override_s(schedule: bytes) -> int:
    """How long an override holds that does not say so itself."""
    return u32(schedule, 24)


def programme_count(schedule: bytes) -> int:
    """How many programmes there are."""
    return schedule[28]


def rule_count(schedule: bytes) -> int:
    """How many rules the calendar has."""
    return schedule[29]


def default_programme(schedule: bytes) -> int:
    """The programme of a date that no rule names, NONE for the default level."""
    return schedule[30]


def step_count(schedule: bytes) -> int:
    """How many steps all programmes have together."""
    return schedule[31]


def sensor_count(schedule: bytes) -> int:
    """How many sensor rules there are."""
    return schedule[32]


def day_count(schedule: bytes) -> int:
    """How many sun days there are, at least one."""
    return schedule[33]


def first_day(schedule: bytes) -> int:
    """The first sun day, local days since 1970-01-01."""
    return u16(schedule, 34)


def has_power(schedule: bytes) -> bool:
    """Whether the lamp's power is watched."""
    return schedule[36] != 0


def programme_at(schedule: bytes, programme: int) -> int:
    """Where a programme begins."""
    return HEADER_BYTES + programme * PROGRAMME_BYTES


def step_at(schedule: bytes, step: int) -> int:
    """Where a step begins."""
    return programme_at(schedule, schedule[28]) + step * STEP_BYTES


def rule_at(schedule: bytes, rule: int) -> int:
    """Where a rule of the calendar begins."""
    return step_at(schedule, schedule[31]) + rule * RULE_BYTES


def sensor_at(schedule: bytes, sensor: int) -> int:
    """Where a sensor rule begins."""
    return rule_at(schedule, schedule[29]) + sensor * SENSOR_BYTES


def day_at(schedule: bytes, day: int) -> int:
    """Where the entry of a local day begins: the first or the last one for a day outside the table."""
    index = min(max(day - u16(schedule, 34), 0), schedule[33] - 1)
    return sensor_at(schedule, schedule[32]) + index * DAY_BYTES


def power_at(schedule: bytes) -> int:
    """Where the block of the expected power begins."""
    return sensor_at(schedule, schedule[32]) + schedule[33] * DAY_BYTES


def offset_minutes(schedule: bytes, day: int) -> int:
    """What the local clock shows more than UTC on a day, in minutes."""
    quarters = schedule[day_at(schedule, day)]
    return (quarters - 256 if quarters & 0x80 else quarters) * 15


def days_left(schedule: bytes, day: int) -> int:
    """Days after `day` for which the table has an entry; below 0 when the last day's values are used on."""
    return u16(schedule, 34) + schedule[33] - 1 - day


def s16(schedule: bytes, at: int) -> int:
    """The two bytes at `at` with sign."""
    value = u16(schedule, at)
    return value - 0x10000 if value & 0x8000 else value


def s32(schedule: bytes, at: int) -> int:
    """The four bytes at `at` with sign; small, for a checked schedule holds no number beyond 30 bits."""
    return s16(schedule, at) * 0x10000 + u16(schedule, at + 2)
