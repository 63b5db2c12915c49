"""CoAP to the platform: one exchange at a time, each protected by OSCORE, everything on the air counted.

Set up: `url` is `coap://host:port`, an IPv4 or IPv6 literal or a name; `security` keeps the keys (security.py), or is
CLEAR, for a platform on this machine only. `bearers` are the ways there (gateway_agent/bearers); each exchange goes
over the one that is chosen for it. `gatepost platform` is a peer to try it with, without hardware.

`ask` is confirmable and waits for its answer. `tell` is not confirmable and asks for no answer but an error (RFC 7967);
what it costs is remembered for 30 s at most. `observe` keeps a relation (RFC 7641). A platform that has lost its replay
window answers with Echo (RFC 8613, B.1.2; RFC 9175), and the message is repeated with it.

Where it hurts: when an exchange ends without an answer, or another bearer is chosen, the link is closed and the next
one begins with a new one, and the name resolved anew; the relation of `observe` goes with it. The keys stay, and their
numbers go on. Blocks (RFC 7959) are not assembled here: each is an exchange of its own, its options set by whoever
asks.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from aiocoap import error  # type: ignore[import-untyped]
from aiocoap.numbers.codes import UNAUTHORIZED  # type: ignore[import-untyped]
from aiocoap.numbers.types import CON, NON  # type: ignore[import-untyped]

from gateway_agent.bearers.bearer import Bearer
from gateway_agent.bearers.choice import Bearers
from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.uplink.admission import Admission, for_gateway
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.client_socket import ClearTextError, ClientSocket, Exchange
from gateway_agent.uplink.coap_message import SECURITY, Reply, Request
from gateway_agent.uplink.coap_options import NO_SUCCESS, Tuning, from_request, to_reply
from gateway_agent.uplink.errors import ExchangeFailed, Refused, UplinkError
from gateway_agent.uplink.observation import Observation
from gateway_agent.uplink.platform_url import is_this_machine, split_url
from gateway_agent.uplink.security import CLEAR, Clear, Security, SecurityContext
from gateway_agent.uplink.timing import Timing
from gateway_agent.uplink.told import Told
from gateway_agent.uplink.way import NoWay

log = logging.getLogger("gatepost.uplink")

_EDHOC_PATH = (".well-known", "edhoc")


class CoapClient:
    """One peer, one exchange at a time. `air` counts since the start, and `refused` the datagrams that were not let in.

    Cancelling a call ends its exchange: nothing is repeated afterwards.
    """

    def __init__(
        self,
        url: str,
        bearers: Bearers,
        *,
        security: Security | Clear,
        on_answered: Callable[[int], None] = lambda transmissions: None,
    ) -> None:
        """`on_answered` is told of each confirmable message that was answered, and how often it had to be sent.

        Raises UplinkError for a url that cannot be used, and for one that would be sent to in the clear."""
        self._host, self._port = split_url(url)
        if security == CLEAR and not is_this_machine(self._host):
            raise UplinkError(
                f'uplink url {url}: security = "clear" sends readings and takes commands unprotected, so it is only '
                'for a platform on this machine; run gatepost enrol and write security = "oscore"'
            )
        self.url = url
        self.bearers = bearers
        self.air = AirCount()
        for bearer in bearers:
            bearer.air.whole = self.air
        self._on_answered = on_answered
        self._security = None if security == CLEAR else security
        self._admission = Admission(
            for_gateway(is_clear=self._security is None, is_edhoc_token=self._is_edhoc_token),
            lambda: asyncio.get_running_loop().time(),
        )
        self._socket: ClientSocket | None = None
        self._bearer = bearers.current
        self._given: SecurityContext | None = None
        self._edhoc: Exchange | None = None
        self._told = Told()
        self._repeats: set[asyncio.Task[None]] = set()
        self._observation: Observation | None = None
        self._turn = asyncio.Lock()

    @property
    def timing(self) -> Timing:
        """When messages are repeated over the bearer that is used now."""
        return self._timing(self.bearers.current)

    @property
    def refused(self) -> Counter[str]:
        """Datagrams that came in and were not let in, by reason."""
        return self._admission.refused

    @property
    def open_exchanges(self) -> int:
        """Requests whose answer is waited for, an observation and those that were told included."""
        return 0 if self._socket is None else self._socket.open_exchanges

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, request: Request) -> Reply:
        """Send a confirmable request and return its answer, which is a 2.xx. Raises ExchangeFailed or Refused."""
        async with self._turn:
            reply = _accepted(await self._ask(request))
            self._told.forget_all()
            return reply

    async def tell(self, request: Request, on_error: Callable[[Refused], None]) -> None:
        """Send a request once, and return when it was handed to the socket; that it arrives nobody knows.

        An error answer within 30 s is given to `on_error`, unless an `ask` was answered before it came.
        Raises ExchangeFailed when it cannot be sent.
        """
        async with self._turn:
            await self._tell(request, on_error, echo=None)

    async def observe(self, request: Request, on_notification: Callable[[Reply], None]) -> Observation:
        """Ask for the resource and each of its changes; the first answer is given to `on_notification` too.

        There is one relation, and a former one ends. A platform that does not keep one answers once, and the handle is
        not alive. Raises ExchangeFailed or Refused.
        """
        async with self._turn:
            if self._observation is not None:
                self._observation.cancel()
            made = Observation(on_notification)
            _accepted(await self._ask(request, made))
            self._observation = made
            return made

    async def close(self) -> None:
        """Close the socket and forget every exchange; the next one opens a new socket."""
        self._told.forget_all()
        for task in self._repeats - {asyncio.current_task()}:
            task.cancel()
        socket, self._socket = self._socket, None
        if self._observation is not None:
            self._observation.cancel()
        if socket is not None:
            await socket.close()

    async def _ask(self, request: Request, observation: Observation | None = None) -> Reply:
        answer = await self._confirmed(request, observation, echo=None)
        if _is_challenge(answer):
            answer = await self._confirmed(request, observation, echo=answer.opt.echo)
        return to_reply(answer)

    async def _confirmed(self, request: Request, observation: Observation | None, echo: bytes | None) -> Any:
        await self._take_bearer(request.kind)
        message = self._message(request, CON, echo)
        if observation is not None:
            message.opt.observe = 0
        async with self._failing():
            socket, outgoing, keys = await self._protected(message)
            try:
                answer = await self._answered(socket, outgoing, request.kind, keys, observation)
            except (TimeoutError, error.TimeoutError):
                if self._security is not None:
                    self._security.unanswered()
                raise
        self._note_spoke(keys)
        return answer

    async def _tell(self, request: Request, on_error: Callable[[Refused], None], echo: bytes | None) -> None:
        await self._take_bearer(request.kind)
        message = self._message(request, NON, echo)
        message.opt.no_response = NO_SUCCESS
        failures: list[Exception] = []

        def take(answer: Any, has_more: bool) -> None:
            self._told.forget(exchange)
            self._note_spoke(keys)
            if _is_challenge(answer) and echo is None:
                self._repeat(request, on_error, answer.opt.echo)
            elif not answer.code.is_successful():
                on_error(_refusal(to_reply(answer)))

        def fail(problem: Exception) -> None:
            self._told.forget(exchange)
            failures.append(problem)

        async with self._failing():
            socket, outgoing, keys = await self._protected(message)
            exchange = Exchange(outgoing, request.kind, keys, take, fail)
            exchange.begin(socket)
            if failures:
                self._bearer.broken(_reason(failures[0]))
                raise failures[0]
        self._told.add(exchange)

    def _repeat(self, request: Request, on_error: Callable[[Refused], None], echo: bytes) -> None:
        """Tell it again as the platform asks to, when it is its turn."""

        async def repeat() -> None:
            try:
                async with self._turn:
                    await self._tell(request, on_error, echo)
            except ExchangeFailed as problem:
                log.info("what the platform asked to repeat could not be sent: %s", problem)

        task = asyncio.create_task(repeat())
        self._repeats.add(task)
        task.add_done_callback(self._repeats.discard)

    async def _answered(
        self,
        socket: ClientSocket,
        outgoing: Any,
        kind: str,
        keys: Any,
        observation: Observation | None = None,
        *,
        is_edhoc: bool = False,
    ) -> Any:
        """Send it and wait for the plain message that answers it; the bearer is told how it went. Raises what aiocoap
        does, and TimeoutError."""
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def take(answer: Any, has_more: bool) -> None:
            if not answered.done():
                answered.set_result(answer)
            if observation is not None and answer.code.is_successful():
                observation.take(answer)

        def fail(problem: Exception) -> None:
            if not answered.done():
                answered.set_exception(problem)

        exchange = Exchange(outgoing, kind, keys, take, fail)
        if observation is not None:
            observation.hold(exchange)
        if is_edhoc:
            self._edhoc = exchange
        bearer = self._bearer
        exchange.begin(socket)
        try:
            async with asyncio.timeout(self._timing(bearer).longest_s):
                answer = await answered
        except BaseException as problem:
            exchange.stop()
            if isinstance(problem, TimeoutError | error.TimeoutError):
                bearer.unanswered(_reason(problem))
            elif isinstance(problem, error.Error | OSError | UplinkError):
                bearer.broken(_reason(problem))
            raise
        else:
            bearer.answered(exchange.since_s, exchange.transmissions)
            self._on_answered(exchange.transmissions)
            return answer
        finally:
            if is_edhoc:
                self._edhoc = None

    async def _ask_edhoc(self, payload: bytes) -> bytes:
        """See security.AskEdhoc. Whoever asks has the turn already."""
        message = self._message(Request("POST", _EDHOC_PATH, payload=payload), CON, None)
        async with self._failing():
            socket = await self._opened()
            answer = await self._answered(socket, message, SECURITY, None, is_edhoc=True)
        return _accepted(to_reply(answer)).payload

    async def _protected(self, message: Any) -> tuple[ClientSocket, Any, Any]:
        """(socket, what goes on the air, what unprotects its answer). Raises ExchangeFailed."""
        security = self._security
        if security is None:
            return await self._opened(), message, None
        try:
            try:
                context = await security.context(self._ask_edhoc)
                outgoing, request_id = context.protect(message)
            except SecurityStateLost as reason:
                await security.lost(str(reason))
                context = await security.context(self._ask_edhoc)
                outgoing, request_id = context.protect(message)
        except (SecurityStateLost, Refused) as problem:
            # It is not the request that was refused, so that must not look so.
            raise ExchangeFailed(f"{self.url}: there are no keys to protect it with: {problem}") from problem
        outgoing.mtype = message.mtype
        self._given = context
        if self._observation is not None and not self._observation.is_under(context):
            self._observation.cancel()
        return await self._opened(), outgoing, (context, request_id)

    def _note_spoke(self, keys: Any) -> None:
        """Tell the keeper of the keys, unless it has given others since."""
        if self._security is not None and keys[0] is self._given:
            self._security.spoke()

    async def _opened(self) -> ClientSocket:
        if self._socket is None:
            bearer, is_clear = self._bearer, self._security is None
            await bearer.wait_to_open()
            self._socket = await ClientSocket.open(
                bearer.way, self._host, self._port, self._admission, bearer.air, is_clear=is_clear
            )
        return self._socket

    async def _take_bearer(self, kind: str) -> None:
        """Leave the link of another bearer than the one that is right for a message of that kind."""
        bearer = self.bearers.choose(kind)
        if bearer is not self._bearer:
            await self.close()
            log.info("the platform is spoken to over %s instead of %s", bearer.name, self._bearer.name)
            self._bearer = bearer

    def _timing(self, bearer: Bearer) -> Timing:
        return bearer.timing(has_other=self.bearers.has_other(bearer))

    def _message(self, request: Request, message_type: Any, echo: bytes | None) -> Any:
        message = from_request(request)
        message.mtype = message_type
        message.transport_tuning = Tuning(self._timing(self._bearer))
        if echo is not None:
            message.opt.echo = echo
        return message

    @asynccontextmanager
    async def _failing(self) -> AsyncIterator[None]:
        """Throw the socket away when what is done here fails, and say so with ExchangeFailed."""
        try:
            yield
        except ClearTextError:
            await self.close()
            raise
        except NoWay as problem:
            self._bearer.broken(str(problem))
            await self.close()
            raise ExchangeFailed(f"{self.url}: {problem}") from problem
        except (UplinkError, asyncio.CancelledError):
            raise
        except (error.Error, OSError, TimeoutError) as problem:
            await self.close()
            raise ExchangeFailed(f"{self.url} does not answer: {_reason(problem)}") from problem
        except Exception as problem:
            # Whatever the library stumbles over, the readings are safe and the next exchange begins anew.
            log.exception("aiocoap met an error of its own")
            await self.close()
            raise ExchangeFailed(f"{self.url}: aiocoap failed with {type(problem).__name__}") from problem

    def _is_edhoc_token(self, token: bytes) -> bool:
        return self._edhoc is not None and bytes(self._edhoc.message.token) == token


def _is_challenge(answer: Any) -> bool:
    """Whether the platform asks to repeat the request with its Echo value, RFC 8613, B.1.2."""
    return answer.code == UNAUTHORIZED and answer.opt.echo is not None


def _accepted(reply: Reply) -> Reply:
    if not reply.is_success:
        raise _refusal(reply)
    return reply


def _refusal(reply: Reply) -> Refused:
    return Refused(reply.code, reply.diagnostic, reply.payload)


def _reason(problem: BaseException) -> str:
    if isinstance(problem, (TimeoutError, error.TimeoutError)):
        return "no answer in time"
    cause = problem.__cause__ or problem
    return str(cause) or type(cause).__name__
