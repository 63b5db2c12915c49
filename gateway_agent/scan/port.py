"""The serial port of a scan: sends a frame at any line settings and hands back every byte that comes after it.

Configure: any name or URL that pyserial opens (`/dev/ttyUSB0`, `socket://`, `rfc2217://`). Try it without hardware: the
rig's `rig://` ports, or a pty. Where it hurts: a `socket://` port has no line settings of its own, so what the box
behind it is set to is all that can be found there; a USB adapter hands bytes over late, which `LATENCY_S` allows for.

It has no retries and checks nothing, other than the agent's own line: damaged bytes are what a scan is after.
"""

import asyncio
import errno
import os
import termios
from dataclasses import dataclass

import serial

from gateway_agent.errors import GatepostError
from gateway_agent.scan.setting import Setting

LATENCY_S = 0.02
_SWITCH_GAP_S = 0.02
_FIFO_BYTES = 16
_READ_BYTES = 4096
_GONE = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.EBADF)
_POLL_S = 0.002
_LONGEST_BYTES = 600
_BUSY_LIMIT_S = 0.25


class ScanError(GatepostError):
    """A scan cannot begin, go on, or do what was asked; the text says why and what to do."""


class SettingRefusedError(ScanError):
    """The adapter or its driver does not take a rate or parity; others may do."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The bytes after a question; `late` came before it, after the last one at this setting was given up."""

    data: bytes
    late: bytes


