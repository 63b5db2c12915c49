"""Our blocks against a platform that knows RFC 7959 and nothing of us: aiocoap's own server."""

import socket
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiocoap import CHANGED, CONTENT, Context, Message
from aiocoap.resource import Resource, Site

from gateway_agent.uplink.answer import FileOffer
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.transfer_format import CONFIGURATION, LEDGER, digest_of
from gateway_agent.uplink.transfers import Transfers
from hardware.rig.clock import RigClock, run_virtual
from tests.over_ip import over_ip

DATA = Random(9).randbytes(3000)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Taking(Resource):  # type: ignore[misc]
    """Keeps what is put."""

    def __init__(self) -> None:
        super().__init__()
        self.bodies: list[bytes] = []

    async def render_put(self, request: Any) -> Any:
        self.bodies.append(request.payload)
        return Message(code=CHANGED)


class Giving(Resource):  # type: ignore[misc]
    """Gives a file in blocks of its own choice, and takes what came of it."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, ...]] = []

    async def render_get(self, request: Any) -> Any:
        answer = Message(code=CONTENT, payload=DATA)
        answer.opt.etag = digest_of(DATA)
        return answer

    async def render_delete(self, request: Any) -> Any:
        self.told.append(tuple(request.opt.uri_query))
        return Message(code=CHANGED)


@pytest.mark.parametrize("size", [100, 512, 3000])
def test_a_plain_server_gets_a_file_whole(tmp_path: Path, size: int) -> None:
    async def main(_clock: RigClock) -> None:
        taking = Taking()
        site = Site()
        site.add_resource(("u", LEDGER), taking)
        port = free_port()
        server = await Context.create_server_context(site, bind=("127.0.0.1", port), transports=["simplesocketserver"])
        client = CoapClient(f"coap://127.0.0.1:{port}", over_ip(1, 1), security=CLEAR)
        transfers = Transfers(client, (), tmp_path)
        transfers.send(LEDGER, DATA[:size])
        for _ in range(20):
            if transfers.has_work:
                await transfers.step()
        assert taking.bodies == [DATA[:size]]
        assert not transfers.has_work
        await client.close()
        await server.shutdown()

    run_virtual(main)


def test_a_file_comes_whole_from_a_plain_server(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        giving, got = Giving(), []
        site = Site()
        site.add_resource(("d", CONFIGURATION), giving)
        port = free_port()
        server = await Context.create_server_context(site, bind=("127.0.0.1", port), transports=["simplesocketserver"])
        client = CoapClient(f"coap://127.0.0.1:{port}", over_ip(1, 1), security=CLEAR)

        async def take(data: bytes) -> str:
            got.append(data)
            return ""

        transfers = Transfers(client, (), tmp_path, {CONFIGURATION: take})
        transfers.offered([FileOffer(CONFIGURATION, digest_of(DATA), len(DATA))])
        for _ in range(20):
            if transfers.has_work:
                await transfers.step()
        assert got == [DATA]
        assert giving.told == [(f"d={digest_of(DATA).hex()}", "r=taken")]
        await client.close()
        await server.shutdown()

    run_virtual(main)
