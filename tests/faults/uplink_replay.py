"""What whoever is on the way can do with datagrams: send them again, change them, make their own. Nothing is taken.

A gateway and a platform talk over real sockets, and every datagram is kept. Then, each counted in `tried`:

- each datagram that the platform had is sent again, from another address and, when the platform has forgotten it as a
  repetition, from its own; and once more after the platform has lost its replay windows (it then asks for Echo);
- of datagrams that the platform did not get yet: every beginning, longer ones up to 65,000 bytes, every bit behind the
  token changed, the key id of another gateway; then the datagram itself, which must be taken; then every bit of its
  head changed, which OSCORE does not protect and which must not make it count twice;
- requests under another gateway's key, a stranger's key, and none;
- to the gateway: before the honest answer the same with a bit of each byte changed, and former answers and
  notifications.

`wrong` is what was taken and is not what a gateway sent, `duplicated` what was taken again, `lost` what an honest side
sent and the other did not get. `refused` is what the platform has counted of the attacks on it, and `uncounted` those
that it did not; `challenged` is how many of them were answered, with a challenge. The control is a platform whose
replay window lets everything through.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

from aiocoap import oscore  # type: ignore[import-untyped]
from aiocoap.numbers.types import Type  # type: ignore[import-untyped]

from gateway_agent.uplink.admission import Limits
from gateway_agent.uplink.coap_message import CBOR, COMPACT, SENML_CBOR, Arrived, Reply, Request
from gateway_agent.uplink.coap_options import from_request
from gateway_agent.uplink.datagram import CON, NON
from gateway_agent.uplink.errors import ExchangeFailed, Refused
from hardware.rig.clock import RigClock, run_virtual
from tests.faults._cases import Row
from tests.faults._progress import OnProgress, silent
from tests.gateway_agent.uplink.coap_world import GATEWAY, World, gateway_keys, world
from tests.gateway_agent.uplink.oscore_peer import Platform as MemoryContext

_HEAD_BYTES = 5
"""CoAP header and the token."""
_BARE_BYTES = 4
"""An empty acknowledgement or reset."""
_FORGOTTEN_S = 300
"""After this no repetition is remembered: EXCHANGE_LIFETIME of RFC 7252, 4.8.2, and some."""
_AT_ONCE = 40
_WIDE = Limits(per_s=10**6, burst=10**6, sources=10**6)
"""The rate has its own tests; here it must not hide what the rest would let through."""


@dataclass(frozen=True)
class Dose:
    """How many honest exchanges, datagrams that are changed, and answers that are changed."""

    honest: int = 60
    changed: int = 16
    answers: int = 16


@dataclass
class Figures:
    """What was tried on both sides and what came of it."""

    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    at_platform: int = 0
    at_gateway: int = 0
    refused: Counter[str] = field(default_factory=Counter)


class _NoWindow(oscore.ReplayWindow):  # type: ignore[misc]
    """Takes every number for one that was not seen."""

    def is_initialized(self) -> bool:
        return True

    def is_valid(self, number: int) -> bool:
        return True

    def strike_out(self, number: int) -> None:
        """Nothing is remembered."""


class _Anybody(asyncio.DatagramProtocol):
    """A socket that talks to the platform."""

    transport: Any

    @classmethod
    async def at(cls, port: int) -> "_Anybody":
        made = cls()
        loop = asyncio.get_running_loop()
        made.transport, _ = await loop.create_datagram_endpoint(lambda: made, remote_addr=("127.0.0.1", port))
        return made


class _Attack:
    """One run. `taken` is what the platform's handler got, `honest` what the gateway sent."""

    def __init__(self, this: World, seed: int, dose: Dose, on_progress: OnProgress) -> None:
        self.figures = Figures()
        self._this = this
        self._random = Random(seed)
        self._dose = dose
        self._on_progress = on_progress
        self._steps = 0
        self._honest: set[tuple[str, bytes]] = set()
        self._taken: Counter[tuple[str, bytes]] = Counter()
        self._heard: list[bytes] = []
        self._notified: list[bytes] = []
        self._observed = 0
        self._number = 0
        this.reply = self._reply

    async def run(self, *, without_window: bool) -> None:
        """Everything that the module describes."""
        await self._talk(3)
        if without_window:
            assert self._this.keys is not None
            for known in self._this.keys.contexts.values():
                known.context.recipient_replay_window = _NoWindow(32, lambda: None)
        await self._talk(self._dose.honest)
        await self._replay()
        for _ in range(self._dose.changed):
            await self._change_request()
        await self._speak_as_others()
        for number in range(self._dose.answers):
            await self._change_answer(number % 8)
        self._keep_refused()
        await self._this.restart_platform()
        await self._replay()
        self._keep_refused()
        await self._talk(10)
        self._count()

    def _reply(self, arrived: Arrived) -> Reply:
        self._taken[arrived.gateway, arrived.request.payload or arrived.request.method.encode()] += 1
        if arrived.observe:
            return Reply("2.05", b"0", CBOR)
        return Reply("2.04", arrived.request.payload[::-1], CBOR)

    def _payload(self) -> bytes:
        self._number += 1
        payload = self._number.to_bytes(4, "big") + self._random.randbytes(self._random.randrange(60))
        self._honest.add((GATEWAY, payload))
        return payload

    async def _talk(self, exchanges: int) -> None:
        """Every kind of exchange, in turn."""
        client, server = self._this.client, self._this.server
        for number in range(exchanges):
            payload = self._payload()
            if number % 3 == 0:
                await self._ask(payload)
            else:
                await client.tell(Request("POST", payload=payload, content_format=COMPACT), self._on_error)
            if number % 10 == 5:
                self._honest.add((GATEWAY, b"GET"))
                await client.observe(Request("GET", ("m",)), lambda reply: self._heard.append(reply.payload))
                self._observed += 1
                self._notified.append(b"0")
            if number % 10 > 5:
                self._notified.append(f"command {self._number}".encode())
                self.figures.lost += not await server.notify(GATEWAY, Reply("2.05", self._notified[-1], CBOR))
            await asyncio.sleep(self._random.uniform(0, 20))

    async def _ask(self, payload: bytes) -> None:
        request = Request("POST", payload=payload, content_format=COMPACT)
        try:
            reply = await self._this.client.ask(request)
        except (ExchangeFailed, Refused):
            self.figures.lost += 1
        else:
            self.figures.wrong += reply.payload != payload[::-1]

    def _on_error(self, error: Refused) -> None:
        self.figures.lost += 1

    async def _replay(self) -> None:
        # Acknowledgements have nothing that could be protected or taken; those of nothing are passed over.
        captured = [data for data in dict.fromkeys(self._this.sent) if len(data) > _BARE_BYTES]
        await asyncio.sleep(_FORGOTTEN_S)
        await self._send(captured)
        ours = next(agent for agent, transport in self._this.relay._agents.items() if transport is not None)
        for data in captured:
            self.figures.at_platform += 1
            self._this.relay._to_platform(data, ours)
            await asyncio.sleep(0.01)

    async def _change_request(self) -> None:
        """Attacks with a datagram of the gateway that is on its way still."""
        payload = self._payload()
        self._this.relay.down = True
        await self._this.client.tell(Request("POST", payload=payload, content_format=COMPACT), self._on_error)
        await asyncio.sleep(0.1)
        self._this.relay.down = False
        data = self._this.sent[-1]
        body = range(_HEAD_BYTES, len(data))
        await self._send(data[:length] for length in range(1, len(data)))
        await self._send(data + bytes(more) for more in (1, 2, 8, 500, 1280 - len(data), 1281 - len(data), 65_000))
        await self._send(_flipped(data, body))
        await self._send([data.replace(b"\x00\x01", b"\x00\x02", 1), data.replace(b"\x00\x01", b"\x00\x09", 1)])
        self.figures.wrong += self._taken[GATEWAY, payload]
        await self._send([data], tried=0)
        self.figures.lost += self._taken[GATEWAY, payload] == 0
        await self._send(_flipped(data, range(_HEAD_BYTES)))

    async def _speak_as_others(self) -> None:
        """Another gateway under this one's name, a stranger, and requests that are not protected at all."""
        made: list[bytes] = []
        for number in (2, 9):
            context = MemoryContext(gateway_keys(number))
            for claimed in (1, number) if number == 9 else (1,):
                context.sender_id = claimed.to_bytes(2, "big")
                message, _ = context.protect(from_request(Request("POST", payload=b"forged", content_format=COMPACT)))
                made.append(_encoded(message, CON))
        forms = [(COMPACT, ()), (SENML_CBOR, ("senml",)), (CBOR, ("u", "ledger")), (None, (".well-known", "edhoc"))]
        for content_format, path in forms:
            for mtype in (CON, NON):
                for method in ("GET", "POST", "PUT", "DELETE", "FETCH"):
                    request = Request(method, path, ("e=1", f"g={GATEWAY}"), b"forged", content_format)
                    made.append(_encoded(from_request(request), mtype))
        await self._send(made)

    async def _change_answer(self, bit: int) -> None:
        """An exchange of the gateway, with changed and former answers before the honest one."""
        relay = self._this.relay
        honest = relay._from_platform
        former = list(dict.fromkeys(self._this.answered))[-50:]

        def forge(data: bytes, agent: tuple[str, int]) -> None:
            for other in (*_flipped(data, range(len(data)), [bit]), *former, data[:-1], data + b"\x00"):
                self.figures.at_gateway += 1
                relay._to_agent(other, agent)
            honest(data, agent)

        relay._from_platform = forge  # type: ignore[method-assign]
        await self._ask(self._payload())
        relay._from_platform = honest  # type: ignore[method-assign]
        await asyncio.sleep(60)

    async def _send(self, datagrams: Iterable[bytes], *, tried: int = 1) -> None:
        anybody = await _Anybody.at(self._this.server.port)
        for number, data in enumerate(datagrams):
            self.figures.at_platform += tried
            anybody.transport.sendto(data)
            if number % _AT_ONCE == _AT_ONCE - 1:
                await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        anybody.transport.close()
        self._steps += 1
        self._on_progress(self._steps, 6 * self._dose.changed + 3)

    def _keep_refused(self) -> None:
        self.figures.refused += self._this.server.refused

    def _count(self) -> None:
        figures = self.figures
        for item, times in self._taken.items():
            if item in self._honest:
                figures.duplicated += times - (self._observed if item[1] == b"GET" else 1)
            else:
                figures.wrong += times
        figures.lost += len(self._honest - set(self._taken))
        heard, notified = Counter(self._heard), Counter(self._notified)
        figures.duplicated += (heard - notified).total()
        figures.lost += (notified - heard).total()


