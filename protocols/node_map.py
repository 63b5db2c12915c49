"""Registers of our own node. Made by `make gen` from hardware/devices/gatepost-node.toml; do not edit.

For a block BLOCK: its first address, BLOCK_REGISTERS how many it has, and BLOCK_FIELD the address of each field. For a
record that repeats: the address of the first, how many there are, how many registers one takes, and the offset of each
field within one.
"""

# Who the node is and what it runs on, read
IDENTITY = 0x0000
IDENTITY_REGISTERS = 12
IDENTITY_MAGIC = 0x0000  # u16: the letters GP
IDENTITY_MAGIC_VALUE = 0x4750
IDENTITY_MAP_VERSION = 0x0001  # u16: version of this register map
IDENTITY_MAP_VERSION_VALUE = 0x0002
IDENTITY_FIRMWARE_VERSION = 0x0002  # u16: major << 8 | minor
IDENTITY_FIRMWARE_PATCH = 0x0003  # u16: third number of the firmware version
IDENTITY_CONFIG_DIGEST = 0x0004  # u32: CRC-32 in the head of the node table that is loaded
IDENTITY_SLOT_COUNT = 0x0006  # u16: slots in use
IDENTITY_DEVICE_COUNT = 0x0007  # u16: devices in the node table
IDENTITY_NODE_EPOCH = 0x0008  # u32: number of this start, part of an event's name
IDENTITY_BOARD = 0x000A  # u16: which board the firmware was made for
IDENTITY_EVENT_CAPACITY = 0x000B  # u16: events that the ring holds

# The terminal's code in the city's ledger: ASCII, two characters a register, zeros behind, read
TERMINAL = 0x0010
TERMINAL_REGISTERS = 16
TERMINAL_CODE = 0x0010
TERMINAL_CODE_COUNT = 16
TERMINAL_CODE_REGISTERS = 1
TERMINAL_CODE_CHARACTERS = 0  # u16: two characters

# How the node is doing, read
HEALTH = 0x0020
HEALTH_REGISTERS = 18
HEALTH_UPTIME_S = 0x0020  # u32: seconds since the start
HEALTH_RESET_CAUSE = 0x0022  # u16: the chip's reset cause, as machine.reset_cause() gives it
HEALTH_HEAP_FREE_BYTES = 0x0023  # u32: free heap after the last collection
HEALTH_TIME_STATE = 0x0025  # u16: 0 the clock was never set, 1 it was
HEALTH_UNIX_S = 0x0026  # u32: the node's clock, whole seconds
HEALTH_UNIX_MS = 0x0028  # u16: the node's clock, milliseconds of the second
HEALTH_POLLS_GOOD = 0x0029  # u32: answers of devices that were right
HEALTH_POLLS_FAILED = 0x002B  # u32: requests to devices without a right answer
HEALTH_SLOW_DEVICES = 0x002D  # u16: devices on the slow list
HEALTH_SERVER_FRAMES = 0x002E  # u32: requests that the node answered on the pole bus
HEALTH_SERVER_CRC_ERRORS = 0x0030  # u32: damaged frames on the pole bus

# Setting the clock; the time is valid at the end of the request, write
TIME = 0x0040
TIME_REGISTERS = 9
TIME_UNIX_S = 0x0040  # u32: whole seconds since 1970-01-01 UTC
TIME_UNIX_MS = 0x0042  # u16: milliseconds of the second
TIME_AUTH_COUNTER = 0x0043  # u32: rises with each write, protocols/spec/node-auth.md
TIME_AUTH_TAG = 0x0045  # u64: proves who writes, where the node has a key

# Putting into force what came as file 60001, write
SETTINGS = 0x0050
SETTINGS_REGISTERS = 7
SETTINGS_WRITE_SEQUENCE = 0x0050  # u16: number of the command, not 0; a new one makes it a command
SETTINGS_AUTH_COUNTER = 0x0051  # u32: rises with each write, protocols/spec/node-auth.md
SETTINGS_AUTH_TAG = 0x0053  # u64: proves who writes, where the node has a key

