"""The platform's UDP socket with aiocoap's message layer above it: filtered before, bounded within, guarded after.

What aiocoap does here: message ids, answers in acknowledgements, retransmission of notifications. What is ours: the
filter (admission.py) before it sees a datagram; that only what is genuine under a key is handed to it (`deliver`); a
bound on what it remembers to recognise duplicates; and that nothing leaves in the clear where keys are used.

Set up: IPv4 or IPv6 literal and port; aiocoap's `simplesocketserver` is what this is made from, which works where the
kernel has no IPv6 and cannot be bound to "any address". Where it hurts (aiocoap 0.4.17, pinned): it shares its port
silently with whoever has it (SO_REUSEPORT), so the socket is opened here; it keeps 1 to 2 kB for each request for
247 s (RFC 7252, EXCHANGE_LIFETIME), and takes two different messages with one message id for the same.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from aiocoap import Context, Message  # type: ignore[import-untyped]
from aiocoap.messagemanager import MessageManager  # type: ignore[import-untyped]
from aiocoap.numbers.types import ACK  # type: ignore[import-untyped]
from aiocoap.tokenmanager import TokenManager  # type: ignore[import-untyped]
from aiocoap.transports.simplesocketserver import (  # type: ignore[import-untyped]
    MessageInterfaceSimpleServer,
    _DatagramServerSocketSimple,
)
from aiocoap.util import hostportjoin  # type: ignore[import-untyped]

from gateway_agent.uplink import datagram as wire
from gateway_agent.uplink.admission import Admission

log = logging.getLogger("gatepost.platform")

_REMEMBERED = 1024
"""Requests that are remembered to answer their repetitions: what the gateways of a city send in half a minute."""
_OWN_OPTIONS = 64

Receive = Callable[[Any, bytes, wire.Datagram], None]


class PlatformSocket:
    """Made by `open`. `receive(remote, data, datagram)` gets what the filter lets in and calls `deliver` for what is
    genuine; `render(pipe)` answers it, as a site of aiocoap does, and `on_answer` gets what is sent as answer."""

    def __init__(self, admission: Admission, receive: Receive, site: Any, *, is_clear: bool) -> None:
        self.admission = admission
        self.host, self.port = "", 0
        self._receive = receive
        self._is_clear = is_clear
        self._context = Context(loop=asyncio.get_running_loop(), serversite=site, loggername="gatepost.platform.coap")
        self._tokens = TokenManager(self._context)
        self._messages = _BoundedMessages(self._tokens)

    @classmethod
    async def open(
        cls, host: str, port: int, admission: Admission, receive: Receive, site: Any, *, is_clear: bool
    ) -> Self:
        """Listen at `host`:`port` (0: any free one). Raises OSError where that cannot be had."""
        made = cls(admission, receive, site, is_clear=is_clear)
        interface = await _Filtered.create_server((host, port), made._messages, made._context.log, made._context.loop)
        interface.owner = made
        made.host, made.port = interface._pool._transport.get_extra_info("sockname")[:2]
        made._messages.message_interface = interface
        made._tokens.token_interface = made._messages
        made._context.request_interfaces.append(made._tokens)
        return made

    async def close(self) -> None:
        """Close the socket and forget every request and relation."""
        await self._context.shutdown()

    def deliver(self, message: Any) -> None:
        """Hand a message to aiocoap, which calls the site for a request that is new."""
        self._messages.dispatch_message(message)

    def repeat(self, remote: Any, data: bytes, datagram: wire.Datagram) -> bool:
        """Whether this very datagram came before and is remembered; its answer is then sent again, if it has one."""
        return self._messages.repeat(remote, datagram.message_id, data)

    def decode(self, remote: Any, data: bytes) -> Any:
        """The message of aiocoap. Raises aiocoap's error.Error, and ValueError for text that is not UTF-8."""
        message = Message.decode(data, remote=remote)
        message.data = data
        return message

    def forget(self, message: Any, notification: Any) -> None:
        """End the relation that a request began, without a word, and repeat its latest notification no more."""
        if notification is not None:
            self._messages.end_retransmission(notification)
        found = (self._tokens.incoming_requests or {}).get((message.token, message.remote))
        if found is not None:
            found[1]()

    def acknowledged(self, message: Any) -> "asyncio.Future[bool]":
        """Whether the other side acknowledges a confirmable message that was just sent."""
        return self._messages.acknowledgement(message)

    def received(self, remote: Any, data: bytes) -> None:
        """Filter a datagram."""
        datagram = self.admission.admit(data, remote.address)
        if datagram is not None:
            self._receive(remote, data, datagram)

    def may_send(self, data: bytes) -> bool:
        """Whether a datagram is protected, or bare, or EDHOC's second message; anything else stays here."""
        head = wire.read_datagram(data, _OWN_OPTIONS)
        return self._is_clear or head.oscore is not None or head.is_bare_answer


