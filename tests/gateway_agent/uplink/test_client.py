"""The CoAP client against the platform's server, over real sockets in virtual time."""

import asyncio
from random import Random
from typing import Any

import pytest

from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.client_socket import ClearTextError
from gateway_agent.uplink.coap_message import CBOR, COMPACT, Arrived, Block, Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed, Refused, UplinkError
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.told import TOLD_S
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.relay import RadioFaults
from tests.gateway_agent.uplink.coap_world import GATEWAY, FixedSecurity, batch, gateway_keys, world
from tests.over_ip import over_ip

HEADERS = 28


@pytest.mark.parametrize("is_clear", [True, False])
def test_every_field_of_a_request_and_of_its_reply_arrives(is_clear: bool) -> None:
    request = Request(
        "POST",
        ("d", "config"),
        ("e=7", "b=1"),
        b"payload",
        60,
        112,
        Block(3, True, 5),
        Block(4, False, 6),
        b"tag",
        "transfer",
    )
    reply = Reply("2.05", b"answer", 60, Block(3, True, 5), Block(9, True, 2), b"other")

    async def main(clock: RigClock) -> None:
        async with world(is_clear=is_clear) as this:
            this.reply = lambda arrived: reply
            assert await this.client.ask(request) == reply
            (arrived,) = this.arrived
            assert arrived == Arrived(
                Request(*[getattr(request, name) for name in request.__slots__[:-1]]), "" if is_clear else GATEWAY, True
            )

    run_virtual(main)


def test_a_protected_exchange_costs_as_few_bytes_as_it_can() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            payload = bytes(100)
            await this.client.ask(batch(payload))
            await this.client.tell(batch(payload), pytest.fail)
            await asyncio.sleep(1)
            confirmable, told = (len(data) + HEADERS for data in this.sent)
            (empty,) = (len(data) + HEADERS for data in this.answered)
            assert (confirmable - 100, told - 100, empty) == (52, 55, 44)
            assert [arrived.reliable for arrived in this.arrived] == [True, False]
            assert {arrived.request.payload for arrived in this.arrived} == {payload}

    run_virtual(main)


def test_a_refusal_names_its_code_and_reason_and_keeps_its_payload() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.reply = lambda arrived: Reply("4.00", b"not a batch")
            with pytest.raises(Refused, match=r"4\.00: not a batch") as refused:
                await this.client.ask(batch())
            assert (refused.value.code, refused.value.diagnostic) == ("4.00", "not a batch")
            this.reply = lambda arrived: Reply("4.09", b"\xa1\x06\x80", CBOR)
            with pytest.raises(Refused) as refused:
                await this.client.ask(batch())
            assert (refused.value.payload, refused.value.diagnostic) == (b"\xa1\x06\x80", "")

    run_virtual(main)


def test_what_was_told_is_answered_only_with_an_error_and_forgotten_after_a_while() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            errors: list[Refused] = []
            await this.client.tell(batch(), errors.append)
            await asyncio.sleep(1)
            assert (len(this.arrived), this.answered, errors) == (1, [], [])
            assert this.client.open_exchanges == 1
            this.reply = lambda arrived: Reply("4.09", b"\xa0", CBOR)
            await this.client.tell(batch(), errors.append)
            await asyncio.sleep(1)
            assert [(error.code, error.payload) for error in errors] == [("4.09", b"\xa0")]
            await asyncio.sleep(TOLD_S)
            assert this.client.open_exchanges == 0
            assert len(this.answered) == 1

    run_virtual(main)


def test_a_confirmed_exchange_forgets_what_was_told_before_it() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            for _ in range(200):
                await this.client.tell(batch(), pytest.fail)
            assert this.client.open_exchanges == 64
            await this.client.ask(batch())
            assert this.client.open_exchanges == 0
            assert len(this.arrived) == 201

    run_virtual(main)


def test_a_platform_that_was_restarted_asks_with_echo_and_gets_everything() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            await this.client.ask(batch(b"one"))
            await this.restart_platform()
            await this.client.ask(batch(b"two"))
            assert len(this.sent) == 3
            await this.restart_platform()
            await this.client.tell(batch(b"three"), pytest.fail)
            await asyncio.sleep(1)
            assert [arrived.request.payload for arrived in this.arrived] == [b"one", b"two", b"three"]
            assert this.server.refused == {"challenged": 1}

    run_virtual(main)


