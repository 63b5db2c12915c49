"""Where things stand in a node table, and how a number is read there. Told in words in spec/node-table.md."""

MAGIC = b"GPT1"
VERSION = 2

HEADER_BYTES = 64
DEVICE_BYTES = 20
REQUEST_BYTES = 8
POINT_BYTES = 28
PART_BYTES = 2
LOOKUP_BYTES = 6
CODE_BYTES = 3
SENTINEL_BYTES = 8
LAMP_BYTES = 114
FRAME_BYTES = 64
RULE_BYTES = 16
LAMP_CURVE_AT = 12
"""Where the 101 bytes of the curve begin within the lamp block."""

MAX_SLOTS = 128
NONE = 0xFF
"""An index byte that points at nothing."""

UNLISTED = -128
"""What a lookup gives for a code that it does not list, where that makes the value invalid."""

# Header
LENGTH_AT = 4
DIGEST_AT = 8
"""Four bytes, CRC-32 of all that follows them, most significant byte first: the node's config_digest."""
CHECKED_FROM = 12
VERSION_AT = 12
DEVICE_COUNT_AT = 13
REQUEST_COUNT_AT = 14
SLOT_COUNT_AT = 15
BAUD_AT = 16
PARITY_AT = 20
STOP_BITS_AT = 21
DEVICES_AT = 22
REQUESTS_AT = 24
POINTS_AT = 26
PARTS_AT = 28
LOOKUPS_AT = 30
CODES_AT = 32
SENTINELS_AT = 34
LAMP_AT = 36
NODE_UNIT_AT = 38
POLE_PARITY_AT = 39
POLE_BAUD_AT = 40
POLE_STOP_BITS_AT = 44
FRAME_COUNT_AT = 45
FRAMES_AT = 46
MANHOLE_AT = 48
"""Where the manhole block begins, 0 none."""
DIMMER_PIN_AT = 50
"""GPIO of the lamp's 0-10 V stage, 0 none, then that of its relay, then flags; bytes 53 to 63 are free."""
RELAY_PIN_AT = 51
LAMP_PIN_FLAGS_AT = 52

# Flags of a lamp on pins
DIMMER_INVERTED = 1
RELAY_ACTIVE_LOW = 2

# Parity, as machine.UART takes it: None, 0 and 1
PARITY_NONE = 0
PARITY_EVEN = 1
PARITY_ODD = 2

# Types of a point's value
U16 = 0
S16 = 1
U32 = 2
S32 = 3
F32 = 4
U48 = 5
U64 = 6
BITS = 7
BOOL = 8
PIN = 9
ANALOG = 10
PULSE = 11
TILT = 12
FIELD = 13
"""From PIN on a value does not come out of registers: ANALOG a current on an ADC pin, PULSE a count of edges, TILT the
accelerometer, FIELD a field of a text sentence."""

# What a TILT point holds, in its register byte
TILT_FROM_BACKGROUND = 0
TILT_FROM_UPRIGHT = 1

# How a FIELD is written, in its byte 12
TEXT_NUMBER = 0
TEXT_POSITION = 1
TEXT_TIME = 2

# Flags of a point
INVERTED = 0x01
"""A bool is turned over; a number is taken away from the point's offset instead of added to it."""
LITTLE = 0x02
ALARM = 0x04
ACTIVE_HIGH = 0x08
ZERO_MEANS_RETRY = 0x10
PULL_UP = 0x20
PULL_DOWN = 0x40
SIGNED = 0x80

# A frame of a serial sensor, FRAME_BYTES each
FRAME_KIND = 0
FRAME_SYNC_COUNT = 1
FRAME_SYNC = 2
FRAME_ORIGIN = 6
FRAME_LEAST = 7
FRAME_MOST = 8
FRAME_LENGTH_AT = 9
FRAME_LENGTH_WIDTH = 10
FRAME_LENGTH_ADDS = 11
FRAME_CHECK = 12
FRAME_CHECK_FROM = 13
FRAME_CHECK_TO = 14
FRAME_CHECK_AT = 15
FRAME_TAIL_COUNT = 16
FRAME_TAIL = 17
FRAME_REQUEST_COUNT = 19
FRAME_REQUEST = 20
FRAME_SETUP_COUNT = 40
FRAME_SETUP = 41
FRAME_MEDIAN = 61
"""1: a sample is the middle one of the last three."""
FRAME_COMMAND_BYTES = 20
"""Room for a request or a set-up command; in a sentence the first holds what its valid field may be."""

STREAMING = 0
ANSWERING = 1
SENTENCE = 2

FRAME_MAX_BYTES = 128
"""The longest frame that a reader holds."""

# The manhole block: MANHOLE_BYTES, then its rules
MANHOLE_BYTES = 16
MANHOLE_COVER = 0
MANHOLE_RULES = 1
MANHOLE_OPEN_AT = 2
MANHOLE_CLOSED_AT = 4
MANHOLE_HOLD_S = 6
MANHOLE_OVER_AT = 8
MANHOLE_FILTER_MS = 10
MANHOLE_FAULT_S = 12
RULE_BELOW = 0x01

# Kinds of a frame's check value
SUM16 = 0
SUM8 = 1
NEGATED_SUM8 = 2
XOR_HEX = 3


def u16(buffer: bytes | bytearray, at: int) -> int:
    """The two bytes at `at`, the most significant first, without sign."""
    return buffer[at] << 8 | buffer[at + 1]


def u32(buffer: bytes | bytearray, at: int) -> int:
    """The four bytes at `at`, without sign; allocates on MicroPython from 2**30 on."""
    return u16(buffer, at) << 16 | u16(buffer, at + 2)


def s8(buffer: bytes | bytearray, at: int) -> int:
    """The byte at `at`, with sign."""
    return buffer[at] - 256 if buffer[at] & 0x80 else buffer[at]


def point_at(table: bytes, slot: int) -> int:
    """Where the point of a slot begins."""
    return u16(table, POINTS_AT) + slot * POINT_BYTES
