"""Pins of one board. Made by `make gen` from hardware/boards; do not edit.

lilygo-t-can485.toml: LilyGO T-CAN485.

-1 is no pin. Without a direction pin the transceiver turns round by itself, or there is none.
"""

from micropython import const

NUMBER = const(2)

POLE_UART = const(2)
POLE_TX = const(22)
POLE_RX = const(21)
POLE_DIRECTION = const(-1)
POLE_ECHOES = const(0)

SENSOR_UART = const(1)
SENSOR_TX = const(25)
SENSOR_RX = const(32)
SENSOR_DIRECTION = const(-1)
SENSOR_ECHOES = const(0)

# What has to be switched before anything can be sent: pin + 64 * level.
ENABLES = b"\x50\x51\x53"

# Pins that a node table may name.
INPUTS = b"\x12\x21\x22\x23"
ANALOG = b"\x21\x22\x23"
OUTPUTS = b"\x12\x21"
