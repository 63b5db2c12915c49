"""The three ways in which a host reaches a board: a serial device (pty), `socket://` and `rfc2217://` of pyserial.

To try one: `python -m hardware.rig.esp32 --link /tmp/ttyESP`, then `esptool --port /tmp/ttyESP flash-id` with BOOT
held. Where it hurts: a pty has no modem lines, and a plain socket neither lines nor a rate, so that a board on one of
these has to be brought into its loader by hand; `rfc2217://` has both, and pyserial waits 50 ms there at each change of
a setting, so that one run of esptool takes half a minute where the others take a second.
"""

import asyncio
import contextlib
import fcntl
import os
import pty
import select
import socket
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from hardware.rig.esp32.board import SimulatedBoard
from hardware.rig.esp32.rfc2217 import ComPortServer
from hardware.rig.esp32.stream import Stream

_OUTPUT_SPEED = 5
_LOOK_AGAIN_S = 0.02
_BAUDS = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1500000, 2000000)
_BAUD_OF_SPEED = {getattr(termios, f"B{baud}"): baud for baud in _BAUDS if hasattr(termios, f"B{baud}")}


class PtyEnd:
    """A serial device at `path`, a symbolic link that is there while the cable is in."""

    def __init__(self, board: SimulatedBoard, path: Path) -> None:
        self.path = path
        self._board = board
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._device = ""
        self._looking: asyncio.TimerHandle | None = None
        self._holder: int | None = None
        board.connect(self)

    @property
    def url(self) -> str:
        """What to give to pyserial or esptool as a port."""
        return str(self.path)

    @property
    def baud(self) -> int | None:
        """The rate that the opener has set."""
        if self._stream is None:
            return None
        return _BAUD_OF_SPEED.get(termios.tcgetattr(self._stream.descriptor)[_OUTPUT_SPEED])

    def plug(self) -> None:
        """Make the device. FileExistsError when something that is no link stands at `path`."""
        self._take_link_away()
        if self.path.exists():
            raise FileExistsError(f"{self.path} is there and is no link: name another place for the port")
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        self._device = os.ttyname(theirs)
        os.close(theirs)
        self._stream = Stream(ours, self._board.from_host, self._closed)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.symlink_to(self._device)

    def unplug(self) -> None:
        """Take the device away."""
        self.let_go()
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._take_link_away()
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def deliver(self, data: bytes, *, may_be_lost: bool) -> None:
        """Hand `data` to whoever has the device open."""
        if self._stream is not None and self._is_open():
            self._stream.write(data, may_be_lost=may_be_lost)

    def hold(self) -> None:
        """Let another program have the port: it is locked, as terminal programs lock it."""
        self._holder = os.open(self._device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.flock(self._holder, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def let_go(self) -> None:
        """The other program ends."""
        if self._holder is not None:
            os.close(self._holder)
            self._holder = None

    def _is_open(self) -> bool:
        if self._stream is None:
            return False
        poll = select.poll()
        poll.register(self._stream.descriptor, select.POLLIN)
        return not any(event & select.POLLHUP for _, event in poll.poll(0))

    def _take_link_away(self) -> None:
        if self.path.is_symlink():
            self.path.unlink()

    def _closed(self) -> None:
        self._board.host_left()
        self._look_again()

    def _look_again(self) -> None:
        """Nobody has it open; the kernel does not tell when somebody opens it, so ask now and then."""
        self._looking = None
        if self._stream is None:
            return
        if self._is_open():
            self._stream.resume()
        else:
            self._looking = self._loop.call_later(_LOOK_AGAIN_S, self._look_again)


class SocketEnd:
    """A TCP port at which one host at a time gets the bare bytes."""

    scheme = "socket"

    def __init__(self, board: SimulatedBoard, port: int = 0) -> None:
        self.refused = 0
        self._board = board
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._listener: socket.socket | None = None
        self._stream: Stream | None = None
        self._held = False
        board.connect(self)

    @property
    def url(self) -> str:
        """What to give to pyserial or esptool as a port."""
        return f"{self.scheme}://127.0.0.1:{self._port}"

    @property
    def baud(self) -> int | None:
        """A socket does not tell."""
        return None

    def plug(self) -> None:
        """Listen, each time at the same port."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen()
        listener.setblocking(False)
        self._port = listener.getsockname()[1]
        self._listener = listener
        self._loop.add_reader(listener.fileno(), self._accept)

    def unplug(self) -> None:
        """End the connection and listen no more."""
        if self._listener is not None:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
            self._listener = None
        self._hang_up()

    def hold(self) -> None:
        """Let another program have the port: whoever else comes is turned away."""
        self._held = True

    def let_go(self) -> None:
        """The other program ends."""
        self._held = False

    def deliver(self, data: bytes, *, may_be_lost: bool) -> None:
        """Hand `data` to who is connected."""
        if self._stream is not None:
            self._stream.write(self._encode(data), may_be_lost=may_be_lost)

    def _encode(self, data: bytes) -> bytes:
        return data

    def _take(self) -> Callable[[bytes], None]:
        """Who gets what a new connection sends."""
        return self._board.from_host

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:
            return
        if self._stream is not None or self._held:
            self.refused += 1
            connection.close()
            return
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._stream = Stream(connection.detach(), self._take(), self._closed)

    def _closed(self) -> None:
        self._hang_up()
        self._board.host_left()

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


class Rfc2217End(SocketEnd):
    """A TCP port that speaks RFC 2217: rate and modem lines arrive, and drive EN and IO0."""

    scheme = "rfc2217"

    def __init__(self, board: SimulatedBoard, port: int = 0) -> None:
        super().__init__(board, port)
        self._server: ComPortServer | None = None

    @property
    def baud(self) -> int | None:
        """The rate that the host has set."""
        return self._server.baud if self._server is not None else None

    def _take(self) -> Callable[[bytes], None]:
        self._server = ComPortServer(self._board.from_host, self._board.set_lines, self._reply)
        return self._server.feed

    def _encode(self, data: bytes) -> bytes:
        return ComPortServer.escape(data)

    def _reply(self, data: bytes) -> None:
        if self._stream is not None:
            self._stream.write(data)
