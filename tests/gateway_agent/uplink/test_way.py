"""The way over the IP network, by the system's routes or one interface, and what it says when there is none."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.uplink.way import IpWay, NoWay

LOOPBACK = sorted(path.name for path in Path("/sys/class/net").iterdir() if path.name == "lo")


class Echo(asyncio.DatagramProtocol):
    """Answers each datagram with itself."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(data, address)


async def asked(way: IpWay, host: str) -> bytes:
    """What comes back for a datagram over a way."""
    loop = asyncio.get_running_loop()
    there, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    answered: asyncio.Future[bytes] = loop.create_future()
    try:
        port = there.get_extra_info("sockname")[1]
        link = await way.open(host, port, answered.set_result, answered.set_exception)
        link.send(b"hello", answer_expected=True)
        async with asyncio.timeout(5):
            return await answered
    finally:
        there.close()


@pytest.mark.parametrize("interface", [None, *LOOPBACK])
def test_a_datagram_goes_there_and_comes_back(interface: str | None) -> None:
    assert asyncio.run(asked(IpWay(interface), "127.0.0.1")) == b"hello"


def test_an_interface_that_is_not_there_is_named() -> None:
    with pytest.raises(NoWay, match="over nope0: No such device"):
        asyncio.run(asked(IpWay("nope0"), "127.0.0.1"))


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(NoWay, match=r"the name nobody\.invalid is not known"):
        asyncio.run(asked(IpWay(), "nobody.invalid"))


def test_a_port_that_nobody_listens_on_is_told_at_once() -> None:
    async def main() -> Exception:
        lost: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        link = await IpWay().open("127.0.0.1", 9, lambda data: None, lost.set_result)
        link.send(b"hello", answer_expected=True)
        async with asyncio.timeout(5):
            problem = await lost
        link.close()
        return problem

    assert isinstance(asyncio.run(main()), ConnectionRefusedError)
