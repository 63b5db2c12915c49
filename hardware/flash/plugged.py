"""Boards that come and go: waiting for the next port, and for one to be gone."""

import socket
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
    _used: set[str] = field(default_factory=set)

    def next_port(self) -> str:
        """Wait for a board and return its port. A board that was done is only next once it was gone."""
        while True:
            here = self._here()
            self._used &= set(here)
            for port in here:
                if port not in self._used:
                    self.wait(self.settle_s)
                    if port in self._here():
                        self._used.add(port)
                        return port
            self.wait(_LOOK_EVERY_S)

    def _here(self) -> list[str]:
        if self.named is None:
            return [port.name for port in usb_ports()]
        return [self.named] if _answers(self.named) else []


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
