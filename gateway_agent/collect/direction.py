"""Who turns the RS-485 transceiver round: the adapter itself, the kernel, or this program.

- `auto`: the adapter does it (most USB adapters, HATs with automatic direction). Nothing to configure.
- `rts`: the kernel drives RTS around each transmission (TIOCSRS485, Linux; PL011 and 16550 drivers with an RTS pin).
  Without hardware: any pty refuses it, which shows the message. Not tried on a real PL011 yet.
- `gpio`: this program drives a GPIO line of the character device (`gpio_line = "GPIO17"`, or a line's name or
  `gpiochip0:17`). The line falls when the last bit should be out, as far as the scheduler is punctual: keep such a bus
  at 19200 baud or below, and prefer `rts` where the driver can do it. Tried against a stand-in for the kernel's calls,
  not on a board yet.
"""

import asyncio
from typing import Protocol

import serial
from serial.rs485 import RS485Settings

from gateway_agent.collect.gpio_line import GpioLine
from gateway_agent.config import BusConfig
from gateway_agent.errors import GatepostError

_RELEASE_MARGIN_S = 0.0002


class DirectionError(GatepostError):
    """The transceiver's direction cannot be controlled in the way that the configuration asks for."""


class Direction(Protocol):
    """Turns a transceiver to sending and back."""

    def prepare(self, port: serial.Serial) -> None:
        """Set up after the port was opened. Raises DirectionError."""

    def sending(self, duration_s: float) -> None:
        """Begin to drive the line: a frame that lasts `duration_s` seconds goes out now."""

    def close(self) -> None:
        """Let go of the line."""


class AutoDirection:
    """The adapter turns itself round."""

    def prepare(self, port: serial.Serial) -> None:
        """Nothing to set up."""

    def sending(self, duration_s: float) -> None:
        """Nothing to turn."""

    def close(self) -> None:
        """Nothing to let go of."""


class RtsDirection(AutoDirection):
    """The kernel drives RTS: high while sending, low otherwise."""

    def prepare(self, port: serial.Serial) -> None:
        """Hand direction to the kernel; DirectionError when its driver cannot do it."""
        try:
            port.rs485_mode = RS485Settings(rts_level_for_tx=True, rts_level_for_rx=False)
        except (ValueError, OSError, NotImplementedError, AttributeError) as error:
            raise DirectionError(
                f'{port.name}: the driver cannot switch direction by RTS ({error}); set rs485 = "auto" for an adapter '
                'that turns itself round, or rs485 = "gpio" with gpio_line'
            ) from error


class GpioDirection:
    """This program drives a GPIO line, high while sending."""

    def __init__(self, line: GpioLine) -> None:
        self._line = line
        self._release: asyncio.TimerHandle | None = None

    def prepare(self, port: serial.Serial) -> None:
        """Take the line and keep it low; DirectionError when the kernel does not give it."""
        try:
            self._line.open()
            self._line.set(False)
        except OSError as error:
            raise DirectionError(
                f"GPIO line {self._line.name} cannot be used ({error}); check gpio_line, that nothing else holds the "
                "line, and that this user is in the group gpio"
            ) from error

    def sending(self, duration_s: float) -> None:
        """Raise the line now and lower it when the frame is out."""
        if self._release is not None:
            self._release.cancel()
        self._line.set(True)
        loop = asyncio.get_running_loop()
        self._release = loop.call_later(duration_s + _RELEASE_MARGIN_S, self._line.set, False)

    def close(self) -> None:
        """Lower the line and give it back."""
        if self._release is not None:
            self._release.cancel()
            self._release = None
        self._line.close()


def direction_for(bus: BusConfig) -> Direction:
    """The way of turning that a bus's configuration asks for."""
    if bus.rs485 == "rts":
        return RtsDirection()
    if bus.rs485 == "gpio":
        return GpioDirection(GpioLine(bus.gpio_line or ""))
    return AutoDirection()
