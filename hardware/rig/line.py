"""What a serial port of the rig is plugged into: a bus with many drops, or a UART with two ends."""

from collections.abc import Callable
from typing import Protocol

from hardware.rig.line_settings import LineSettings


class LineEnd(Protocol):
    """One end of a line, as `Bus.attach` and `Uart.attach` give it."""

    @property
    def settings(self) -> LineSettings:
        """Baud rate, parity and stop bits of this end."""
        ...

    def send(self, data: bytes, after_s: float = 0.0) -> float:
        """Put bytes on the line; the loop time at which the last bit is out."""
        ...

    def configure(self, baud: int, parity: str = "N", stop_bits: int = 1) -> None:
        """Set this end from now on; ValueError for impossible settings."""
        ...

    def detach(self) -> None:
        """Leave the line."""
        ...


class Line(Protocol):
    """What ends are attached to."""

    def attach(
        self,
        name: str,
        receive: Callable[[bytes], None] | None = None,
        baud: int | None = None,
        parity: str | None = None,
        stop_bits: int | None = None,
    ) -> LineEnd:
        """Connect an end; `receive` gets bytes as they arrive. Settings that are left out are the line's own."""
        ...
