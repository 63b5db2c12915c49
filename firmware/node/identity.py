"""Who this node is, for the identity registers."""

from micropython import const

FIRMWARE_MAJOR = const(0)
FIRMWARE_MINOR = const(1)
FIRMWARE_PATCH = const(0)
