"""CoAP to the platform with aiocoap: one confirmable request at a time, everything on the air counted.

Set up: `url` is `coap://host:port/path`; an IPv4 or IPv6 literal or a name. The transport is aiocoap's `simple6`, named
here and nowhere guessed: one connected UDP socket of the address family of the host, so it works where the kernel has
no IPv6, and a refused port is told at once. `gatepost platform` is a peer to try it with, without hardware.

Where it hurts (aiocoap 0.4.17, pinned): it goes on repeating a request that nobody waits for any more, and keeps state
per exchange. So when an exchange ends without an answer the whole context is thrown away and the next one begins with
a new socket, a new token, and the name resolved anew. Blocks (RFC 7959) are not used: a message fits one datagram, and
so does its answer. aiocoap offers no hook for counting; the three lines that reach into it are `_CountingInterface`.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

from aiocoap import GET, POST, Context, Message, error  # type: ignore[import-untyped]
from aiocoap.numbers.constants import TransportTuning  # type: ignore[import-untyped]
from aiocoap.transports.simple6 import MessageInterfaceSimple6  # type: ignore[import-untyped]

from gateway_agent.uplink.answer import CONTENT_FORMAT as CBOR
from gateway_agent.uplink.errors import UplinkError
from protocols.senml import CONTENT_FORMAT as SENML_CBOR

log = logging.getLogger("gatepost.uplink")

HEADER_BYTES = 28
"""IPv4 and UDP headers of a datagram; what a bearer bills beside the payload."""
DEFAULT_PATH = "senml"


class ExchangeFailed(UplinkError):  # noqa: N818 - an ordinary state of a radio link
    """No answer: the platform is away, the link is down, or the name is unknown. Try the same bytes again."""


class Refused(UplinkError):  # noqa: N818 - named for what the platform did
    """The platform answered and did not take the message. `code` is the CoAP code as text, such as "4.00"."""

    def __init__(self, code: str, diagnostic: str) -> None:
        super().__init__(f"the platform refused with {code}{': ' if diagnostic else ''}{diagnostic}")
        self.code = code
        self.diagnostic = diagnostic


@dataclass(frozen=True, slots=True)
class Timing:
    """Retransmission of RFC 7252, 4.2: the first after `ack_timeout_s` (times 1 to 1.5), each wait double the last."""

    ack_timeout_s: float = 2.0
    max_retransmit: int = 3

    @property
    def longest_s(self) -> float:
        """After this an exchange without an answer has failed (MAX_TRANSMIT_WAIT of RFC 7252, 4.8.2)."""
        return self.ack_timeout_s * 1.5 * ((1 << self.max_retransmit + 1) - 1)


@dataclass
class AirCount:
    """Datagrams and their UDP payload bytes, both ways, repetitions included."""

    sent: int = 0
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0

    @property
    def on_air_bytes(self) -> int:
        """All bytes with IPv4 and UDP headers."""
        return self.sent_bytes + self.received_bytes + HEADER_BYTES * (self.sent + self.received)


class CoapClient:
    """One peer, one exchange at a time. `air` counts since the start."""

    def __init__(self, url: str, timing: Timing | None = None) -> None:
        parts = urlsplit(url)
        try:
            is_usable = parts.scheme == "coap" and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_usable = False
        if not is_usable or parts.query or parts.fragment:
            raise UplinkError(f"uplink url {url}: write it like coap://platform.example:5683")
        path = parts.path.strip("/") or DEFAULT_PATH
        self.url = f"coap://{parts.netloc}/{path}"
        self.timing = timing or Timing()
        self.air = AirCount()
        self._tuning = _tuning(self.timing)
        self._context: Any = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def post(self, payload: bytes, query: tuple[str, ...]) -> bytes:
        """POST a SenML-CBOR message, and return the payload of the 2.04 answer.

        Raises ExchangeFailed or Refused. Cancelling it ends the exchange: nothing is repeated afterwards.
        """
        return _accepted(await self._ask(POST, payload, query), "2.04")

    async def get(self, query: tuple[str, ...]) -> bytes:
        """GET what the platform knows of us, and return the payload of the 2.05 answer; raises as `post` does."""
        return _accepted(await self._ask(GET, b"", query), "2.05")

    async def _ask(self, code: Any, payload: bytes, query: tuple[str, ...]) -> Any:
        async with self._turn:
            is_over = False
            try:
                answer = await self._exchange(code, payload, query)
                is_over = True
            except (error.Error, OSError, TimeoutError) as problem:
                raise ExchangeFailed(f"{self.url} does not answer: {_reason(problem)}") from problem
            except Exception as problem:
                # Whatever the library stumbles over, the readings are safe and the next exchange begins anew.
                log.exception("aiocoap met an error of its own")
                raise ExchangeFailed(f"{self.url}: aiocoap failed with {type(problem).__name__}") from problem
            finally:
                if not is_over:
                    await self.close()
        return answer

    async def close(self) -> None:
        """Close the socket and forget every exchange; the next post opens a new one."""
        context, self._context = self._context, None
        if context is not None:
            await context.shutdown()

    async def _exchange(self, code: Any, payload: bytes, query: tuple[str, ...]) -> Any:
        if self._context is None:
            self._context = await self._open()
        request = Message(code=code, payload=payload, transport_tuning=self._tuning)
        if payload:
            request.opt.content_format = SENML_CBOR
        # Without Uri-Host: it would repeat the platform's name in every message.
        request.set_request_uri(self.url, set_uri_host=False)
        request.opt.uri_query = query
        async with asyncio.timeout(self.timing.longest_s):
            return await self._context.request(request, handle_blockwise=False).response

    async def _open(self) -> Any:
        context = Context(loop=asyncio.get_running_loop(), loggername="gatepost.coap")

        async def interface(manager: Any) -> Any:
            made = await _CountingInterface.create_client_transport_endpoint(
                manager, log=context.log, loop=context.loop
            )
            made.air = self.air
            return made

        await context._append_tokenmanaged_messagemanaged_transport(interface)
        return context


class _CountingInterface(MessageInterfaceSimple6):  # type: ignore[misc]
    """aiocoap's `simple6`, with a look at every datagram."""

    air: AirCount

    def send(self, message: Any) -> None:
        self.air.sent += 1
        self.air.sent_bytes += len(message.encode())
        super().send(message)

    def _received_datagram(self, address: Any, datagram: bytes) -> None:
        self.air.received += 1
        self.air.received_bytes += len(datagram)
        super()._received_datagram(address, datagram)


def _tuning(timing: Timing) -> Any:
    class Tuning(TransportTuning):  # type: ignore[misc]
        ACK_TIMEOUT = timing.ack_timeout_s
        MAX_RETRANSMIT = timing.max_retransmit
        reliability = True

    return Tuning()


def _accepted(answer: Any, expected: str) -> bytes:
    code = f"{answer.code >> 5}.{answer.code & 31:02d}"
    if code != expected:
        raise Refused(code, bytes(answer.payload[:80]).decode("utf-8", "replace"))
    if answer.opt.block2 is not None and answer.opt.block2.more:
        raise Refused(code, "its answer does not fit one datagram")
    if answer.opt.content_format != CBOR:
        raise Refused(code, f"its answer has content format {answer.opt.content_format}, not {CBOR}")
    return bytes(answer.payload)


def _reason(problem: BaseException) -> str:
    if isinstance(problem, TimeoutError):
        return "no answer in time"
    cause = problem.__cause__ or problem
    return str(cause) or type(cause).__name__