def test_nothing_is_sent_when_the_keys_do_not_protect_it() -> None:
    class Forgetful(FixedSecurity):
        async def context(self, ask_edhoc: Any) -> Any:
            return self

        def protect(self, message: Any) -> tuple[Any, Any]:
            return message, None

    async def main(clock: RigClock) -> None:
        async with world() as this:
            client = CoapClient(this.client.url, over_ip(), security=Forgetful(None))
            with pytest.raises(ClearTextError):
                await client.ask(batch())
            with pytest.raises(ClearTextError):
                await client.tell(batch(), pytest.fail)
            await client.close()
            assert (this.sent, client.air.sent) == ([], 0)

    run_virtual(main)


@pytest.mark.parametrize("url", ["coap://platform.example", "coap://192.0.2.1:5683", "coap://[2001:db8::1]"])
def test_a_configuration_that_would_send_in_the_clear_over_the_air_is_refused(url: str) -> None:
    with pytest.raises(UplinkError, match="gatepost enrol"):
        CoapClient(url, over_ip(), security=CLEAR)


def test_a_dead_link_fails_after_its_repetitions_and_the_numbers_go_on() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.relay.down = True
            with pytest.raises(ExchangeFailed):
                await this.client.ask(batch())
            assert len(set(this.sent)) == 1
            assert len(this.sent) == 3
            assert this.client.open_exchanges == 0
            this.relay.down = False
            await this.client.ask(batch())
            assert this.security is not None
            assert this.security.log == ["unanswered", "spoke"]
            assert this.server.refused == {}

    run_virtual(main)


def test_a_cancelled_request_is_repeated_no_more_and_the_next_one_goes_at_once() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.relay.down = True
            task = asyncio.create_task(this.client.ask(batch(b"slow")))
            await asyncio.sleep(1)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            this.relay.down = False
            began = clock.loop.time()
            await this.client.ask(batch(b"alarm"))
            assert clock.loop.time() == began
            await asyncio.sleep(60)
            assert len(this.sent) == 2
            assert [arrived.request.payload for arrived in this.arrived] == [b"alarm"]

    run_virtual(main)


def test_loss_repetition_and_reordering_of_datagrams_do_no_harm() -> None:
    async def main(clock: RigClock) -> None:
        faults = RadioFaults(loss=0.2, duplicate=0.2, delay_s=0.5, jitter_s=3)
        async with world(faults=faults) as this:
            answered = 0
            for number in range(60):
                payload = str(number).encode()
                this.reply = lambda arrived: Reply("2.04", arrived.request.payload, CBOR)
                try:
                    answered += (await this.client.ask(batch(payload))).payload == payload
                except ExchangeFailed:
                    continue
            assert answered > 30
            taken = [arrived.request.payload for arrived in this.arrived]
            assert len(taken) == len(set(taken))

    run_virtual(main)


def test_the_count_by_kind_adds_up_to_what_the_link_has_carried() -> None:
    async def main(clock: RigClock) -> None:
        async with world(faults=RadioFaults(loss=0.2, duplicate=0.2)) as this:
            for number in range(40):
                kind = ("telemetry", "alarm", "greeting")[number % 3]
                try:
                    await this.client.ask(Request("POST", payload=b"x", kind=kind))
                except ExchangeFailed:
                    continue
            air = this.client.air
            assert (air.sent, air.sent_bytes + HEADERS * air.sent) == (this.relay.up.datagrams, this.relay.up.air_bytes)
            assert set(air.by_kind) >= {"telemetry", "alarm", "greeting"}
            assert sum(traffic.on_air_bytes for traffic in air.by_kind.values()) == air.on_air_bytes

    run_virtual(main)


def test_a_forged_answer_ends_no_exchange() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            honest = this.relay._from_platform

            def forge(data: bytes, agent: tuple[str, int]) -> None:
                honest(data[:-1] + bytes([data[-1] ^ 1]), agent)
                honest(data[:5] + b"\xff" + data[6:], agent)
                honest(data, agent)

            this.relay._from_platform = forge  # type: ignore[method-assign]
            assert (await this.client.ask(batch())).code == "2.04"
            assert this.client.refused == {"not-genuine": 1, "clear": 1}

    run_virtual(main)


def test_a_change_is_told_to_who_observes_once_and_acknowledged() -> None:
    async def main(clock: RigClock) -> None:
        async with world(faults=RadioFaults(duplicate=0.5)) as this:
            heard: list[bytes] = []
            this.reply = lambda arrived: Reply("2.05", b"0", CBOR)
            relation = await this.client.observe(
                Request("GET", ("m",), kind="mailbox"), lambda reply: heard.append(reply.payload)
            )
            for number in range(1, 20):
                assert await this.server.notify(GATEWAY, Reply("2.05", str(number).encode(), CBOR))
                await this.client.tell(batch(), pytest.fail)
                await asyncio.sleep(100)
            assert heard == [str(number).encode() for number in range(20)]
            assert relation.is_alive
            relation.cancel()
            assert not await this.server.notify(GATEWAY, Reply("2.05", b"21", CBOR))
            assert this.server.observers == frozenset()

    run_virtual(main)


