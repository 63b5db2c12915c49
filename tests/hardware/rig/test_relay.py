import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.relay import HEADER_BYTES, RadioFaults, Relay, coap_kind

REQUEST = bytes([0x44, 0x02, 0x12, 0x34]) + b"toke" + b"\xff" + b"payload"
ANSWER = bytes([0x64, 0x44, 0x12, 0x34]) + b"toke"


class Peer(asyncio.DatagramProtocol):
    """A UDP end that notes what it receives and, if asked, answers."""

    def __init__(self, answer: bytes | None = None) -> None:
        self.answer = answer
        self.received: list[tuple[float, bytes]] = []
        self.peers: list[tuple[str, int]] = []
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.received.append((asyncio.get_running_loop().time(), data))
        self.peers.append(address)
        if self.answer is not None:
            self.transport.sendto(self.answer, address)


def with_a_relay(play: Callable[[Relay, Peer, Peer], Awaitable[None]], faults: RadioFaults | None = None) -> Relay:
    async def main(clock: RigClock) -> Relay:
        _, platform = await clock.loop.create_datagram_endpoint(lambda: Peer(ANSWER), local_addr=("127.0.0.1", 0))
        relay = await Relay.start(platform.transport.get_extra_info("sockname"), seed=5, faults=faults)
        _, agent = await clock.loop.create_datagram_endpoint(Peer, remote_addr=relay.address)
        await play(relay, platform, agent)
        await asyncio.sleep(1)
        agent.transport.close()
        await relay.close()
        platform.transport.close()
        await asyncio.sleep(0)
        return relay

    return run_virtual(main)


def test_message_kinds_are_read_from_the_coap_header() -> None:
    assert coap_kind(REQUEST) == "CON POST"
    assert coap_kind(ANSWER) == "ACK 2.04"
    assert coap_kind(bytes([0x60, 0, 0, 1])) == "ACK empty"
    assert coap_kind(bytes([0x70, 0, 0, 1])) == "RST empty"
    assert coap_kind(b"\x00\x01") == "other"
    assert coap_kind(b"\x00hello") == "other"


def test_datagrams_and_bytes_are_counted_each_way() -> None:
    async def play(_relay: Relay, platform: Peer, agent: Peer) -> None:
        for _ in range(3):
            agent.transport.sendto(REQUEST)
            await asyncio.sleep(0.1)
        assert [data for _, data in platform.received] == [REQUEST] * 3
        assert [data for _, data in agent.received] == [ANSWER] * 3

    relay = with_a_relay(play)
    assert (relay.up.datagrams, relay.up.air_bytes) == (3, 3 * (len(REQUEST) + HEADER_BYTES))
    assert relay.up.datagrams_by_kind == {"CON POST": 3}
    assert relay.down_link.bytes_by_kind == {"ACK 2.04": 3 * (len(ANSWER) + HEADER_BYTES)}
    assert relay.bytes_on_air == relay.up.air_bytes + relay.down_link.air_bytes


def test_a_platform_that_is_away_costs_bytes_and_comes_back() -> None:
    async def play(relay: Relay, platform: Peer, agent: Peer) -> None:
        relay.down = True
        agent.transport.sendto(REQUEST)
        await asyncio.sleep(0.1)
        assert platform.received == []
        relay.down = False
        agent.transport.sendto(REQUEST)
        await asyncio.sleep(0.1)
        assert len(agent.received) == 1

    relay = with_a_relay(play)
    assert (relay.up.datagrams, relay.up.lost) == (2, 1)


def test_loss_and_doubling_follow_their_rates() -> None:
    async def play(_relay: Relay, platform: Peer, agent: Peer) -> None:
        for _ in range(400):
            agent.transport.sendto(REQUEST)
            await asyncio.sleep(0.01)
        assert 300 < len(platform.received) < 500

    relay = with_a_relay(play, RadioFaults(loss=0.2, duplicate=0.2))
    assert 50 < relay.up.lost < 110
    assert 40 < relay.up.duplicated < 110
    assert relay.up.datagrams == 400


def test_delay_and_jitter_reorder() -> None:
    async def play(_relay: Relay, platform: Peer, agent: Peer) -> None:
        start = asyncio.get_running_loop().time()
        for index in range(20):
            agent.transport.sendto(REQUEST + bytes([index]))
        await asyncio.sleep(2)
        times = [at - start for at, _ in platform.received]
        order = [data[-1] for _, data in platform.received]
        assert min(times) >= 0.5
        assert max(times) <= 1.0
        assert sorted(order) == list(range(20))
        assert order != sorted(order)

    with_a_relay(play, RadioFaults(delay_s=0.5, jitter_s=0.5))


def test_each_agent_is_a_peer_of_its_own() -> None:
    async def play(relay: Relay, platform: Peer, agent: Peer) -> None:
        agent.transport.sendto(REQUEST)
        loop = asyncio.get_running_loop()
        transport, second = await loop.create_datagram_endpoint(Peer, remote_addr=relay.address)
        transport.sendto(REQUEST)
        await asyncio.sleep(0.1)
        assert len(set(platform.peers)) == 2
        assert len(agent.received) == len(second.received) == 1
        transport.close()

    with_a_relay(play)


def test_a_port_without_a_platform_is_an_ordinary_state() -> None:
    async def play(relay: Relay, platform: Peer, agent: Peer) -> None:
        platform.transport.close()
        await asyncio.sleep(0.1)
        for _ in range(3):
            agent.transport.sendto(REQUEST)
            await asyncio.sleep(0.1)
        assert agent.received == []
        assert relay.up.datagrams == 3

    with_a_relay(play)
