"""The platform's CoAP server: who may speak, under which key, and how answers and notifications go back.

It knows nothing of readings: `handler` gets each request that is genuine and gives its reply. A datagram that is not
OSCORE, is protected with a key that is not known, is not genuine or comes a second time gets no answer, is counted in
`refused` and costs nothing that lasts. Exceptions: a request that comes while the replay window of its key is not known
(after a restart) is answered with 4.01 and Echo, and taken when it comes again with it (RFC 8613, B.1.2; RFC 9175); and
EDHOC's first message, at a low rate. Success is not answered where the request says so (No-Response, RFC 7967).

Set up: `keys` (see Keys) for OSCORE, or None for the clear, which is for a laboratory: on loopback only.
CoapClient of gateway_agent/uplink/client.py is a peer, as is aiocoap with an OSCORE context.

Where it hurts: aiocoap answers every NON all the same; the answer is handed to it with No-Response set, and then it
stays silent. An error that escapes to aiocoap would be answered in the clear, so none does (platform_socket.py guards).
"""

import asyncio
import ipaddress
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from aiocoap import Message, error, oscore  # type: ignore[import-untyped]
from aiocoap.numbers.codes import CHANGED  # type: ignore[import-untyped]
from aiocoap.numbers.types import CON  # type: ignore[import-untyped]

from gateway_agent.errors import GatepostError
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.uplink.admission import Admission, Limits, for_platform
from gateway_agent.uplink.coap_message import Arrived, Reply
from gateway_agent.uplink.coap_options import Tuning, from_reply, to_request
from gateway_agent.uplink.datagram import Datagram, read_kid, split_edhoc
from gateway_agent.uplink.security import SecurityContext
from gateway_agent.uplink.timing import Timing
from hardware.rig.platform_socket import PlatformSocket

log = logging.getLogger("gatepost.platform")

CHALLENGED = "challenged"
"""In `refused`, though it was answered: a request that must come again with Echo."""
_AT_ONCE = 256
"""Datagrams that wait for their key at the same time; more are not let in."""
_MAILBOX = ("m",)

Handler = Callable[[Arrived], Awaitable[Reply]]


class ServerError(GatepostError):
    """The server cannot be started as asked."""


class Known(NamedTuple):
    """A gateway's name and a context with it that may be used, prepared."""

    gateway: str
    context: SecurityContext


class Keys(Protocol):
    """The keys of all gateways (platform_keys.py)."""

    async def find(self, kid: bytes, kid_context: bytes | None, message_3: bytes | None = None) -> Known | None:
        """The context in which `kid` is the gateway's id, prepared for one message; None: nobody has it.

        With EDHOC's `message_3`, which came with the request (RFC 9668), the context that it completes, or has
        completed; None where it is not genuine.
        """
        ...

    def spoke(self, known: Known) -> None:
        """A genuine request has come under this context."""
        ...

    async def take_edhoc(self, message_1: bytes) -> bytes | None:
        """The payload that answers an EDHOC message 1 (RFC 9528, A.2), or None: no answer."""
        ...

    @property
    def takes_edhoc(self) -> bool:
        """Whether EDHOC is offered at all."""
        ...


@dataclass(slots=True)
class _Genuine:
    """A request that was unprotected: what it said, and what protects its answers. In the clear `known` is None."""

    message: Any
    plain: Any
    known: Known | None
    request_id: Any
    outer_number: int = 0

    @property
    def gateway(self) -> str:
        return self.known.gateway if self.known else ""

    def is_under(self, context: SecurityContext) -> bool:
        return self.known is not None and self.known.context is context

    def protected(self, plain: Any) -> Any:
        """What goes on the air for an answer or, with `observe` set, for a notification (RFC 8613, 4.1.3.5.2)."""
        if self.known is None:
            if plain.opt.observe is not None:
                plain.opt.observe = self._next_number()
            return plain
        outgoing, _ = self.known.context.protect(plain, self.request_id)
        if plain.opt.observe is not None:
            outgoing.opt.observe = self._next_number()
        return outgoing

    def _next_number(self) -> int:
        self.outer_number = (self.outer_number + 1) & 0xFFFFFF
        return self.outer_number


@dataclass(slots=True)
class _Relation:
    genuine: _Genuine
    pipe: Any
    notification: Any = None