# What became of the settings that were sent, read
SETTINGS_STATE = 0x0057
SETTINGS_STATE_REGISTERS = 6
SETTINGS_STATE_RESULT = 0x0057  # u16: 0 none, 1 receiving, 2 checking, 3 taken, 4 refused
SETTINGS_STATE_REASON = 0x0058  # u16: why they were refused, a number of protocols/settings_codes.py
SETTINGS_STATE_RECEIVED_BYTES = 0x0059  # u32: bytes of file 60001 that have come; send on from here
SETTINGS_STATE_SEQUENCE = 0x005B  # u32: how often settings were taken

# What the lamp shall do; a changed, non-zero command_sequence makes it a new command, write
LAMP_COMMAND = 0x0060
LAMP_COMMAND_REGISTERS = 14
LAMP_COMMAND_COMMAND_SEQUENCE = 0x0060  # u16: number of the command, not 0
LAMP_COMMAND_LEVEL_PCT = 0x0061  # u16: linear light output, 0 to 100; 0xFFFF ends the override, the programme goes on
LAMP_COMMAND_FADE_S = 0x0062  # u16: seconds to get there
LAMP_COMMAND_EXPIRES_S = 0x0063  # u32: unix seconds after which the command is refused, 0 for never
LAMP_COMMAND_HOLD_S = 0x0065  # u32: seconds for which it holds before the programme goes on; 0 as the schedule says
LAMP_COMMAND_OVERRIDE_REASON = 0x0067  # u16: why, an OVERRIDE of protocols/lamp_codes.py
LAMP_COMMAND_AUTH_COUNTER = 0x0068  # u32: rises with each write, protocols/spec/node-auth.md
LAMP_COMMAND_AUTH_TAG = 0x006A  # u64: proves who writes, where the node has a key

# What became of the last lamp command, read
LAMP_STATE = 0x0078
LAMP_STATE_REGISTERS = 6
LAMP_STATE_COMMAND_SEQUENCE = 0x0078  # u16: number of the last command that was taken
LAMP_STATE_RESULT = 0x0079  # u16: 0 none, 1 working, 2 confirmed, 3 failed, 4 refused
LAMP_STATE_REASON = 0x007A  # u16: why it failed or was refused
LAMP_STATE_COMMANDED_PCT = 0x007B  # u16: level that the lamp should have
LAMP_STATE_ACTUAL_PCT = 0x007C  # u16: level that was read back, 0xFFFF unknown
LAMP_STATE_DRIVER_RAW = 0x007D  # u16: the driver's own value, as read back

# What the lamp follows just now, read
LAMP_SCHEDULE = 0x0080
LAMP_SCHEDULE_REGISTERS = 8
LAMP_SCHEDULE_GROUPS = 0x0080  # u16: groups of the lamp, one bit each
LAMP_SCHEDULE_SOURCE = 0x0081  # u16: 0 start, 1 fail-safe, 2 clock, 3 sensor, 4 override, 5 emergency, 6 default
LAMP_SCHEDULE_OVERRIDE_LEFT_S = 0x0082  # u16: seconds until the override ends, 0 none, 0xFFFF that long or longer
LAMP_SCHEDULE_PROGRAMME = 0x0083  # u16: number of tonight's programme, 0x00FF none
LAMP_SCHEDULE_FAULTS = 0x0084  # u16: faults that stand, one bit each as in protocols/lamp_codes.py
LAMP_SCHEDULE_DIGEST = 0x0085  # u32: CRC-32 in the head of the lamp schedule that is in use, 0 none
LAMP_SCHEDULE_DAYS_LEFT = 0x0087  # u16: days for which the sun table goes on, 0 when it has ended

# Puts the lamp schedule that was written as file 60002 into use; protocols/spec/lamp-schedule.md, write
SCHEDULE_COMMAND = 0x0088
SCHEDULE_COMMAND_REGISTERS = 8
SCHEDULE_COMMAND_DIGEST = 0x0088  # u32: CRC-32 in the head of that schedule
SCHEDULE_COMMAND_AUTH_COUNTER = 0x008A  # u32: rises with each write, protocols/spec/node-auth.md
SCHEDULE_COMMAND_AUTH_TAG = 0x008C  # u64: proves who writes, where the node has a key