def test_a_new_client_replaces_the_relation_of_the_one_before_it() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            heard: list[bytes] = []
            this.reply = lambda arrived: Reply("2.05", b"0", CBOR)
            mailbox = Request("GET", ("m",), kind="mailbox")
            await this.client.observe(mailbox, lambda reply: heard.append(b"old " + reply.payload))
            await this.restart_client()
            await this.client.observe(mailbox, lambda reply: heard.append(b"new " + reply.payload))
            assert await this.server.notify(GATEWAY, Reply("2.05", b"1", CBOR))
            assert heard == [b"old 0", b"new 0", b"new 1"]
            assert this.server.observers == {GATEWAY}

    run_virtual(main)


def test_a_notification_that_nobody_acknowledges_ends_the_relation() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.reply = lambda arrived: Reply("2.05")
            await this.client.observe(Request("GET", ("m",)), lambda reply: None)
            this.relay.down = True
            assert not await this.server.notify(GATEWAY, Reply("2.05"))
            assert this.server.observers == frozenset()

    run_virtual(main)


def test_a_notification_to_a_client_that_is_gone_is_repeated_no_more_when_it_comes_back() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.reply = lambda arrived: Reply("2.05")
            mailbox = Request("GET", ("m",))
            await this.client.observe(mailbox, lambda reply: None)
            this.relay.down = True
            notified = asyncio.create_task(this.server.notify(GATEWAY, Reply("2.05")))
            await asyncio.sleep(1)
            this.relay.down = False
            await this.restart_client()
            await this.client.observe(mailbox, lambda reply: None)
            assert not await notified
            assert this.server.observers == {GATEWAY}
            heard = len(this.answered)
            await asyncio.sleep(200)
            assert len(this.answered) == heard

    run_virtual(main)


def test_an_answer_under_former_keys_does_not_speak_for_the_new_ones() -> None:
    async def main(clock: RigClock) -> None:
        async with world(gateways=2, faults=RadioFaults(delay_s=1)) as this:
            assert this.security is not None
            former, this.reply = this.security.held, lambda arrived: Reply("4.00")
            errors: list[Refused] = []
            await this.client.tell(batch(), errors.append)
            this.security.held = (await FixedSecurity.begin(gateway_keys(2))).held
            await this.client.tell(batch(), errors.append)
            await asyncio.sleep(5)
            assert former is not this.security.held
            assert (len(errors), this.security.log) == (2, ["spoke"])
            assert [arrived.gateway for arrived in this.arrived] == ["gp-test-1", "gp-test-2"]

    run_virtual(main)


def test_a_token_of_a_live_relation_is_not_given_again() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            this.reply = lambda arrived: Reply("2.05", b"0")
            heard: list[bytes] = []
            relation = await this.client.observe(Request("GET", ("m",)), lambda reply: heard.append(reply.payload))
            for _ in range(300):
                await this.client.ask(batch())
            assert relation.is_alive
            assert await this.server.notify(GATEWAY, Reply("2.05", b"1"))
            assert heard == [b"0", b"1"]
            assert COMPACT in {arrived.request.content_format for arrived in this.arrived}

    run_virtual(main)


def test_the_clear_mode_observes_too_by_the_name_in_the_query() -> None:
    async def main(clock: RigClock) -> None:
        async with world(is_clear=True) as this:
            heard: list[bytes] = []
            this.reply = lambda arrived: Reply("2.05", b"0")
            await this.client.observe(Request("GET", ("m",), ("g=gp-1",)), lambda reply: heard.append(reply.payload))
            assert await this.server.notify("gp-1", Reply("2.05", b"1"))
            assert heard == [b"0", b"1"]

    run_virtual(main)


class Renewing(FixedSecurity):
    """Asks EDHOC before the first message, as new keys do."""

    async def context(self, ask_edhoc: Any) -> Any:
        if not self.log:
            self.log.append((await ask_edhoc(b"\xf5one")).decode())
        return await super().context(ask_edhoc)


