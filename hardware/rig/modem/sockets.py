"""The sockets inside a module: number, peer, and what has come and was not read."""

from collections import deque
from dataclasses import dataclass, field

from hardware.rig.modem.radio import RadioSocket

Address = tuple[str, int]
BUFFERED = 16
"""Datagrams that a socket keeps for a host that reads late; further ones are lost."""


@dataclass
class ModemSocket:
    """`remote` is the peer of a connected socket; `pushes` says whether datagrams are handed over unasked."""

    number: int
    way: RadioSocket
    remote: Address | None = None
    local_port: int = 0
    pushes: bool = True
    is_noted: bool = False
    is_closed: bool = False
    inbox: deque[tuple[bytes, Address]] = field(default_factory=deque)
    sent_bytes: int = 0
    read_bytes: int = 0

    def keep(self, data: bytes, sender: Address) -> bool:
        """Keep a datagram to be read; False where there is no room."""
        if len(self.inbox) >= BUFFERED:
            return False
        self.inbox.append((data, sender))
        return True