# How the node came to run what it runs, read
BOOT = 0x0090
BOOT_REGISTERS = 12
BOOT_START_REASON = 0x0090  # u16: why it has started, a number of protocols/start_codes.py
BOOT_RUNNING_SLOT = 0x0091  # u16: 0 slot_a, 1 slot_b
BOOT_PREVIOUS_SLOT = 0x0092  # u16: the slot that was left last, 0xFF none
BOOT_LEFT_REASON = 0x0093  # u16: why it was left, a number of protocols/start_codes.py or update_codes.py
BOOT_SAFE_MODE = 0x0094  # u16: 0 all is served; 1 pole bus and update alone after crashes; 2 for want of a node table
BOOT_CRASHES = 0x0095  # u16: crashes since the last good hour
BOOT_BOOTS = 0x0096  # u32: starts since the node was made
BOOT_SETTINGS_SEQUENCE = 0x0098  # u32: how often settings were taken, 0 for those of the provisioning
BOOT_LOG_NEWEST = 0x009A  # u32: number of the newest entry of the log, file 60003

# Sending and trying a new version; protocols/spec/update-bundle.md, write
UPDATE_COMMAND = 0x00A0
UPDATE_COMMAND_REGISTERS = 11
UPDATE_COMMAND_COMMAND = 0x00A0  # u16: 1 begin or go on, 2 try, 3 abandon
UPDATE_COMMAND_TOTAL_BYTES = 0x00A1  # u32: length of the bundle
UPDATE_COMMAND_MANIFEST_DIGEST = 0x00A3  # u32: first four bytes of the SHA-256 of its manifest
UPDATE_COMMAND_AUTH_COUNTER = 0x00A5  # u32: rises with each write, protocols/spec/node-auth.md
UPDATE_COMMAND_AUTH_TAG = 0x00A7  # u64: proves who writes, where the node has a key

# How the update stands, read
UPDATE = 0x00B0
UPDATE_REGISTERS = 11
UPDATE_STATE = 0x00B0  # u16: how far it is, a state of protocols/update_codes.py
UPDATE_REASON = 0x00B1  # u16: why it was refused or went back, a number of protocols/update_codes.py
UPDATE_RECEIVED_BYTES = 0x00B2  # u32: bytes of the bundle that the node has; send on from here
UPDATE_TOTAL_BYTES = 0x00B4  # u32: length of the bundle
UPDATE_RUNNING_VERSION = 0x00B6  # u32: major << 24 | minor << 16 | patch of the version that runs
UPDATE_TRIAL_LEFT_S = 0x00B8  # u16: seconds until the version on trial goes back by itself
UPDATE_MANIFEST_DIGEST = 0x00B9  # u32: of the bundle that this is about

# What all lamps of a line are told at once, to unit 0; one node takes it under its own unit id too, write
BROADCAST = 0x00D0
BROADCAST_REGISTERS = 14
BROADCAST_ACTION = 0x00D0  # u16: 1 level of groups, 2 emergency; the whole block in one write
BROADCAST_GROUPS = 0x00D1  # u16: with action 1: which groups, one bit each
BROADCAST_LEVEL_PCT = 0x00D2  # u16: light output, 0 to 100; 0xFFFF as the schedule says; an emergency is ended by 0
BROADCAST_FADE_S = 0x00D3  # u16: with action 1: seconds to get there
BROADCAST_HOLD_S = 0x00D4  # u16: seconds that it holds; 0: as the schedule says, an emergency until it is ended
BROADCAST_REASON = 0x00D5  # u16: with action 1: what the event at its end carries
BROADCAST_EXPIRES_S = 0x00D6  # u32: unix seconds after which it is refused, 0 for never
BROADCAST_AUTH_COUNTER = 0x00D8  # u32: rises with each write, protocols/spec/node-auth.md
BROADCAST_AUTH_TAG = 0x00DA  # u64: proves who writes, where the node has a key

# The manhole: its cover and its alarms; there only where the node watches one, read
MANHOLE = 0x00E0
MANHOLE_REGISTERS = 4
MANHOLE_COVER_STATE = 0x00E0  # u16: 0 unknown, 1 closed, 2 open, 3 turned over
MANHOLE_TILT_TENTHS = 0x00E1  # u16: tenths of a degree from the background, or from upright; 0xFFFF unknown
MANHOLE_BACKGROUND_LEARNED = 0x00E2  # u16: 1 when the cover's angle at rest was learned
MANHOLE_ALARMS = 0x00E3  # u16: alarms that stand or wait to be acknowledged, bits of protocols/manhole_codes.py

