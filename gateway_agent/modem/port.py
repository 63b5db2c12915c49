"""The bytes of a modem's serial port in asyncio: a device, or a pyserial URL that has a file descriptor.

Configure: `port` (a udev link such as /dev/gatepost-modem, so that the name stays when the modem is plugged elsewhere)
and perhaps `baud`. Try it without hardware: a pty, or the rig's `rig://` port. Where it hurts: a USB modem leaves and
comes back with each reset, so a port that is gone is an ordinary state here and is opened again by whoever owns it.
"""

import asyncio
import contextlib
import errno
import os
import termios
from collections.abc import Callable
from typing import Protocol

import serial

from gateway_agent.modem.cause import Cause
from gateway_agent.modem.errors import PortGoneError

_READ_BYTES = 4096
_BITS_A_BYTE = 10  # 8N1: a start bit, eight data bits, a stop bit
_WAITING_LIMIT_BYTES = 65536


class Port(Protocol):
    """What the AT engine needs of a port."""

    @property
    def byte_s(self) -> float:
        """Seconds that a byte takes on the line."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes some time soon. Raises PortGoneError when the port is not open."""
        ...


class SerialPort:
    """One serial port. `on_data` gets what is heard, `on_gone` why the port has closed by itself."""

    def __init__(self, url: str, on_data: Callable[[bytes], None], on_gone: Callable[[PortGoneError], None]) -> None:
        self.url = url
        self.baud = 0
        self._on_data = on_data
        self._on_gone = on_gone
        self._serial: serial.SerialBase | None = None
        self._waiting = bytearray()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def is_open(self) -> bool:
        """Whether the port is open; it closes by itself when the modem is pulled out."""
        return self._serial is not None

    @property
    def byte_s(self) -> float:
        """Seconds that a byte takes on the line."""
        return _BITS_A_BYTE / self.baud if self.baud else 0.0

    def open(self, baud: int) -> None:
        """Open the port, closing it first where it is open. Raises PortGoneError with the mend."""
        self.close()
        try:
            opened = serial.serial_for_url(self.url, baudrate=baud, exclusive=True, timeout=0, write_timeout=0)
        except (OSError, ValueError, termios.error) as error:
            raise _problem(self.url, error) from error
        try:
            descriptor = opened.fileno()
        except (OSError, AttributeError) as error:
            opened.close()
            raise PortGoneError(
                Cause.PORT_DEAD,
                f"modem port {self.url}: this kind of port has no file descriptor to wait on; name a device such as "
                "/dev/ttyUSB2, or socket://host:port",
            ) from error
        self._serial = opened
        self.baud = baud
        self._waiting.clear()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

    def write(self, data: bytes) -> None:
        """See Port. More than 64 KiB that the line does not take closes the port: nobody is listening there."""
        if self._serial is None or self._loop is None:
            raise PortGoneError(Cause.PORT_DEAD, f"modem port {self.url} is not open")
        if len(self._waiting) + len(data) > _WAITING_LIMIT_BYTES:
            problem = PortGoneError(
                Cause.PORT_DEAD, f"modem port {self.url} takes no more bytes; check flow control and the cable"
            )
            self._lose(problem)
            raise problem
        self._waiting += data
        self._loop.add_writer(self._serial.fileno(), self._writable)

    def close(self) -> None:
        """Let go of the port; a second call does nothing."""
        if self._serial is None or self._loop is None:
            return
        opened, self._serial = self._serial, None
        self._loop.remove_reader(opened.fileno())
        self._loop.remove_writer(opened.fileno())
        # The system would wait in `close` for what the line has not taken, half a minute with some drivers.
        with contextlib.suppress(OSError, termios.error):
            termios.tcflush(opened.fileno(), termios.TCOFLUSH)
        opened.close()

    def _readable(self) -> None:
        if self._serial is None:
            return
        try:
            data = self._serial.read(_READ_BYTES)
        except (OSError, termios.error) as error:
            self._lose(_problem(self.url, error))
            return
        if data:
            self._on_data(data)

    def _writable(self) -> None:
        if self._serial is None or self._loop is None:
            return
        try:
            sent = self._serial.write(bytes(self._waiting)) or 0
        except (BlockingIOError, InterruptedError):
            return
        except (OSError, termios.error) as error:
            self._lose(_problem(self.url, error))
            return
        del self._waiting[:sent]
        if not self._waiting:
            self._loop.remove_writer(self._serial.fileno())

    def _lose(self, problem: PortGoneError) -> None:
        self.close()
        self._on_gone(problem)


def _problem(url: str, error: Exception) -> PortGoneError:
    number = getattr(error, "errno", None)
    place = f"modem port {url}"
    if number == errno.ENOENT:
        return PortGoneError(Cause.PORT_MISSING, f"{place} is missing; plug in the modem, or mend the key port")
    if number in (errno.EBUSY, errno.EAGAIN):
        what = f"{place} is held by another program; stop it (often ModemManager), the port is tried again by itself"
        return PortGoneError(Cause.PORT_HELD, what)
    if number in (errno.EACCES, errno.EPERM):
        what = f"{place} is not permitted to this user; add it to the group dialout (or uucp) and log in again"
        return PortGoneError(Cause.PORT_FORBIDDEN, what)
    reason = str(error) if number is None else os.strerror(number)
    if isinstance(error, ValueError) or _is_no_terminal(error):
        what = f"{place} is no serial port ({reason}); name one such as /dev/gatepost-modem as port in pole.toml"
        return PortGoneError(Cause.PORT_MISSING, what)
    what = f"{place} does not respond ({reason}); the modem was pulled out or has restarted, it is tried again"
    return PortGoneError(Cause.PORT_DEAD, what)


def _is_no_terminal(error: Exception) -> bool:
    """Whether pyserial has met something that has no line settings, such as a file."""
    beneath = error.__context__
    return isinstance(beneath, termios.error) and beneath.args[0] == errno.ENOTTY
