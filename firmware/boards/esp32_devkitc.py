"""Pins of one board. Made by `make gen` from hardware/boards; do not edit.

esp32-devkitc.toml: ESP32-DevKitC V4 with two SP3485.

-1 is no pin. Without a direction pin the transceiver turns round by itself, or there is none.
"""

from micropython import const

NUMBER = const(1)

POLE_UART = const(2)
POLE_TX = const(17)
POLE_RX = const(16)
POLE_DIRECTION = const(4)
POLE_ECHOES = const(0)

SENSOR_UART = const(1)
SENSOR_TX = const(25)
SENSOR_RX = const(26)
SENSOR_DIRECTION = const(27)
SENSOR_ECHOES = const(0)

# What has to be switched before anything can be sent: pin + 64 * level.
ENABLES = b""

# Pins that a node table may name.
INPUTS = b"\x0d\x12\x13\x15\x16\x17\x20\x21\x22\x23\x24\x27"
ANALOG = b"\x20\x21\x22\x23\x24\x27"
OUTPUTS = b"\x0d\x12\x13\x15\x16\x17\x20\x21"
