"""A UART in software: full duplex, two ends, byte times true to the baud rate; a wrong baud rate gives garbage.

`Uart()` inside a running loop, then `attach` for the module's end and `as_url(name)` (virtual time) or `as_pty(link)`
(an agent in its own process) for the host's. `unplug` and `replug` take the host's port away and bring it back.
Where it hurts: there is no flow control, as on most boards; what a side does not read in time is lost.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from hardware.rig.line_settings import LineSettings, heard_as
from hardware.rig.pty_drop import PtyDrop
from hardware.rig.serial_url import SerialPort

_CHUNK_BYTES = 32


class UartEnd:
    """One end of a UART. Made by `Uart.attach`; `bytes_sent` counts."""

    def __init__(
        self, uart: "Uart", name: str, receive: Callable[[bytes], None] | None, settings: LineSettings
    ) -> None:
        self.name = name
        self.receive = receive
        self.settings = settings
        self.bytes_sent = 0
        self.busy_until_s = 0.0
        self._uart = uart

    def send(self, data: bytes, after_s: float = 0.0) -> float:
        """Put `data` on the line, `after_s` seconds from now, after what this end is still sending.

        Returns the loop time at which its last bit is out.
        """
        return self._uart._send(self, bytes(data), after_s)

    @property
    def peer_settings(self) -> LineSettings | None:
        """The settings of the other end, or None where there is none."""
        other = self._uart._other(self)
        return None if other is None else other.settings

    def silence(self) -> None:
        """Stop in the middle of what this end is sending, as a module does that loses its supply."""
        self._uart._cut(self)

    def configure(self, baud: int, parity: str = "N", stop_bits: int = 1) -> None:
        """Set baud rate, parity and stop bits from now on; ValueError for impossible ones."""
        self.settings = LineSettings(baud, parity, stop_bits)

    def detach(self) -> None:
        """Leave the line."""
        self._uart._detach(self)


class Uart:
    """A line with two ends. `baud` is what an end gets that says nothing else; the time is the running loop's.

    `on_sent(end, data)`, where it is set, gets what each end sends, when it begins to.
    """

    def __init__(self, baud: int = 115200) -> None:
        self.settings = LineSettings(baud)
        self.port: SerialPort | PtyDrop | None = None
        self.on_sent: Callable[[UartEnd, bytes], None] | None = None
        self._loop = asyncio.get_running_loop()
        self._ends: list[UartEnd] = []
        self._timers: dict[UartEnd, set[asyncio.TimerHandle]] = {}

    def attach(
        self,
        name: str,
        receive: Callable[[bytes], None] | None = None,
        baud: int | None = None,
        parity: str | None = None,
        stop_bits: int | None = None,
    ) -> UartEnd:
        """Connect an end and return it; ValueError where two are connected already."""
        if len(self._ends) == 2:
            raise ValueError(f"a UART has two ends: {self._ends[0].name} and {self._ends[1].name} are connected")
        own = self.settings
        end = UartEnd(
            self, name, receive, LineSettings(baud or own.baud, parity or own.parity, stop_bits or own.stop_bits)
        )
        self._ends.append(end)
        self._timers[end] = set()
        return end

    def as_url(self, name: str) -> SerialPort:
        """Make this UART the port `rig://NAME` of this process."""
        self.port = SerialPort(name, self)
        return self.port

    def as_pty(self, link: Path) -> PtyDrop:
        """Make this UART a serial device below the symbolic link `link`."""
        self.port = PtyDrop(self, link)
        return self.port

    def unplug(self) -> None:
        """Take the host's port away: who has it open loses it, and opening fails."""
        if self.port is not None:
            self.port.unplug()

    def replug(self) -> None:
        """Bring the host's port back under the same name."""
        if self.port is not None:
            self.port.replug()

    def close(self) -> None:
        """Give the host's port up and forget what is under way."""
        if self.port is not None:
            self.port.close()
            self.port = None
        for end in list(self._ends):
            self._detach(end)

    def _send(self, end: UartEnd, data: bytes, after_s: float) -> float:
        now = self._loop.time()
        settings = end.settings
        start_s = max(now + after_s, end.busy_until_s)
        if not data or end not in self._ends:
            return start_s
        end.bytes_sent += len(data)
        if self.on_sent is not None:
            self.on_sent(end, data)
        end.busy_until_s = start_s + len(data) * settings.byte_s
        other = self._other(end)
        if other is not None and not other.settings.understands(settings):
            # A UART at another rate sees the whole as one run of levels.
            self._later(end, end.busy_until_s, data, settings)
            return end.busy_until_s
        for begin in range(0, len(data), _CHUNK_BYTES):
            piece = data[begin : begin + _CHUNK_BYTES]
            self._later(end, start_s + (begin + len(piece)) * settings.byte_s, piece, settings)
        return end.busy_until_s

    def _later(self, end: UartEnd, at_s: float, data: bytes, settings: LineSettings) -> None:
        def due() -> None:
            self._timers[end].discard(timer)
            other = self._other(end)
            if other is None or other.receive is None:
                return
            heard = data if other.settings.understands(settings) else heard_as(data, settings, other.settings)
            if heard:
                other.receive(heard)

        timer = self._loop.call_at(at_s, due)
        self._timers[end].add(timer)

    def _other(self, end: UartEnd) -> UartEnd | None:
        return next((other for other in self._ends if other is not end), None)

    def _cut(self, end: UartEnd) -> None:
        for timer in self._timers.get(end, ()):
            timer.cancel()
        self._timers[end] = set()
        end.busy_until_s = self._loop.time()

    def _detach(self, end: UartEnd) -> None:
        if end in self._ends:
            self._cut(end)
            self._ends.remove(end)
            del self._timers[end]