# Acknowledging the manhole's alarms, and learning the cover's angle at rest again, write
MANHOLE_COMMAND = 0x00E4
MANHOLE_COMMAND_REGISTERS = 8
MANHOLE_COMMAND_ACKNOWLEDGE = 0x00E4  # u16: bit mask of the alarms that somebody has seen
MANHOLE_COMMAND_LEARN = 0x00E5  # u16: 1: the cover is closed and at rest, learn its angle
MANHOLE_COMMAND_AUTH_COUNTER = 0x00E6  # u32: rises with each write, protocols/spec/node-auth.md
MANHOLE_COMMAND_AUTH_TAG = 0x00E8  # u64: proves who writes, where the node has a key

# How guarded writes fare; there only where the node has a key, read
AUTH = 0x00F0
AUTH_REGISTERS = 8
AUTH_KEYS = 0x00F0  # u16: bit 0 a key for this node, bit 1 one for broadcasts
AUTH_COUNTER = 0x00F1  # u32: the next write to this node needs a higher one
AUTH_BROADCAST_COUNTER = 0x00F3  # u32: the next broadcast needs a higher one
AUTH_REFUSED = 0x00F5  # u32: guarded writes refused since the start
AUTH_LAST_REFUSAL = 0x00F7  # u16: 1 wrong tag, 2 old counter, 3 not the whole block, 4 no key, 5 flash failed

# The oldest events that are not acknowledged, all of one epoch, read
EVENTS = 0x0100
EVENTS_REGISTERS = 88
EVENTS_OLDEST = 0x0100  # u32: sequence of the oldest event kept, 0 if none
EVENTS_NEWEST = 0x0102  # u32: sequence of the newest event of that epoch, 0 if none
EVENTS_OVERFLOW = 0x0104  # u32: events that the ring had to drop
EVENTS_COUNT_IN_WINDOW = 0x0106  # u16: entries below that are valid
EVENTS_EPOCHS_AGO = 0x0107  # u16: the events below are of epoch node_epoch less this
EVENT = 0x0108
EVENT_COUNT = 8
EVENT_REGISTERS = 10
EVENT_SEQUENCE = 0  # u32: number of the event within its epoch
EVENT_CODE = 2  # u16: what happened, a number of protocols/event_codes.py
EVENT_SLOT = 3  # u16: slot of the point it is about, 0xFFFF none
EVENT_VALUE = 4  # s32: value that belongs to the code
EVENT_UNIX_S = 6  # u32: when, whole seconds
EVENT_UNIX_MS = 8  # u16: when, milliseconds of the second
EVENT_TIME_STATE = 9  # u16: 0 counted from the start of its epoch, 1 unix time

# The gateway has these events safe on its disk, write
EVENT_ACKNOWLEDGEMENT = 0x0180
EVENT_ACKNOWLEDGEMENT_REGISTERS = 10
EVENT_ACKNOWLEDGEMENT_NODE_EPOCH = 0x0180  # u32: epoch of the events
EVENT_ACKNOWLEDGEMENT_SEQUENCE = 0x0182  # u32: this event and all older ones may go
EVENT_ACKNOWLEDGEMENT_AUTH_COUNTER = 0x0184  # u32: rises with each write, protocols/spec/node-auth.md
EVENT_ACKNOWLEDGEMENT_AUTH_TAG = 0x0186  # u64: proves who writes, where the node has a key

# The latest sample of every point, in the order of the node table, read
SLOTS = 0x0200
SLOTS_REGISTERS = 512
SLOT = 0x0200
SLOT_COUNT = 128
SLOT_REGISTERS = 4
SLOT_VALUE = 0  # s32: scaled by the point's exponent; means nothing unless the quality is good
SLOT_QUALITY_COUNTER = 2  # u16: quality << 8 | counter of samples, 8 bits
SLOT_AGE_10MS = 3  # u16: age in 10 ms, 0xFFFE that old or older, 0xFFFF never read