class PlatformServer:
    """Made by `start`. `handler` may take its time; requests of different gateways do not wait for each other."""

    def __init__(
        self,
        handler: Handler,
        keys: Keys | None,
        *,
        limits: Limits | None = None,
        ack_timeout_s: float = 2.0,
        max_retransmit: int = 4,
    ) -> None:
        """`ack_timeout_s` and `max_retransmit` are for notifications (RFC 7252, 4.8)."""
        self.port = 0
        self._handler = handler
        self._keys = keys
        self._tuning = Tuning(Timing(ack_timeout_s, max_retransmit))
        self._admission = Admission(
            for_platform(is_clear=keys is None, takes_edhoc=keys is not None and keys.takes_edhoc),
            lambda: asyncio.get_running_loop().time(),
            limits,
        )
        self._socket: PlatformSocket | None = None
        self._relations: dict[str, _Relation] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def refused(self) -> Counter[str]:
        """Datagrams that were not taken, by reason, since the server was made."""
        return self._admission.refused

    @property
    def observers(self) -> frozenset[str]:
        """Gateways that have a relation."""
        return frozenset(self._relations)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; afterwards `port` is the one that was asked for, or any free one for 0.

        Raises ServerError for an address that is not on this machine when there are no keys, and OSError.
        """
        if self._keys is None and not ipaddress.ip_address(host).is_loopback:
            raise ServerError(
                f"a platform without keys serves on 127.0.0.1 only, not on {host}: anybody could send readings and "
                "read commands; give it the records of its gateways (gatepost enrol)"
            )
        self._socket = await PlatformSocket.open(
            host, port, self._admission, self._receive, self, is_clear=self._keys is None
        )
        self.port = self._socket.port

    async def stop(self) -> None:
        """Close the port. Relations and what waits for an answer are forgotten; `start` may be called again."""
        for task in self._tasks:
            task.cancel()
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()
        self._relations.clear()

    async def notify(self, gateway: str, reply: Reply) -> bool:
        """Send `reply` to the gateway's relation, confirmable. Returns whether the gateway has acknowledged it; there
        is no relation any more when it has not."""
        relation = self._relations.get(gateway)
        if relation is None or self._socket is None:
            return False
        genuine = relation.genuine
        plain = from_reply(reply)
        plain.opt.observe = 0
        plain.transport_tuning = self._tuning
        try:
            if genuine.known is not None:
                await genuine.known.context.prepare()
            outgoing = genuine.protected(plain)
        except SecurityStateLost as problem:
            log.error("%s cannot be notified: %s", gateway, problem)
            self.forget(gateway)
            return False
        relation.notification = outgoing
        relation.pipe.add_response(outgoing)
        if await self._socket.acknowledged(outgoing):
            return True
        if self._relations.get(gateway) is relation:
            self.forget(gateway)
        return False

    def forget(self, gateway: str) -> None:
        """End the gateway's relation without a word."""
        relation = self._relations.pop(gateway, None)
        if relation is not None and self._socket is not None:
            self._socket.forget(relation.genuine.message, relation.notification)

    async def render_to_pipe(self, pipe: Any) -> None:
        """aiocoap asks for the answer to a message that `_receive` has handed to it."""
        message = pipe.request
        if message.ready is not None:
            pipe.add_response(message.ready, is_last=True)
            return
        genuine: _Genuine = message.genuine
        reply = await self._reply(genuine)
        plain = from_reply(reply)
        unwanted = int(genuine.plain.opt.no_response or 0)
        if unwanted & 1 << int(plain.code) // 32 - 1:
            pipe.add_response(Message(code=plain.code, no_response=unwanted), is_last=True)
            return
        is_relation = _asks_for_relation(genuine.plain) and message.mtype is CON and reply.is_success
        if is_relation:
            plain.opt.observe = 0
        try:
            outgoing = genuine.protected(plain)
        except SecurityStateLost as problem:
            log.error("%s cannot be answered: %s", genuine.gateway, problem)
            pipe.add_response(Message(code=plain.code, no_response=_NOTHING), is_last=True)
            return
        if is_relation:
            self._hold(genuine, pipe)
        pipe.add_response(outgoing, is_last=not is_relation)

    async def _reply(self, genuine: _Genuine) -> Reply:
        try:
            request = to_request(genuine.plain)
        except ValueError as problem:
            return Reply("4.02", str(problem).encode())
        plain = genuine.plain
        arrived = Arrived(request, genuine.gateway, genuine.message.mtype is CON, _asks_for_relation(plain))
        try:
            return await self._handler(arrived)
        except Exception:
            log.exception("the platform met an error of its own with %s %s", request.method, "/".join(request.path))
            return Reply("5.00")

    def _hold(self, genuine: _Genuine, pipe: Any) -> None:
        """Keep the relation, the only one of its gateway."""
        gateway = genuine.gateway or _query_gateway(genuine.plain)
        self.forget(gateway)
        relation = self._relations[gateway] = _Relation(genuine, pipe)

        def ended() -> None:
            if self._relations.get(gateway) is relation:
                del self._relations[gateway]

        pipe.on_interest_end(ended)

    def _receive(self, remote: Any, data: bytes, datagram: Datagram) -> None:
        socket = self._socket
        if socket is None:
            return
        if self._keys is None or datagram.is_bare_answer:
            message = self._decoded(remote, data)
            if message is not None:
                message.genuine = _Genuine(message, message, None, None)
                socket.deliver(message)
            return
        if socket.repeat(remote, data, datagram):
            return
        if len(self._tasks) >= _AT_ONCE:
            self._admission.refuse("busy")
            return
        check = self._take_edhoc if datagram.oscore is None else self._take_protected
        task = asyncio.create_task(check(self._keys, socket, remote, data, datagram))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _decoded(self, remote: Any, data: bytes) -> Any:
        assert self._socket is not None
        try:
            message = self._socket.decode(remote, data)
        except (error.Error, ValueError):
            self._admission.refuse("options")
            return None
        message.ready = None
        return message

    async def _take_protected(
        self, keys: Keys, socket: PlatformSocket, remote: Any, data: bytes, datagram: Datagram
    ) -> None:
        kid, kid_context = read_kid(datagram.oscore or b"")
        message = self._decoded(remote, data)
        if message is None:
            return
        if datagram.has_edhoc_message:
            message_3, message.payload = split_edhoc(message.payload)
            message.opt.edhoc = False
            known = await keys.find(kid, kid_context, message_3)
        else:
            known = await keys.find(kid, kid_context)
        if known is None:
            self._admission.refuse("unknown-key")
            return
        if socket.repeat(remote, data, datagram):
            # It came twice at once, and its double was faster.
            return
        try:
            self._unprotect(keys, known, message)
        except oscore.ReplayError:
            self._admission.refuse("replayed")
        except (error.Error, SecurityStateLost, ValueError) as problem:
            # ValueError: aiocoap raises it for text that is not UTF-8 within what is protected.
            log.debug("a request under the key of %s was not taken: %r", known.gateway, problem)
            self._admission.refuse("not-genuine")
        else:
            socket.deliver(message)

    def _unprotect(self, keys: Keys, known: Known, message: Any) -> None:
        """Note in the message what it says, or the challenge that answers it. Raises what the context does."""
        try:
            plain, request_id = known.context.unprotect(message)
        except oscore.ReplayErrorWithEcho as challenge:
            message.ready = challenge.to_message()
            self.refused[CHALLENGED] += 1
            return
        message.genuine = _Genuine(message, plain, known, request_id)
        keys.spoke(known)
        self._end_older_relation(known)

    async def _take_edhoc(
        self, keys: Keys, socket: PlatformSocket, remote: Any, data: bytes, datagram: Datagram
    ) -> None:
        payload = await keys.take_edhoc(datagram.payload)
        message = self._decoded(remote, data)
        if payload is None or message is None:
            self._admission.refuse("edhoc")
            return
        message.ready = Message(code=CHANGED, payload=payload)
        message.ready.is_edhoc = True
        socket.deliver(message)

    def _end_older_relation(self, known: Known) -> None:
        """A relation ends with the keys that it was made with."""
        relation = self._relations.get(known.gateway)
        if relation is not None and not relation.genuine.is_under(known.context):
            self.forget(known.gateway)


_NOTHING = 0b11010
"""No-Response: no class of answer is of interest (RFC 7967, 2.1)."""


def _asks_for_relation(plain: Any) -> bool:
    return plain.opt.observe == 0 and tuple(plain.opt.uri_path) == _MAILBOX


def _query_gateway(plain: Any) -> str:
    """The gateway's name in the clear: the query g."""
    return next((item[2:] for item in plain.opt.uri_query if item.startswith("g=")), "")