def _flipped(data: bytes, where: Iterable[int], bits: Iterable[int] = range(8)) -> Iterator[bytes]:
    """`data` with one of the `bits` of one of the bytes at `where` changed, each in turn."""
    for at in where:
        for bit in bits:
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def _encoded(message: Any, mtype: int) -> bytes:
    message.mtype, message.mid, message.token = Type(mtype), 0x1234, b"x"
    data: bytes = message.encode()
    return data


def attack(
    *, without_window: bool, seed: int = 1, dose: Dose | None = None, on_progress: OnProgress = silent
) -> Figures:
    """Do all of it, in virtual time."""

    async def main(clock: RigClock) -> Figures:
        async with world(limits=_WIDE, gateways=2) as this:
            made = _Attack(this, seed, dose or Dose(), on_progress)
            await made.run(without_window=without_window)
            return made.figures

    return run_virtual(main)


def row(case: str, figures: Figures) -> Row:
    """What `make faults` prints."""
    tried = figures.at_platform + figures.at_gateway
    uncounted = figures.at_platform - figures.refused.total()
    return {
        "case": case,
        "tried": tried,
        "survived": tried - max(uncounted, figures.duplicated + figures.wrong),
        "lost": figures.lost,
        "duplicated": figures.duplicated,
        "wrong": figures.wrong,
        "refused": figures.refused.total(),
        "uncounted": uncounted,
        "challenged": figures.refused["challenged"],
    }


def _replay(on_progress: OnProgress) -> Row:
    return row("uplink/replay", attack(without_window=False, on_progress=on_progress))


def _control(on_progress: OnProgress) -> Row:
    return row("uplink/replay-control", attack(without_window=True, on_progress=on_progress))


CASES: dict[str, Callable[[OnProgress], Row]] = {"uplink/replay": _replay, "uplink/replay-control": _control}
