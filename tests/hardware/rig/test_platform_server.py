"""The platform's server against raw datagrams and against aiocoap's own OSCORE."""

import asyncio
import gc
from random import Random
from typing import Any

import pytest
from aiocoap import POST, Context, Message  # type: ignore[import-untyped]
from aiocoap.numbers.types import CON, NON  # type: ignore[import-untyped]
from aiocoap.optiontypes import OpaqueOption  # type: ignore[import-untyped]
from aiocoap.oscore_sitewrapper import OscoreSiteWrapper  # type: ignore[import-untyped]
from aiocoap.resource import Resource, Site  # type: ignore[import-untyped]

from gateway_agent.uplink.admission import Limits
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import Reply, Request
from gateway_agent.uplink.coap_options import from_request
from gateway_agent.uplink.datagram import read_datagram
from gateway_agent.uplink.errors import ExchangeFailed, Refused
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform_server import PlatformServer, ServerError
from tests.gateway_agent.uplink.coap_world import (
    MESSAGE_3,
    FixedSecurity,
    World,
    batch,
    gateway_keys,
    platform_keys,
    world,
)
from tests.gateway_agent.uplink.oscore_peer import Platform as MemoryContext
from tests.over_ip import over_ip


class Raw(asyncio.DatagramProtocol):
    """A socket of anybody."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.transport: Any = None

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append(data)

    @classmethod
    async def to(cls, this: World) -> "Raw":
        made = cls()
        address = ("127.0.0.1", this.server.port)
        made.transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: made, remote_addr=address)
        return made

    async def ask(self, *datagrams: bytes) -> list[bytes]:
        """What comes back within a second."""
        self.heard = []
        for data in datagrams:
            self.transport.sendto(data)
            await asyncio.sleep(0)
        await asyncio.sleep(1)
        return self.heard


def protected(context: Any, payload: bytes, *, message_id: int = 7, mtype: Any = CON, **options: Any) -> bytes:
    outer, _ = context.protect(Message(code=POST, payload=payload, **options))
    outer.mid, outer.mtype, outer.token = message_id, mtype, b"t"
    data: bytes = outer.encode()
    return data


def test_what_is_not_oscore_gets_no_answer_and_stores_nothing() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            raw = await Raw.to(this)
            clear = Message(code=POST, payload=b"batch", content_format=65100)
            clear.mid, clear.mtype = 1, CON
            ping = b"\x40\x00\x00\x02"
            core = b"\x40\x01\x00\x03\xbb.well-known\x04core"
            assert await raw.ask(clear.encode(), ping, core, b"\x40", b"\x80\x02\x00\x01", bytes(1500)) == []
            assert this.arrived == []
            assert this.server.refused == {"clear": 2, "no-request": 1, "short": 1, "version": 1, "long": 1}
            raw.transport.close()

    run_virtual(main)


def test_a_repetition_is_answered_alike_and_a_replay_not_at_all() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            honest, other = await Raw.to(this), await Raw.to(this)
            context = MemoryContext(gateway_keys())
            request = protected(context, b"once")
            (answer,) = await honest.ask(request)
            assert await honest.ask(request) == [answer]
            assert await other.ask(request) == []
            await asyncio.sleep(300)
            assert await honest.ask(request) == []
            assert [arrived.request.payload for arrived in this.arrived] == [b"once"]
            assert this.server.refused == {"replayed": 2}
            honest.transport.close()
            other.transport.close()

    run_virtual(main)


def test_another_message_with_the_same_message_id_is_no_repetition() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            raw = await Raw.to(this)
            context = MemoryContext(gateway_keys())
            assert len(await raw.ask(protected(context, b"one"))) == 1
            assert len(await raw.ask(protected(context, b"two"))) == 1
            assert [arrived.request.payload for arrived in this.arrived] == [b"one", b"two"]
            raw.transport.close()

    run_virtual(main)


def test_unknown_keys_and_keys_of_others_are_refused() -> None:
    async def main(clock: RigClock) -> None:
        async with world(gateways=2) as this:
            raw = await Raw.to(this)
            assert await raw.ask(protected(MemoryContext(gateway_keys(9)), b"stranger")) == []
            swapped = protected(MemoryContext(gateway_keys(2)), b"impostor").replace(
                b"\x00\x00\x02", b"\x00\x00\x01", 1
            )
            assert await raw.ask(swapped) == []
            assert len(await raw.ask(protected(MemoryContext(gateway_keys(2)), b"second", message_id=8))) == 1
            assert [arrived.gateway for arrived in this.arrived] == ["gp-test-2"]
            assert this.server.refused == {"unknown-key": 1, "not-genuine": 1}
            raw.transport.close()

    run_virtual(main)


def test_what_is_not_text_within_a_genuine_request_is_refused() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            raw = await Raw.to(this)
            context = MemoryContext(gateway_keys())
            split = context._split_message

            def with_bad_path(message: Any, request_id: Any) -> Any:
                outer, plaintext = split(message, request_id)
                return outer, plaintext[:1] + b"\xb2\xff\xfe" + plaintext[1:]

            context._split_message = with_bad_path
            assert await raw.ask(protected(context, b"batch")) == []
            assert this.server.refused == {"not-genuine": 1}
            raw.transport.close()

    run_virtual(main)


@pytest.mark.parametrize("is_clear", [True, False])
@pytest.mark.parametrize(("number", "code"), [(1, "4.02"), (5, "4.02"), (2053, "4.02"), (2054, "2.04"), (60, "2.04")])
def test_a_critical_option_that_is_not_known_is_refused(is_clear: bool, number: int, code: str) -> None:
    async def main(clock: RigClock) -> None:
        async with world(is_clear=is_clear) as this:
            make = from_request

            def with_option(request: Request) -> Any:
                message = make(request)
                message.opt.add_option(OpaqueOption(number, b"x"))
                return message

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("gateway_agent.uplink.client.from_request", with_option)
                try:
                    assert (await this.client.ask(batch())).code == code
                except Refused as refused:
                    assert refused.code == code
            assert len(this.arrived) == (code == "2.04")

    run_virtual(main)


def test_an_error_of_the_platform_is_answered_protected(caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            raw = await Raw.to(this)

            def fail(arrived: Any) -> Reply:
                raise RuntimeError("broken")

            this.reply = fail
            (answer,) = await raw.ask(protected(MemoryContext(gateway_keys()), b"batch"))
            assert read_datagram(answer, 10).oscore is not None
            assert "broken" in caplog.text
            raw.transport.close()

    run_virtual(main)


@pytest.mark.parametrize(
    ("mtype", "no_response", "code", "answers"),
    [
        (NON, None, "2.04", 1),
        (NON, 2, "2.04", 0),
        (NON, 2, "4.00", 1),
        (NON, 26, "4.00", 0),
        (CON, None, "2.04", 1),
        (CON, 2, "2.04", 1),
    ],
)
def test_no_response_is_kept_by_class(mtype: Any, no_response: int | None, code: str, answers: int) -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            raw = await Raw.to(this)
            this.reply = lambda arrived: Reply(code)
            options = {} if no_response is None else {"no_response": no_response}
            heard = await raw.ask(protected(MemoryContext(gateway_keys()), b"batch", mtype=mtype, **options))
            assert len(heard) == answers
            if mtype is CON and no_response:
                assert heard == [b"\x60\x00\x00\x07"]
            raw.transport.close()

    run_virtual(main)


def test_edhoc_is_answered_in_the_clear_by_whoever_has_the_keys() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            assert this.keys is not None
            this.keys.edhoc = lambda message: b"two" if message == b"\xf5one" else None
            await this.restart_platform()
            raw = await Raw.to(this)
            request = b"\x41\x02\x00\x01e\xbb.well-known\x05edhoc\xff"
            assert await raw.ask(request + b"\xf5one") == [b"\x61\x44\x00\x01e\xfftwo"]
            assert await raw.ask(request + b"\xf5other") == []
            assert this.server.refused == {"edhoc": 1}
            raw.transport.close()

    run_virtual(main)


@pytest.mark.parametrize(
    ("message_3", "reason"), [(MESSAGE_3, None), (b"\x44fake", "unknown-key"), (b"\x04", "edhoc-message")]
)
def test_the_third_message_of_edhoc_comes_with_the_first_request(message_3: bytes, reason: str | None) -> None:
    class Completing(FixedSecurity):
        async def context(self, ask_edhoc: Any) -> Any:
            await self.held.prepare()
            return self

        def protect(self, message: Any) -> Any:
            outer, request_id = self.held.protect(message)
            outer.opt.edhoc = True
            outer.payload = message_3 + outer.payload
            return outer, request_id

        def unprotect(self, message: Any, request_id: Any) -> Any:
            return self.held.unprotect(message, request_id)

    async def main(clock: RigClock) -> None:
        async with world() as this:
            assert this.keys is not None
            assert this.security is not None
            this.keys.edhoc = lambda message: None
            await this.restart_platform()
            async with CoapClient(this.client.url, over_ip(2, 2), security=Completing(this.security.held)) as client:
                if reason is None:
                    assert (await client.ask(batch())).code == "2.04"
                else:
                    with pytest.raises(ExchangeFailed):
                        await client.ask(batch())
                    assert this.server.refused == {reason: 3}

    run_virtual(main)


def test_a_flood_of_one_gateway_leaves_little_behind() -> None:
    async def main(clock: RigClock) -> None:
        async with world(limits=Limits(burst=10**6)) as this:
            context = MemoryContext(gateway_keys())
            raw = await Raw.to(this)
            for number in range(1500):
                raw.transport.sendto(protected(context, b"batch", message_id=number, mtype=NON, no_response=2))
                if number % 50 == 49:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(1)
            assert len(this.arrived) == 1500
            assert this.server._socket is not None
            assert len(this.server._socket._messages._requests) <= 1024
            assert not this.server._socket._tokens.incoming_requests
            assert not this.server._tasks
            raw.transport.close()

    run_virtual(main)


def test_a_platform_without_keys_stays_on_this_machine_and_a_port_is_not_shared() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            server = PlatformServer(this.handle, None)
            with pytest.raises(ServerError, match="gatepost enrol"):
                await server.start("192.0.2.1")
            with pytest.raises(OSError, match="in use"):
                await server.start(port=this.server.port)
            await server.stop()

    run_virtual(main)


def test_aiocoap_as_client_with_its_own_oscore_is_served() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.reply = lambda arrived: Reply("2.04", arrived.request.payload[::-1], 60)
            context = await Context.create_client_context(transports=["oscore", "simple6"])
            uri = f"coap://127.0.0.1:{this.server.port}"
            context.client_credentials[f"{uri}/*"] = MemoryContext(gateway_keys())
            for payload in (b"abc", b"def"):
                answer = await context.request(Message(code=POST, uri=f"{uri}/senml?e=1", payload=payload)).response
                assert answer.payload == payload[::-1]
                refused = dict(this.server.refused)
                await this.restart_platform()
            assert [arrived.request.query for arrived in this.arrived] == [("e=1",), ("e=1",)]
            assert refused == {"challenged": 1}
            await context.shutdown()

    run_virtual(main)


def test_aiocoap_as_server_with_its_own_oscore_serves_our_client() -> None:
    class Echoing(Resource):  # type: ignore[misc]
        async def render_post(self, request: Any) -> Any:
            return Message(code=68, payload=request.payload[::-1], content_format=60)

    class ServerContext(MemoryContext):
        def get_oscore_context_for(self, unprotected: Any) -> Any:
            return self if unprotected.get(4) == self.recipient_id else None

    async def main(clock: RigClock) -> None:
        site = Site()
        site.add_resource(["senml"], Echoing())
        server = await Context.create_server_context(None, bind=("127.0.0.1", 0), transports=["simplesocketserver"])
        server.serversite = OscoreSiteWrapper(site, server.server_credentials)
        server.server_credentials[":gateway"] = ServerContext(platform_keys())
        interface = server.request_interfaces[0].token_interface.message_interface
        port = interface._pool._transport.get_extra_info("sockname")[1]
        async with CoapClient(f"coap://127.0.0.1:{port}", over_ip(), security=await FixedSecurity.begin()) as client:
            reply = await client.ask(Request("POST", ("senml",), ("e=1",), b"abc", 112))
            assert reply == Reply("2.04", b"cba", 60)
        await server.shutdown()

    run_virtual(main)


@pytest.mark.parametrize("is_clear", [True, False])
def test_hostile_datagrams_are_met_without_a_word_in_the_log(is_clear: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: RigClock) -> None:
        async with world(is_clear=is_clear, limits=Limits(burst=10**6), gateways=2) as this:
            raw = await Raw.to(this)
            random = Random(3)
            context = MemoryContext(gateway_keys(2))
            plain = Message(code=POST, payload=b"x", uri_path=("senml",), uri_query=("e=1",), content_format=112)
            plain.mid, plain.mtype, plain.token = 1, CON, b"t"
            for number in range(1500):
                data = bytearray(plain.encode() if number % 2 else protected(context, b"batch", message_id=number))
                for _ in range(random.randrange(1, 4)):
                    data[random.randrange(len(data))] = random.randrange(256)
                raw.transport.sendto(random.randbytes(random.randrange(60)) if number % 5 == 0 else bytes(data))
                if number % 50 == 49:
                    await asyncio.sleep(0.1)
            await asyncio.sleep(400)
            assert (await this.client.ask(batch())).code == "2.04"
            assert not this.server._tasks
            raw.transport.close()

    run_virtual(main)
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def test_a_flood_from_one_address_does_not_keep_others_out() -> None:
    async def main(clock: RigClock) -> None:
        async with world(gateways=2, limits=Limits(per_s=5, burst=100)) as this:
            raw = await Raw.to(this)
            replayed = protected(MemoryContext(gateway_keys(2)), b"once", mtype=NON)
            for number in range(2000):
                raw.transport.sendto(replayed[:2] + number.to_bytes(2, "big") + replayed[4:])
                if number % 100 == 99:
                    await asyncio.sleep(0.1)
                    assert (await this.client.ask(batch())).code == "2.04"
            assert [arrived.gateway for arrived in this.arrived].count("gp-test-2") == 1
            assert this.server.refused["rate"] > 1800
            assert this.server.refused.total() == 1999
            raw.transport.close()

    run_virtual(main)
