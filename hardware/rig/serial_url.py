"""Serial ports named `rig://NAME` for pyserial, backed by a socketpair whose other end is on a line in software.

The kernel hands a socketpair's bytes over at once, which a pty does not promise, so a run in virtual time uses these.
`SerialPort(name, line)` makes the port, on a bus or a UART; whoever opens `rig://NAME` in this process with pyserial or
pymodbus then gets a serial port with the settings it asks for. Bytes go on the line at the line's byte times; while
nobody has the port open, what arrives is lost, as with a real one. A second opening is refused like a locked device.

Where it hurts: a blocking read could never be answered, for line and reader share one thread. Reads therefore return
what is there, whatever `timeout` says; pymodbus's asyncio client asks for nothing else.
"""

import asyncio
import errno
import fcntl
import os
import socket
import struct
import termios

import serial

from hardware.rig.line import Line, LineEnd

_HANDLER_PACKAGE = "hardware.rig"  # pyserial looks there for the module `protocol_rig`
_READ_BYTES = 4096

_ports: dict[str, "SerialPort"] = {}


class SerialPort:
    """The rig's end of `rig://NAME`: an end of `line`, and a socketpair while somebody has the port open."""

    def __init__(self, name: str, line: Line) -> None:
        if name in _ports:
            raise ValueError(f"there is a port rig://{name} already")
        if _HANDLER_PACKAGE not in serial.protocol_handler_packages:
            serial.protocol_handler_packages.append(_HANDLER_PACKAGE)
        self.name = name
        self.path = f"rig://{name}"
        self.drop: LineEnd = line.attach(f"port:{name}", self._receive)
        self.lost_bytes = 0
        self._loop = asyncio.get_running_loop()
        self._line: socket.socket | None = None
        self._plugged = True
        _ports[name] = self

    @property
    def is_open(self) -> bool:
        """Whether somebody has the port open."""
        return self._line is not None

    def unplug(self) -> None:
        """Pull the adapter out: whoever has it open loses it, and opening fails until `replug`."""
        self._plugged = False
        self.release()

    def replug(self) -> None:
        """Put the adapter back in."""
        self._plugged = True

    def release(self) -> None:
        """Take the port from whoever has it open, as the end of a process does."""
        if self._line is not None:
            self._loop.remove_reader(self._line.fileno())
            self._line.close()
            self._line = None

    def close(self) -> None:
        """Leave the line and forget the name."""
        self.release()
        self.drop.detach()
        _ports.pop(self.name, None)

    def connect(self) -> socket.socket:
        """The opener's end of a new connection; OSError with ENOENT (not plugged in) or EAGAIN (taken)."""
        if not self._plugged:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        if self._line is not None:
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self._line = ours
        self._loop.add_reader(ours.fileno(), self._written)
        return theirs

    def _written(self) -> None:
        line = self._line
        if line is None:
            return
        try:
            data = line.recv(_READ_BYTES)
        except ConnectionResetError:
            data = b""
        if data:
            self.drop.send(data)
        else:
            self.release()

    def _receive(self, data: bytes) -> None:
        if self._line is None:
            return
        try:
            taken = self._line.send(data)
        except BlockingIOError:
            taken = 0
        except (BrokenPipeError, ConnectionResetError):
            self.release()
            return
        self.lost_bytes += len(data) - taken


class Serial(serial.SerialBase):  # type: ignore[misc, unused-ignore]
    """pyserial's side of `rig://NAME`. SerialException as from a device that is missing, taken or pulled out."""

    BAUDRATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._socket: socket.socket | None = None
        self._rig_port: SerialPort | None = None
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def open(self) -> None:
        """Connect to the port of that name and set the line as wanted."""
        name = str(self.port).partition("://")[2]
        port = _ports.get(name)
        try:
            if port is None:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
            self._socket = port.connect()
        except OSError as error:
            what = "Could not exclusively lock" if error.errno == errno.EAGAIN else "could not open"
            raise serial.SerialException(error.errno, f"{what} port {self.port}: {error}") from error
        self._rig_port = port
        self._reconfigure_port()
        self.is_open = True

    def close(self) -> None:
        """Give the port back; a second call does nothing."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._rig_port is not None:
            self._rig_port.release()
            self._rig_port = None
        self.is_open = False

    def fileno(self) -> int:
        """The descriptor that an event loop may watch."""
        return self._connected().fileno()

    @property
    def in_waiting(self) -> int:
        """Bytes that a read would return at once."""
        (count,) = struct.unpack("i", fcntl.ioctl(self._connected().fileno(), termios.FIONREAD, b"\0\0\0\0"))
        return int(count)

    @property
    def out_waiting(self) -> int:
        """Always 0: the rig takes bytes over at once."""
        return 0

    def read(self, size: int = 1) -> bytes:
        """At most `size` bytes that are there now, perhaps none; SerialException when the port is gone."""
        try:
            data = self._connected().recv(size)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise serial.SerialException(error.errno, f"read failed: {error}") from error
        if not data:
            raise serial.SerialException(errno.EIO, f"port {self.port} is gone: it was unplugged")
        return data

    def write(self, data: bytes, /) -> int:  # type: ignore[override, unused-ignore]
        """Hand `data` to the line and return how many bytes were taken; SerialException when the port is gone."""
        try:
            return self._connected().send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise serial.SerialException(error.errno, f"write failed: {error}") from error

    def flush(self) -> None:
        """Nothing to wait for: the rig takes bytes over at once."""

    def reset_input_buffer(self) -> None:
        """Throw away what has arrived and was not read."""
        while self.in_waiting and self.read(_READ_BYTES):
            continue

    def reset_output_buffer(self) -> None:
        """Nothing to throw away: the rig takes bytes over at once."""

    def _connected(self) -> socket.socket:
        if self._socket is None:
            raise serial.PortNotOpenError
        return self._socket

    def _reconfigure_port(self) -> None:
        if self._rig_port is not None:
            self._rig_port.drop.configure(int(self.baudrate), str(self.parity), round(self.stopbits))

    def _update_rts_state(self) -> None:
        """RTS drives nothing here: a bus knows who talks, and a UART has no flow control."""

    def _update_dtr_state(self) -> None:
        """DTR drives nothing here."""