@dataclass(slots=True)
class _Request:
    data: bytes
    until_s: float
    answer: Any = None


class _BoundedMessages(MessageManager):  # type: ignore[misc]
    """Remembers the latest requests only, tells them apart by all their bytes, and tells what was acknowledged."""

    def __init__(self, tokens: Any) -> None:
        super().__init__(tokens)
        self._requests: dict[tuple[Any, int], _Request] = {}
        self._acknowledgements: dict[tuple[Any, int], asyncio.Future[bool]] = {}

    def repeat(self, remote: Any, message_id: int, data: bytes) -> bool:
        found = self._requests.get((remote, message_id))
        if found is None or found.data != data or found.until_s <= self.loop.time():
            return False
        if found.answer is not None:
            self._send_initially(found.answer)
        return True

    def acknowledgement(self, message: Any) -> "asyncio.Future[bool]":
        key = (message.remote, message.mid)
        future: asyncio.Future[bool] = self.loop.create_future()
        if key in (self._active_exchanges or ()) or any(
            entry[0] is message for entry in self._backlogs.get(key[0], ())
        ):
            self._acknowledgements[key] = future
            future.add_done_callback(lambda _: self._acknowledgements.pop(key, None))
        else:
            future.set_result(False)
        return future

    def end_retransmission(self, message: Any) -> None:
        key = (message.remote, message.mid)
        found = (self._active_exchanges or {}).pop(key, None)
        if found is not None:
            found[1].cancel()
            self._continue_backlog(message.remote)
        self._tell(key, False)

    def _deduplicate_message(self, message: Any) -> bool:
        key = (message.remote, message.mid)
        now_s = self.loop.time()
        if self.repeat(message.remote, message.mid, message.data):
            return True
        self._requests.pop(key, None)
        while self._requests:
            oldest = next(iter(self._requests))
            if len(self._requests) < _REMEMBERED and self._requests[oldest].until_s > now_s:
                break
            del self._requests[oldest]
        self._requests[key] = _Request(message.data, now_s + message.transport_tuning.EXCHANGE_LIFETIME)
        return False

    def _store_response_for_duplicates(self, message: Any) -> None:
        found = self._requests.get((message.remote, message.mid))
        if found is not None and message.mtype is ACK:
            found.answer = message

    def _remove_exchange(self, message: Any) -> None:
        super()._remove_exchange(message)
        self._tell((message.remote, message.mid), message.mtype is ACK)

    def dispatch_error(self, problem: Any, remote: Any) -> None:
        super().dispatch_error(problem, remote)
        self._tell_all(remote)

    def _retransmit(self, message: Any, timeout: float, retransmission_counter: int) -> None:
        super()._retransmit(message, timeout, retransmission_counter)
        if (message.remote, message.mid) not in self._active_exchanges:
            self._tell_all(message.remote)

    async def shutdown(self) -> None:
        await super().shutdown()
        for key in tuple(self._acknowledgements):
            self._tell(key, False)

    def _tell_all(self, remote: Any) -> None:
        for key in [key for key in self._acknowledgements if key[0] == remote]:
            self._tell(key, False)

    def _tell(self, key: tuple[Any, int], is_acknowledged: bool) -> None:
        future = self._acknowledgements.pop(key, None)
        if future is not None and not future.done():
            future.set_result(is_acknowledged)


class _Socket(_DatagramServerSocketSimple):  # type: ignore[misc]
    """As aiocoap's, on a port that nobody else has."""

    @classmethod
    async def create(cls, bind: Any, log: Any, loop: Any, message_interface: Any) -> Any:
        ready = loop.create_future()
        await loop.create_datagram_endpoint(lambda: cls(ready.set_result, message_interface, log), local_addr=bind)
        made = await ready
        made._loop = loop
        made.hostinfo_local = hostportjoin(*bind)
        return made

    def error_received(self, exc: Exception) -> None:
        """A gateway that is gone is an ordinary state of the link; its requests end by their time."""

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            log.error("the platform's socket was lost: %s", exc)


class _Filtered(MessageInterfaceSimpleServer):  # type: ignore[misc]
    """aiocoap's `simplesocketserver`, with the filter before and the guard behind it."""

    _serversocket = _Socket
    owner: PlatformSocket

    def _received_datagram(self, address: Any, datagram: bytes) -> None:
        if self._mman is not None:
            self.owner.received(address, datagram)

    def send(self, message: Any) -> None:
        if self._mman is None:
            return
        data = message.encode()
        if self.owner.may_send(data) or getattr(message, "is_edhoc", False):
            message.remote.send(data)
        else:
            log.error("an answer was about to leave in the clear; it was not sent (code %s)", message.code)
