"""The way that datagrams take to the platform: what the client needs of it, and the ordinary one over the IP network.

Another way is a socket inside a modem (gateway_agent/modem). A way is opened for one peer and gives a link; when an
exchange gets no answer the client closes the link and opens a new one, perhaps over another way.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Protocol

from gateway_agent.uplink.errors import UplinkError

IP_LIMIT_BYTES = 1232
"""The greatest datagram that no network has to cut: IPv6's least packet of 1280 bytes without its and UDP's headers."""

Received = Callable[[bytes], None]
Lost = Callable[[Exception], None]


class NoWay(UplinkError):  # noqa: N818 - an ordinary state of a link
    """The way cannot be opened now; the text says why, and what to do where somebody must do something."""


class Link(Protocol):
    """Datagrams to one peer and back."""

    @property
    def limit_bytes(self) -> int:
        """The greatest datagram that can be sent."""
        ...

    def send(self, data: bytes, *, answer_expected: bool) -> None:
        """Send a datagram some time soon. `answer_expected` lets a radio go to sleep after one answer, or at once.

        Nothing tells whether it has arrived. What fails is told to whom `open` was given, perhaps before this returns.
        """
        ...

    def close(self) -> None:
        """Send and receive no more. A second call does nothing."""
        ...


class Way(Protocol):
    """Opens links."""

    async def open(self, host: str, port: int, on_datagram: Received, on_lost: Lost) -> Link:
        """A link to a peer. `on_datagram` gets what comes from there; `on_lost` what has gone wrong, OSError or
        UplinkError. Raises NoWay."""
        ...


class IpWay:
    """Ordinary sockets, over the system's routes, or always over one network interface such as `ppp0` or `usb0`."""

    def __init__(self, interface: str | None = None) -> None:
        self.interface = interface

    async def open(self, host: str, port: int, on_datagram: Received, on_lost: Lost) -> Link:
        """See Way. The link is a connected UDP socket, so that a refused port is told at once."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        except socket.gaierror as problem:
            raise NoWay(f"the name {host} is not known: {problem.strerror}") from problem
        problems: list[OSError] = []
        for family, kind, protocol, _, address in found:
            made = socket.socket(family, kind, protocol)
            try:
                made.setblocking(False)
                if self.interface is not None:
                    made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode())
                made.connect(address)
                _, link = await loop.create_datagram_endpoint(lambda: _IpLink(on_datagram, on_lost), sock=made)
            except OSError as problem:
                made.close()
                problems.append(problem)
                continue
            return link
        raise NoWay(self._why(problems)) from problems[0]

    def _why(self, problems: list[OSError]) -> str:
        why = problems[0].strerror or str(problems[0])
        over = "" if self.interface is None else f" over {self.interface}"
        return f"the platform cannot be reached{over}: {why}"


class _IpLink(asyncio.DatagramProtocol):
    limit_bytes = IP_LIMIT_BYTES

    def __init__(self, on_datagram: Received, on_lost: Lost) -> None:
        self._on_datagram = on_datagram
        self._on_lost = on_lost
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self._on_datagram(data)

    def error_received(self, problem: Exception) -> None:
        self._on_lost(problem)

    def connection_lost(self, problem: Exception | None) -> None:
        if problem is not None:
            self._on_lost(problem)

    def send(self, data: bytes, *, answer_expected: bool) -> None:
        self._transport.sendto(data)

    def close(self) -> None:
        self._transport.abort()
