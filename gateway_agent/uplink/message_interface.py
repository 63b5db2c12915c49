"""What aiocoap's message layer sends through: one peer, over whichever way its datagrams take (way.py).

aiocoap's own transports own a socket each; this one is handed what comes in and hands on what goes out, so that the
same message layer runs over the IP network and over a socket inside a modem.
"""

from collections.abc import Callable
from typing import Any

from aiocoap import interfaces  # type: ignore[import-untyped]
from aiocoap.numbers import constants  # type: ignore[import-untyped]


class Peer(interfaces.EndpointAddress):  # type: ignore[misc]
    """The only address there is: it equals itself alone, so a late datagram of an earlier link is nobody's."""

    is_multicast = False
    is_multicast_locally = False
    scheme = "coap"
    maximum_block_size_exp = constants.MAX_REGULAR_BLOCK_SIZE_EXP

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name

    @property
    def hostinfo(self) -> str:
        """The name that was given."""
        return self._name

    @property
    def hostinfo_local(self) -> str:
        """Ours is nowhere needed."""
        return ""

    @property
    def uri_base(self) -> str:
        """The peer's URI."""
        return f"coap://{self._name}"

    @property
    def uri_base_local(self) -> str:
        """Ours is nowhere needed."""
        return "coap://"

    @property
    def blockwise_key(self) -> str:
        """Blocks are not assembled by aiocoap here."""
        return self._name


class MessageInterface(interfaces.MessageInterface):  # type: ignore[misc]
    """Gives each message as bytes to `send_bytes`, until `shutdown`."""

    def __init__(self, peer: Peer, send_bytes: Callable[[Any, bytes], None], close: Callable[[], None]) -> None:
        """`send_bytes` gets aiocoap's message and what it is on the air."""
        self._peer = peer
        self._send_bytes = send_bytes
        self._close = close
        self._is_open = True

    def send(self, message: Any) -> None:
        """Send one; nothing more goes out after `shutdown`."""
        if self._is_open:
            self._send_bytes(message, message.encode())

    async def recognize_remote(self, remote: Any) -> bool:
        """Whether it is our peer."""
        return remote is self._peer

    async def determine_remote(self, message: Any) -> Peer:
        """Our peer: there is no other."""
        return self._peer

    async def shutdown(self) -> None:
        """Close the way."""
        self._is_open = False
        self._close()
