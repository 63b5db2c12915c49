"""A CoAP client, a radio link that keeps every datagram, and a platform's server, with keys that live in memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway_agent.journal.kept_context import Store
from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.uplink.admission import Limits
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import COMPACT, Arrived, Reply, Request
from gateway_agent.uplink.oscore_context import JournalSecurityContext, OscoreKeys
from gateway_agent.uplink.security import CLEAR, AskEdhoc
from hardware.rig.platform_server import Known, PlatformServer
from hardware.rig.relay import RadioFaults, Relay
from tests.over_ip import over_ip

GATEWAY = "gp-test-1"
MESSAGE_3 = b"\x44proo"
"""Stands for EDHOC's third message; the platform takes no other."""


def gateway_keys(number: int = 1) -> OscoreKeys:
    """Keys of gateway `number`, whose id has two bytes; the platform's id is empty."""
    return OscoreKeys(bytes([number]) * 16, number.to_bytes(2, "big"), b"", master_salt=b"saltsalt")


def platform_keys(number: int = 1) -> OscoreKeys:
    """The other side of `gateway_keys`."""
    mine = gateway_keys(number)
    return OscoreKeys(mine.master_secret, mine.recipient_id, mine.sender_id, master_salt=mine.master_salt)


@dataclass
class FixedSecurity:
    """Keys that never change. `log` is what the client has told."""

    held: Any
    log: list[str] = field(default_factory=list)

    @classmethod
    async def begin(cls, keys: OscoreKeys | None = None) -> "FixedSecurity":
        return cls(await JournalSecurityContext.begin(MemoryStore(), "gateway", keys or gateway_keys()))

    async def context(self, ask_edhoc: AskEdhoc) -> Any:
        await self.held.prepare()
        return self.held

    def spoke(self) -> None:
        self.log.append("spoke")

    def unanswered(self) -> None:
        self.log.append("unanswered")

    async def lost(self, reason: str) -> None:
        self.log.append("lost")


@dataclass
class FixedKeys:
    """The platform's side: contexts by the gateway's id. `store` outlives a restart; `edhoc` answers message 1."""

    store: Store
    contexts: dict[bytes, Known] = field(default_factory=dict)
    edhoc: Callable[[bytes], bytes | None] | None = None

    @classmethod
    async def begin(cls, *numbers: int) -> "FixedKeys":
        made = cls(MemoryStore())
        for number in numbers or (1,):
            keys = platform_keys(number)
            context = await JournalSecurityContext.begin(made.store, f"platform-{number}", keys)
            made.contexts[keys.recipient_id] = Known(f"gp-test-{number}", context)
        return made

    async def restarted(self) -> "FixedKeys":
        """What a platform has after a power cut: the store, but not the replay windows."""
        made = FixedKeys(self.store, edhoc=self.edhoc)
        for kid, known in self.contexts.items():
            number = int(known.gateway.rpartition("-")[2])
            context = await JournalSecurityContext.open(self.store, f"platform-{number}", platform_keys(number))
            made.contexts[kid] = Known(known.gateway, context)
        return made

    async def find(self, kid: bytes, kid_context: bytes | None, message_3: bytes | None = None) -> Known | None:
        if message_3 is not None and message_3 != MESSAGE_3:
            return None
        known = self.contexts.get(kid)
        if known is not None:
            await known.context.prepare()
        return known

    def spoke(self, known: Known) -> None:
        """Nothing changes."""

    @property
    def takes_edhoc(self) -> bool:
        return self.edhoc is not None

    async def take_edhoc(self, message_1: bytes) -> bytes | None:
        return self.edhoc(message_1) if self.edhoc is not None else None


@dataclass
class World:
    """What a test sees. `arrived` is what the handler got; `sent` and `answered` are datagrams on the air."""

    server: PlatformServer
    relay: Relay
    client: CoapClient
    security: FixedSecurity | None
    keys: FixedKeys | None
    arrived: list[Arrived] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    answered: list[bytes] = field(default_factory=list)
    reply: Callable[[Arrived], Reply] = lambda arrived: Reply("2.04")

    async def handle(self, arrived: Arrived) -> Reply:
        self.arrived.append(arrived)
        return self.reply(arrived)

    async def restart_platform(self) -> None:
        """The server ends as in a power cut, and comes back at the same port."""
        port = self.server.port
        await self.server.stop()
        if self.keys is not None:
            self.keys = await self.keys.restarted()
        self.server = PlatformServer(self.handle, self.keys)
        await self.server.start(port=port)

    async def restart_client(self) -> None:
        """A new client with the same keys."""
        await self.client.close()
        self.client = CoapClient(self.client.url, over_ip(2, 2), security=self.security or CLEAR)


def batch(payload: bytes = b"batch") -> Request:
    return Request("POST", payload=payload, content_format=COMPACT)


@asynccontextmanager
async def world(
    *, is_clear: bool = False, faults: RadioFaults | None = None, limits: Limits | None = None, gateways: int = 1
) -> AsyncIterator[World]:
    """A client, a relay and a server; everything is closed afterwards."""
    keys = None if is_clear else await FixedKeys.begin(*range(1, gateways + 1))
    security = None if is_clear else await FixedSecurity.begin()
    made: list[World] = []

    async def handle(arrived: Arrived) -> Reply:
        return await made[0].handle(arrived)

    server = PlatformServer(handle, keys, limits=limits)
    await server.start()
    relay = await Relay.start(("127.0.0.1", server.port), seed=5, faults=faults)
    host, port = relay.address
    client = CoapClient(f"coap://{host}:{port}", over_ip(2, 2), security=security or CLEAR)
    this = World(server, relay, client, security, keys)
    made.append(this)
    add_up, add_down = relay.up.add, relay.down_link.add
    relay.up.add = lambda data: (this.sent.append(data), add_up(data))[1]  # type: ignore[method-assign]
    relay.down_link.add = lambda data: (this.answered.append(data), add_down(data))[1]  # type: ignore[method-assign]
    try:
        yield this
    finally:
        await this.client.close()
        await relay.close()
        await this.server.stop()