class ScanPort:
    """A port that one scan has for itself. `busy_s` is the line's time that it has used so far, waiting included."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.busy_s = 0.0
        self._port: serial.Serial | None = None
        self._setting: Setting | None = None
        self._watched: int | None = None
        self._buffer = bytearray()
        self._last_s = 0.0
        self._problem: serial.SerialException | None = None
        self._fresh = asyncio.Event()

    @property
    def has_settings(self) -> bool:
        """Whether rate and parity of the line can be chosen through this port."""
        return not self.name.startswith("socket://")

    def open(self) -> None:
        """Open the port. Raises ScanError with what is wrong and the mend."""
        try:
            self._port = serial.serial_for_url(self.name, timeout=0, exclusive=True)
        except (OSError, ValueError, termios.error) as error:
            raise ScanError(_open_problem(self.name, error)) from error
        try:
            self._watched = self._port.fileno()
        except (OSError, AttributeError):
            self._watched = None  # rfc2217:// has none: it is polled
        if self._watched is not None:
            asyncio.get_running_loop().add_reader(self._watched, self._take)

    def close(self) -> None:
        """Give the port back; a second call does nothing."""
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None
        if self._port is not None:
            self._port.close()
            self._port = None

    async def ask(self, frame: bytes, setting: Setting, wait_s: float, *, linger: bool = False) -> Heard:
        """Send `frame` and return what comes within `wait_s` of its end and, once bytes come, until they stop.

        With `linger` the whole of `wait_s` is waited out, for a second answer. Raises ScanError when the port is gone.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await self._switch(setting)
        await self._quiet(setting)
        late = bytes(self._buffer)
        self._buffer.clear()
        port = self._opened()
        try:
            port.write(frame)
        except serial.SerialException as error:
            raise ScanError(_gone(self.name)) from error
        limit_s = loop.time() + len(frame) * setting.byte_s + wait_s
        await self._collect(limit_s, setting, 0 if linger else len(frame), frame, linger=linger)
        self.busy_s += loop.time() - began_s
        data = bytes(self._buffer)
        self._buffer.clear()
        return Heard(data, late)

    async def listen(self, setting: Setting, seconds: float) -> bytes:
        """All that is heard within so many seconds without asking anything. Raises ScanError when the port is gone."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        await self._switch(setting)
        self._buffer.clear()
        while (left_s := began_s + seconds - loop.time()) > 0 and len(self._buffer) < _READ_BYTES:
            await self._next_bytes(left_s)
        self.busy_s += loop.time() - began_s
        return bytes(self._buffer)

    async def _collect(self, limit_s: float, setting: Setting, own: int, frame: bytes, *, linger: bool) -> None:
        """Take bytes until the limit, or until they have stopped coming."""
        loop = asyncio.get_running_loop()
        quiet_s = setting.silence_s + _FIFO_BYTES * setting.byte_s + LATENCY_S
        while len(self._buffer) < _LONGEST_BYTES:
            is_own = bytes(self._buffer[:own]) == frame[: len(self._buffer)] and len(self._buffer) <= own
            has_more = bool(self._buffer) and not is_own
            until_s = self._last_s + quiet_s if has_more else limit_s
            if linger:
                until_s = max(until_s, limit_s)
            if (left_s := until_s - loop.time()) <= 0:
                return
            await self._next_bytes(left_s)

    async def _next_bytes(self, left_s: float) -> None:
        """Wait for bytes, at most so long."""
        if self._watched is None:
            await asyncio.sleep(min(_POLL_S, left_s))
            self._take()
        else:
            self._fresh.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._fresh.wait()
            except TimeoutError:
                return
        if self._problem is not None:
            raise ScanError(_gone(self.name)) from self._problem

    async def _quiet(self, setting: Setting) -> None:
        """Wait until the line has been silent for the end of a frame, at most for a while."""
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + _BUSY_LIMIT_S
        await asyncio.sleep(setting.silence_s)
        if self._watched is None:
            self._take()
        while loop.time() < limit_s and (left_s := self._last_s + setting.silence_s - loop.time()) > 0:
            await self._next_bytes(left_s)

    async def _switch(self, setting: Setting) -> None:
        if setting == self._setting:
            return
        port = self._opened()
        try:
            port.apply_settings({"baudrate": setting.baud, "parity": setting.parity, "stopbits": setting.stop_bits})
        except (serial.SerialException, ValueError, OSError, termios.error) as error:
            if self._problem is not None or _errno(error) in _GONE:
                raise ScanError(_gone(self.name)) from error
            raise SettingRefusedError(f"{self.name} does not take {setting} ({error}); use another adapter") from error
        self._setting = setting
        await asyncio.sleep(_SWITCH_GAP_S)
        self._take()
        self._buffer.clear()  # what came at the other setting is no answer at this one

    def _take(self) -> None:
        port = self._port
        if port is None:
            return
        try:
            data = port.read(_READ_BYTES)
            while self._watched is None and (more := port.read(_READ_BYTES)):
                data += more  # rfc2217:// hands out one byte a time
        except (serial.SerialException, OSError) as error:
            self._problem = serial.SerialException(str(error))
            if self._watched is not None:
                asyncio.get_running_loop().remove_reader(self._watched)
                self._watched = None
            self._fresh.set()
            return
        if data:
            self._last_s = asyncio.get_running_loop().time()
            self._buffer += data
            self._fresh.set()

    def _opened(self) -> serial.Serial:
        if self._port is None or self._problem is not None:
            raise ScanError(_gone(self.name))
        return self._port


def _errno(error: Exception) -> int | None:
    """The system's number of an error; termios keeps it elsewhere than OSError does."""
    number = error.args[0] if isinstance(error, termios.error) and error.args else getattr(error, "errno", None)
    return number if isinstance(number, int) else None


def _gone(name: str) -> str:
    return f"{name} has gone away; plug the adapter in again and scan once more"


def _open_problem(name: str, error: Exception) -> str:
    number = _errno(error)
    reason = str(error) if number is None else os.strerror(number)
    if number in (errno.EBUSY, errno.EAGAIN):
        return f"{name} is in use; stop the agent or the other program that has it (systemctl stop gatepost)"
    if number == errno.ENOENT:
        return f"{name} is not there; plug the adapter in and look at its name with: ls /dev/serial/by-id"
    if number in (errno.EACCES, errno.EPERM):
        return f"{name} is not permitted to this user; add it to the group dialout (or uucp) and log in again"
    return f"{name} cannot be opened ({reason}); check the name or URL of the port"