def test_new_keys_are_agreed_by_the_clients_own_socket_and_counted_as_security() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            assert this.keys is not None
            assert this.security is not None
            this.keys.edhoc = lambda message: b"two"
            await this.restart_platform()
            security = Renewing(this.security.held)
            async with CoapClient(this.client.url, over_ip(2, 2), security=security) as client:
                await client.ask(batch())
                assert security.log == ["two", "spoke"]
                assert client.refused == {}
                assert client.air.by_kind["security"].on_air_bytes == len(this.sent[0] + this.answered[0]) + 2 * HEADERS

    run_virtual(main)


def test_a_platform_that_refuses_new_keys_has_not_refused_the_request() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            security = Renewing(None)

            async def refuse(message: Any) -> bytes:
                raise Refused("4.00", "unknown gateway")

            client = CoapClient(this.client.url, over_ip(2, 2), security=security)
            client._ask_edhoc = refuse  # type: ignore[method-assign]
            with pytest.raises(ExchangeFailed, match="unknown gateway"):
                await client.ask(batch())
            await client.close()

    run_virtual(main)


def test_keys_whose_state_is_lost_are_reported_and_asked_for_once_more() -> None:
    class Losing(FixedSecurity):
        async def context(self, ask_edhoc: Any) -> Any:
            if "lost" not in self.log:
                raise SecurityStateLost("gone")
            return await super().context(ask_edhoc)

    async def main(clock: RigClock) -> None:
        async with world() as this:
            assert this.security is not None
            security = Losing(this.security.held)
            async with CoapClient(this.client.url, over_ip(2, 2), security=security) as client:
                await client.ask(batch())
                assert security.log == ["lost", "spoke"]

    run_virtual(main)


def test_a_slow_platform_answers_apart_and_is_acknowledged() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            quick = this.handle

            async def slow(arrived: Arrived) -> Reply:
                await asyncio.sleep(1)
                return await quick(arrived)

            this.handle = slow  # type: ignore[method-assign]
            assert (await this.client.ask(batch())).code == "2.04"
            await asyncio.sleep(60)
            assert [len(data) for data in this.sent[1:]] == [4]
            assert [len(data) for data in this.answered] == [4, 16]
            assert this.client.open_exchanges == 0

    run_virtual(main)


def test_a_platform_that_is_not_there_is_told_at_once() -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:
            url = f"coap://127.0.0.1:{this.server.port}"
            async with CoapClient(url, over_ip(2, 2), security=this.security or CLEAR) as client:
                await this.server.stop()
                began = clock.loop.time()
                with pytest.raises(ExchangeFailed, match="refused"):
                    await client.ask(batch())
                assert clock.loop.time() == began
                for _ in range(5):
                    try:
                        await client.tell(batch(), pytest.fail)
                    except ExchangeFailed:
                        continue
                    await asyncio.sleep(0.1)
                assert client.open_exchanges == 0
                await this.server.start(port=this.server.port)
                await client.ask(batch())

    run_virtual(main)


def test_a_platform_may_stop_while_it_works_on_a_request(caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: RigClock) -> None:
        async with world() as this:

            async def endless(arrived: Arrived) -> Reply:
                await asyncio.sleep(1000)
                return Reply("2.04")

            this.handle = endless  # type: ignore[method-assign]
            task = asyncio.create_task(this.client.ask(batch()))
            await asyncio.sleep(0.05)
            await this.server.stop()
            with pytest.raises(ExchangeFailed):
                await task

    run_virtual(main)
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("is_clear", [True, False])
def test_hostile_answers_are_met_without_a_word_in_the_log(is_clear: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: RigClock) -> None:
        async with world(is_clear=is_clear) as this:
            honest, random = this.relay._from_platform, Random(4)

            def forge(data: bytes, agent: tuple[str, int]) -> None:
                for _ in range(30):
                    changed = bytearray(data)
                    for _ in range(random.randrange(1, 4)):
                        # Not the message id and the token: with these in the clear a forged answer is an answer.
                        changed[random.choice((0, 1, *range(5, len(data))))] = random.randrange(256)
                    other = random.randbytes(random.randrange(40)) if random.random() < 0.3 else bytes(changed)
                    if not is_clear or other[:1] != data[:1]:
                        this.relay._to_agent(other, agent)
                honest(data, agent)

            this.relay._from_platform = forge  # type: ignore[method-assign]
            this.reply = lambda arrived: Reply("2.04", arrived.request.payload, CBOR)
            for number in range(40):
                payload = b"batch %d" % number
                assert (await this.client.ask(batch(payload))).payload == payload
                await asyncio.sleep(1)
            assert this.client.refused.total() > 300
            assert this.client.open_exchanges == 0

    run_virtual(main)
    assert [record.getMessage() for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []
