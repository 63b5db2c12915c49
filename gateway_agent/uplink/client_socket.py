"""One link to the platform with aiocoap's message layer above it, and a watch on each datagram.

What aiocoap does here: message ids, retransmission, acknowledgements, tokens to requests. What is ours: tokens of one
byte, the filter for what comes in (admission.py), a check that what goes out is protected, counting, and that an answer
is unprotected before aiocoap sees it, so that a forged one ends no exchange.

Where it hurts (aiocoap 0.4.17, pinned): where the list of transports lacks OSCORE it sends in the clear without a word.
So its OSCORE transport is not used: the client protects by itself, and nothing goes out here in the clear but EDHOC's
first message. It goes on repeating a request that nobody waits for any more; `Exchange.stop` ends that. The
lines that reach into aiocoap are in this module.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import Any

from aiocoap import Context, Message, error  # type: ignore[import-untyped]
from aiocoap.messagemanager import MessageManager  # type: ignore[import-untyped]
from aiocoap.numbers.types import CON  # type: ignore[import-untyped]
from aiocoap.pipe import Pipe  # type: ignore[import-untyped]
from aiocoap.tokenmanager import TokenManager  # type: ignore[import-untyped]

from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.uplink import datagram as wire
from gateway_agent.uplink.admission import Admission
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.coap_message import OTHER
from gateway_agent.uplink.errors import UplinkError
from gateway_agent.uplink.message_interface import MessageInterface, Peer
from gateway_agent.uplink.security import SecurityContext
from gateway_agent.uplink.way import Link, Way

_TOKENS = 256
_OWN_OPTIONS = 64
"""More options than a message of ours ever has."""
_IDS = 32
"""Message ids that are remembered, to tell what an empty acknowledgement belongs to."""
_PLATFORM = "platform"


class ClearTextError(UplinkError):
    """Something was about to be sent unprotected. It was not sent; it is a mistake in the program, not of the link."""


class Exchange:
    """One request, from its first datagram until `stop` or the end that `on_answer` or `on_failure` tell.

    `message` is what goes on the air, `context` and `request_id` unprotect its answers; they are None in the clear.
    `on_answer` gets each plain message of aiocoap, and whether more may follow. `transmissions` counts its datagrams.
    """

    def __init__(
        self,
        message: Any,
        kind: str,
        security: tuple[SecurityContext, Any] | None,
        on_answer: Callable[[Any, bool], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.message = message
        self.kind = kind
        self.is_over = False
        self.transmissions = 0
        self._first_s = 0.0
        self._security = security
        self._on_answer = on_answer
        self._on_failure = on_failure
        self._stop: Callable[[], None] = lambda: None

    def begin(self, socket: "ClientSocket") -> None:
        """Send it. What goes wrong is told to `on_failure`, perhaps before this returns."""
        pipe = Pipe(self.message, socket.log)
        stop_interest = pipe.on_event(self._take)

        def stop() -> None:
            stop_interest()
            socket.end_retransmission(self.message)

        self._stop = stop
        socket.request(self, pipe)

    def stop(self) -> None:
        """Forget it: nothing is repeated, and no answer is taken."""
        if not self.is_over:
            self.is_over = True
            self._stop()

    @property
    def since_s(self) -> float:
        """How long ago its first datagram went."""
        return asyncio.get_running_loop().time() - self._first_s

    def note_sent(self, now_s: float) -> None:
        """One of its datagrams goes."""
        self._first_s = self._first_s if self.transmissions else now_s
        self.transmissions += 1

    def is_under(self, context: SecurityContext) -> bool:
        """Whether it was protected with these keys."""
        return self._security is not None and self._security[0] is context

    def unprotected(self, message: Any) -> Any:
        """The plain message of an answer. Raises what aiocoap does for one that is not genuine."""
        if self._security is None:
            return message
        context, request_id = self._security
        return context.unprotect(message, request_id)[0]

    def _take(self, event: Any) -> bool:
        if self.is_over:
            return False
        self.is_over = event.is_last
        if event.exception is not None:
            self._on_failure(event.exception)
        else:
            self._on_answer(event.message.plain, not event.is_last)
        return not event.is_last


class ClientSocket:
    """Made by `open`. `admission` filters and counts what comes in, `air` counts both ways."""

    def __init__(self, admission: Admission, air: AirCount, *, is_clear: bool) -> None:
        self._admission = admission
        self._air = air
        self._is_clear = is_clear
        self._context = Context(loop=asyncio.get_running_loop(), loggername="gatepost.coap")
        self.log = self._context.log
        self._tokens = _OneByteTokens(self._context)
        self._messages = MessageManager(self._tokens)
        self._peer = Peer(_PLATFORM)
        self._link: Link | None = None
        self._exchanges: dict[bytes, Exchange] = {}
        self._sent_ids: dict[int, str] = {}
        self._heard_ids: dict[int, str] = {}

    @classmethod
    async def open(
        cls, way: Way, host: str, port: int, admission: Admission, air: AirCount, *, is_clear: bool
    ) -> "ClientSocket":
        """Open the way to the platform. Raises NoWay."""
        made = cls(admission, air, is_clear=is_clear)
        made._messages.message_interface = MessageInterface(made._peer, made._send, made._close_link)
        made._tokens.token_interface = made._messages
        made._context.request_interfaces.append(made._tokens)
        try:
            made._link = await way.open(host, port, made.received, made._lost)
        except BaseException:
            await made.close()
            raise
        return made

    @property
    def open_exchanges(self) -> int:
        """Requests that aiocoap waits for or repeats."""
        return max(len(self._tokens.outgoing_requests), len(self._messages._active_exchanges))

    async def close(self) -> None:
        """Close the link; exchanges that are not over fail with LibraryShutdown."""
        await self._context.shutdown()

    def request(self, exchange: Exchange, pipe: Any) -> None:
        """Send the message of an exchange and take its answers."""
        exchange.message.remote = self._peer
        self._exchanges[self._tokens.choose()] = exchange
        self._tokens.request(pipe)

    def end_retransmission(self, message: Any) -> None:
        """Repeat a confirmable message no more."""
        active = self._messages._active_exchanges
        found = None if active is None else active.pop((message.remote, message.mid), None)
        if found is not None:
            found[1].cancel()
            self._messages._continue_backlog(message.remote)

    def look_at_sent(self, data: bytes) -> None:
        """Count a datagram that is about to be sent. Raises ClearTextError: it must not be."""
        head, now_s = wire.read_datagram(data, _OWN_OPTIONS), asyncio.get_running_loop().time()
        is_protected = head.oscore is not None or head.is_bare_answer or head.is_edhoc
        if not (is_protected or self._is_clear):
            raise ClearTextError("a message to the platform was not protected by OSCORE; it was not sent")
        if head.is_bare_answer:
            kind = self._heard_ids.get(head.message_id, OTHER)
        else:
            exchange = self._exchanges[head.token]
            exchange.note_sent(now_s)
            kind = exchange.kind
            _remember(self._sent_ids, head.message_id, kind)
        self._air.note_sent(kind, len(data), now_s)

    def received(self, data: bytes) -> None:
        """Count a datagram, and hand it to aiocoap when it is admitted and genuine."""
        head = self._admission.admit(data, _PLATFORM)
        exchange = None if head is None else self._exchanges.get(head.token)
        if head is None:
            kind = OTHER
        elif head.is_bare_answer:
            kind = self._sent_ids.get(head.message_id, OTHER)
        else:
            kind = exchange.kind if exchange is not None else OTHER
            _remember(self._heard_ids, head.message_id, kind)
        self._air.note_received(kind, len(data), asyncio.get_running_loop().time())
        if head is None:
            return
        try:
            message = Message.decode(data, remote=self._peer)
            if exchange is not None and head.is_response:
                message.plain = exchange.unprotected(message)
        except (error.Error, SecurityStateLost, ValueError) as problem:
            # ValueError: aiocoap raises it for text that is not UTF-8, also within what is protected.
            self.log.debug("an answer was not taken: %r", problem)
            self._admission.refuse("not-genuine")
            return
        if exchange is None and head.is_response and head.type != wire.CON:
            self._admission.refuse("unexpected")
            return
        # A confirmable answer to something forgotten gets a reset from aiocoap, so that the platform forgets it too.
        self._messages.dispatch_message(message)

    def _send(self, message: Any, data: bytes) -> None:
        if self._link is not None:
            self.look_at_sent(data)
            self._link.send(data, answer_expected=message.mtype is CON)

    def _lost(self, problem: Exception) -> None:
        if self._link is not None:
            self._messages.dispatch_error(problem, self._peer)

    def _close_link(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None


class _OneByteTokens(TokenManager):  # type: ignore[misc]
    """Tokens of one byte, never one that waits for an answer still."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self._last = secrets.randbelow(_TOKENS)

    def choose(self) -> bytes:
        """The token of the next request."""
        live = {token for token, _ in self.outgoing_requests}
        for step in range(1, _TOKENS + 1):
            token = bytes([(self._last + step) % _TOKENS])
            if token not in live:
                self._last = token[0]
                return token
        raise RuntimeError("every token waits for an answer; the client must forget some exchanges first")

    def next_token(self) -> bytes:
        """What `choose` has chosen; aiocoap asks for it."""
        return bytes([self._last])


def _remember(ids: dict[int, str], message_id: int, kind: str) -> None:
    ids.pop(message_id, None)
    ids[message_id] = kind
    if len(ids) > _IDS:
        del ids[next(iter(ids))]
