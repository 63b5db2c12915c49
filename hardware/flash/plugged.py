"""Boards that come and go: waiting for the next port, and for one to be gone."""

import os
import socket
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hardware.flash.ports import is_there, is_url, usb_ports

_LOOK_EVERY_S = 0.2
_SETTLE_S = 0.3
_CONNECT_S = 0.5


@dataclass(slots=True)
class Plugged:
    """Where boards are plugged in: always the port `named`, or else any USB serial port.

    `wait` sleeps; `settle_s` is how long a port may take from its appearing to its being usable.
    """

    named: str | None = None
    wait: Callable[[float], None] = time.sleep
    settle_s: float = _SETTLE_S
    _used: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def leave_alone(self) -> None:
        """Take none of the ports that are there now, before it is plugged in anew."""
        self._used = self._here()

    def next_port(self) -> str:
        """Wait for a board and return its port. A board that was done is only next once it was unplugged."""
        while True:
            here = self._here()
            self._used = {port: mark for port, mark in self._used.items() if here.get(port) == mark}
            for port in here:
                if port not in self._used:
                    self.wait(self.settle_s)
                    mark = self._here().get(port)
                    if mark is not None:
                        self._used[port] = mark
                        return port
            self.wait(_LOOK_EVERY_S)

    def _here(self) -> dict[str, tuple[int, ...]]:
        """Every port that is there, with a mark that is another one when it was plugged in anew."""
        names = [port.name for port in usb_ports()] if self.named is None else [self.named]
        return {name: _mark(name) for name in names if _answers(name)}


def _mark(port: str) -> tuple[int, ...]:
    """What changes when a device is made anew; nothing for an address, which has to be seen gone."""
    try:
        place = os.lstat(port)
    except OSError:
        return ()
    return (place.st_ino, place.st_mtime_ns) if stat.S_ISLNK(place.st_mode) else (place.st_ino,)


def _answers(port: str) -> bool:
    """Whether something is plugged in; at an address, whether somebody listens there."""
    address = urlsplit(port)
    if not is_url(port) or address.hostname is None or address.port is None:
        return is_there(port)
    try:
        with socket.create_connection((address.hostname, address.port), _CONNECT_S):
            return True
    except OSError:
        return False
