"""A UDP relay on 127.0.0.1 between the agent and the platform: the radio link of the rig.

It counts what is on the air, each way and by kind of CoAP message, and can lose, double, delay and reorder datagrams
from a seed. `down = True` takes the platform away: the agent's datagrams are still sent, counted and billed, but
nobody gets them. Each agent address has its own socket towards the platform, so that a restarted agent is a new peer.

A datagram counts as its payload plus 28 bytes of IPv4 and UDP headers. Message kinds follow RFC 7252, section 3.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

Deliver = Callable[[], None]
Received = Callable[[bytes, tuple[str, int]], None]

HEADER_BYTES = 28
_TYPES = ("CON", "NON", "ACK", "RST")
_METHODS = {1: "GET", 2: "POST", 3: "PUT", 4: "DELETE", 5: "FETCH", 6: "PATCH", 7: "iPATCH"}


@dataclass(frozen=True)
class RadioFaults:
    """What the link does to datagrams: probabilities of loss and doubling, and seconds of delay plus random `jitter_s`.

    Jitter greater than the distance of two datagrams reorders them. After `idle_s` without a datagram of an agent the
    way back to it is forgotten, as a NAT does (0: never); what it sends then comes from another port.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    idle_s: float = 0.0


@dataclass
class AirCount:
    """What one direction has put on the air: datagrams and bytes (payload and headers), in all and by kind."""

    datagrams: int = 0
    air_bytes: int = 0
    lost: int = 0
    duplicated: int = 0
    datagrams_by_kind: Counter[str] = field(default_factory=Counter)
    bytes_by_kind: Counter[str] = field(default_factory=Counter)

    def add(self, data: bytes) -> None:
        """Count one datagram."""
        size = len(data) + HEADER_BYTES
        kind = coap_kind(data)
        self.datagrams += 1
        self.air_bytes += size
        self.datagrams_by_kind[kind] += 1
        self.bytes_by_kind[kind] += size


def coap_kind(data: bytes) -> str:
    """Type and code of a CoAP message, such as "CON POST" or "ACK 2.04"; "other" for what is not CoAP."""
    if len(data) < 4 or data[0] >> 6 != 1:
        return "other"
    code = data[1]
    if code == 0:
        name = "empty"
    elif code < 32:
        name = _METHODS.get(code, f"0.{code:02d}")
    else:
        name = f"{code >> 5}.{code & 31:02d}"
    return f"{_TYPES[data[0] >> 4 & 3]} {name}"


class Relay:
    """Carries datagrams between agents and one platform. `up` and `down_link` count the two directions."""

    def __init__(self, platform: tuple[str, int], seed: int, faults: RadioFaults) -> None:
        self.platform = platform
        self.faults = faults
        self.down = False
        self.up = AirCount()
        self.down_link = AirCount()
        self._random = Random(seed)
        self._loop = asyncio.get_running_loop()
        self._agents: dict[tuple[str, int], asyncio.DatagramTransport | None] = {}
        self._waiting: dict[tuple[str, int], list[bytes]] = {}
        self._spoke_s: dict[tuple[str, int], float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._agent_side: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(
        cls,
        platform: tuple[str, int],
        *,
        seed: int = 0,
        faults: RadioFaults | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> "Relay":
        """Listen for agents on `host`:`port` (0: any free one) and carry their datagrams to `platform`."""
        relay = cls(platform, seed, faults or RadioFaults())
        transport, _ = await relay._loop.create_datagram_endpoint(
            lambda: _Side(relay._from_agent), local_addr=(host, port)
        )
        relay._agent_side = transport
        return relay

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that the agent talks to."""
        if self._agent_side is None:
            raise RuntimeError("the relay is closed")
        host, port = self._agent_side.get_extra_info("sockname")[:2]
        return host, port

    @property
    def bytes_on_air(self) -> int:
        """Bytes of both directions, headers included."""
        return self.up.air_bytes + self.down_link.air_bytes

    async def close(self) -> None:
        """Close all sockets; what is under way is lost."""
        for timer in self._timers:
            timer.cancel()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in (self._agent_side, *self._agents.values()):
            if transport is not None:
                transport.close()
        self._agent_side = None
        self._agents.clear()
        await asyncio.sleep(0)

    def _from_agent(self, data: bytes, agent: tuple[str, int]) -> None:
        self.up.add(data)
        self._is_forgotten(agent)
        self._spoke_s[agent] = self._loop.time()
        self._carry(self.up, data, lambda: self._to_platform(data, agent))

    def _from_platform(self, data: bytes, agent: tuple[str, int]) -> None:
        if self._is_forgotten(agent):
            self.down_link.lost += 1
            return
        self.down_link.add(data)
        self._carry(self.down_link, data, lambda: self._to_agent(data, agent))

    def _is_forgotten(self, agent: tuple[str, int]) -> bool:
        """Whether the way back to the agent is closed; its side towards the platform goes with it."""
        idle_s = self.faults.idle_s
        if not idle_s or self._loop.time() - self._spoke_s.get(agent, self._loop.time()) <= idle_s:
            return False
        transport = self._agents.get(agent)
        if transport is not None:
            del self._agents[agent]
            transport.close()
        return True

    def _carry(self, count: AirCount, data: bytes, deliver: Deliver) -> None:
        faults = self.faults
        if self.down or (faults.loss and self._random.random() < faults.loss):
            count.lost += 1
            return
        copies = 1
        if faults.duplicate and self._random.random() < faults.duplicate:
            copies = 2
            count.duplicated += 1
        for _ in range(copies):
            delay_s = faults.delay_s + (self._random.random() * faults.jitter_s if faults.jitter_s else 0.0)
            if delay_s:
                self._later(delay_s, deliver)
            else:
                deliver()

    def _later(self, delay_s: float, deliver: Deliver) -> None:
        def due() -> None:
            self._timers.discard(timer)
            deliver()

        timer = self._loop.call_later(delay_s, due)
        self._timers.add(timer)

    def _to_agent(self, data: bytes, agent: tuple[str, int]) -> None:
        if self._agent_side is not None:
            self._agent_side.sendto(data, agent)

    def _to_platform(self, data: bytes, agent: tuple[str, int]) -> None:
        transport = self._agents.get(agent)
        if transport is not None:
            transport.sendto(data)
            return
        self._waiting.setdefault(agent, []).append(data)
        if agent not in self._agents:
            self._agents[agent] = None
            task = self._loop.create_task(self._connect(agent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, agent: tuple[str, int]) -> None:
        transport, _ = await self._loop.create_datagram_endpoint(
            lambda: _Side(lambda data, _: self._from_platform(data, agent)), remote_addr=self.platform
        )
        self._agents[agent] = transport
        for data in self._waiting.pop(agent, []):
            transport.sendto(data)


class _Side(asyncio.DatagramProtocol):
    """One socket of the relay; an unreachable platform is an ordinary state of the link and only counted."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self.errors = 0

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self._received(data, address)

    def error_received(self, error: Exception) -> None:
        self.errors += 1
