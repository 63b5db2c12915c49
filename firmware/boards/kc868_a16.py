"""Pins of one board. Made by `make gen` from hardware/boards; do not edit.

kc868-a16.toml: KinCony KC868-A16.

-1 is no pin. Without a direction pin the transceiver turns round by itself, or there is none.
"""

from micropython import const

NUMBER = const(3)

POLE_UART = const(2)
POLE_TX = const(13)
POLE_RX = const(16)
POLE_DIRECTION = const(-1)
POLE_ECHOES = const(0)

SENSOR_UART = const(1)
SENSOR_TX = const(33)
SENSOR_RX = const(32)
SENSOR_DIRECTION = const(-1)
SENSOR_ECHOES = const(0)

# What has to be switched before anything can be sent: pin + 64 * level.
ENABLES = b""

# Pins that a node table may name.
INPUTS = b"\x0e\x22\x23\x24\x27"
ANALOG = b"\x22\x23\x24\x27"
OUTPUTS = b""
