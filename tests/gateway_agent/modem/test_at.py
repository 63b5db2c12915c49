import asyncio
import logging
import re
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.modem.answer import ANY_LINE, OK
from gateway_agent.modem.at import AtEngine, AtRules
from gateway_agent.modem.errors import (
    AtError,
    InterruptedCommandError,
    NoAnswerError,
    NoPromptError,
    RebootedError,
    RefusedError,
)
from gateway_agent.modem.stream import Line
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.modem.serial_modem import GOOD, URC, Manner, SerialModem

RULES = AtRules(
    urcs=("+TOLD:", "+READ:"),
    boots=re.compile("RDY"),
    raw_headers=(re.compile(r"\+PUSH: (?P<length>\d+)"), re.compile(r"\+READ: (?P<length>\d+)")),
)
SENT = re.compile("SENT")


class Bench:
    """An engine on a small modem."""

    def __init__(self, manners: list[Manner], rules: AtRules = RULES) -> None:
        self.urcs: list[Line] = []
        self.modem = SerialModem(lambda data: self.at.heard(data), manners)
        self.at = AtEngine(self.modem, self.urcs.append)
        self.at.use(rules)

    def hear(self, data: bytes) -> None:
        self.at.heard(data)


def on_bench(
    test: Callable[[Bench], Awaitable[None]], manners: list[Manner] | None = None, rules: AtRules = RULES
) -> None:
    async def main(_clock: RigClock) -> None:
        # The first question is the engine's own, by which it gets into step.
        bench = Bench([GOOD, *(manners or [])], rules)
        try:
            await test(bench)
        finally:
            bench.modem.stop()

    run_virtual(main)


MANNERS = st.builds(
    Manner,
    latency_s=st.sampled_from([0.01, 0.01, 0.2, 1.1, 2.5]),
    piece=st.sampled_from([1, 5, 64, 64]),
    echo=st.booleans(),
    urc_before=st.booleans(),
    urc_inside=st.booleans(),
    urc_behind=st.booleans(),
    glued=st.booleans(),
    noise=st.sampled_from([b"", b"", b"\x00\xff", b"\x80\x91\xfe\r\n", b"\r\r\n"]),
    swallowed=st.sampled_from([False, False, False, True]),
    refused=st.sampled_from([False, False, False, True]),
)
COMMANDS = st.lists(st.sampled_from(["VAL", "SET", "PUT"]), min_size=1, max_size=8)


@settings(max_examples=80)
@given(st.lists(MANNERS, max_size=14), COMMANDS)
def test_no_command_is_given_the_answer_of_another(manners: list[Manner], kinds: list[str]) -> None:
    async def main(clock: RigClock) -> None:
        bench = Bench(manners)
        for number, kind in enumerate(kinds, 1000):
            command = f"AT+{kind}={number}" + (",9" if kind == "PUT" else "")
            data = b"%09d" % number if kind == "PUT" else None
            answer = "+VAL:" if kind == "VAL" else ""
            try:
                reply = await bench.at.ask(command, answer=answer, must=kind == "VAL", data=data, timeout_s=2.0)
            except RefusedError:
                continue
            except NoAnswerError:
                continue
            assert command in bench.modem.done
            if kind == "VAL":
                assert reply.text == f"+VAL: {number}"
            if data is not None:
                assert data in bench.modem.taken
        assert clock.monotonic_ms() < 120_000 * len(kinds)
        bench.modem.stop()

    run_virtual(main)


@settings(max_examples=80)
@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_any_bytes_leave_the_engine_usable(noise: bytes, cuts: list[int]) -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+VAL=1", answer="+VAL:", must=True))
        at = 0
        for cut in [*sorted(cuts), len(noise)]:
            bench.hear(noise[at:cut])
            at = max(at, cut)
            await asyncio.sleep(0.003)
        await asyncio.gather(asking, return_exceptions=True)
        await asyncio.sleep(3)
        bench.hear(b"\r\n")
        assert (await bench.at.ask("AT+VAL=7", answer="+VAL:", must=True)).text == "+VAL: 7"

    on_bench(test)


def test_urcs_are_told_wherever_they_stand() -> None:
    async def test(bench: Bench) -> None:
        reply = await bench.at.ask("AT+VAL=5", answer="+VAL:", must=True)
        assert reply.text == "+VAL: 5"
        await asyncio.sleep(0.1)
        assert [line.text for line in bench.urcs] == [URC] * 3

    on_bench(test, [Manner(urc_before=True, urc_inside=True, urc_behind=True, echo=True)])


def test_glued_lines_are_cut() -> None:
    async def test(bench: Bench) -> None:
        reply = await bench.at.ask("AT+VAL=5", answer="+VAL:", must=True)
        assert reply.text == "+VAL: 5"
        assert [line.text for line in bench.urcs] == [URC]

    on_bench(test, [Manner(urc_before=True, glued=True)])


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(NoAnswerError, match=re.escape("AT+SET=1 in 2 s")):
            await bench.at.ask("AT+SET=1")
        await bench.at.ask("AT+SET=2")
        assert bench.modem.done[-1] == "AT+SET=2"
        assert bench.at.counters.resyncs == 2

    on_bench(test, [Manner(latency_s=5.0)])


def test_an_ok_that_nobody_has_asked_for_does_no_lasting_harm() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1"))
        await asyncio.sleep(0.1)
        bench.hear(b"OK\r\n")
        await asking
        await asyncio.sleep(1)
        for number in range(2, 5):
            await bench.at.ask(f"AT+SET={number}")
            assert bench.modem.done[-1] == f"AT+SET={number}"
        assert bench.at.counters.resyncs == 2

    on_bench(test, [Manner(latency_s=0.5)])


def test_a_lost_first_character_is_put_back() -> None:
    async def test(bench: Bench) -> None:
        await bench.at.ask("AT")
        bench.hear(b"TOLD: 1\r\nOLD: 2\r\n")
        assert [line.text for line in bench.urcs] == ["+TOLD: 1", "+TOLD: 2"]

    on_bench(test)


def test_raw_bytes_may_contain_anything() -> None:
    payload = b"\r\nOK\r\n+TOLD: x\r\nRDY\r\n>"

    async def test(bench: Bench) -> None:
        await bench.at.ask("AT")
        sent = b"\r\n+PUSH: %d\r\n%b\r\n+TOLD: 1\r\n" % (len(payload), payload)
        for byte in sent:
            bench.hear(bytes([byte]))
        assert bench.urcs == [Line(f"+PUSH: {len(payload)}", payload), Line("+TOLD: 1")]

    on_bench(test)


def test_the_rest_of_a_lost_payload_does_not_swallow_what_follows() -> None:
    async def test(bench: Bench) -> None:
        await bench.at.ask("AT")
        bench.hear(b"+PUSH: 500\r\nabc\r\n+TOLD: 1\r\n")
        assert bench.urcs == []
        await asyncio.sleep(2)
        assert [line.text for line in bench.urcs] == ["abc", "+TOLD: 1"]
        assert bench.at.counters.damaged == 1

    on_bench(test)


def test_data_goes_out_at_the_prompt_and_its_echo_is_passed_over() -> None:
    data = b"\r\nERROR\r\n\x1a"

    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask(f"AT+PUT=1,{len(data)}", data=data))
        while not bench.modem.taken:
            await asyncio.sleep(0.0001)
        bench.hear(data)
        await asking
        assert bench.modem.taken == [data]

    on_bench(test, [Manner(latency_s=0.02)])


def test_a_refused_send_ends_at_once() -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(RefusedError):
            await bench.at.ask("AT+PUT=1,20", data=bytes(20))
        await bench.at.ask("AT+SET=1")

    on_bench(test, [Manner(refused=True)])


def test_a_modem_that_waits_for_data_is_brought_back() -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(NoPromptError):
            await bench.at.ask("AT+PUT=1,300", data=bytes(300))
        await bench.at.ask("AT+SET=1")
        assert bench.modem.done[-1] == "AT+SET=1"

    on_bench(test, [Manner(latency_s=6.0)])


def test_the_close_of_a_socket_fails_the_send_that_waits() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1", aborts=re.compile(r"\+TOLD: closed")))
        await asyncio.sleep(0.1)
        bench.hear(b"+TOLD: closed\r\n")
        with pytest.raises(InterruptedCommandError):
            await asking
        assert [line.text for line in bench.urcs] == ["+TOLD: closed"]
        await bench.at.ask("AT+SET=2")
        assert bench.modem.done == ["AT+CSQ", "AT+SET=1", "AT+CSQ", "AT+SET=2"]

    on_bench(test, [Manner(latency_s=0.5)])


def test_a_reboot_fails_the_command_in_flight() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1"))
        await asyncio.sleep(0.1)
        bench.hear(b"RDY\r\n")
        with pytest.raises(RebootedError):
            await asking
        assert bench.at.counters.reboots == 1

    on_bench(test, [Manner(swallowed=True)])


def test_results_after_the_ok_belong_to_the_command() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1", needs=(OK, SENT), timeout_s=10))
        await asyncio.sleep(5)
        bench.hear(b"SENT\r\n")
        assert (await asking).found[1] is not None

    on_bench(test)


def test_a_result_without_its_ok_is_believed_and_leaves_the_engine_out_of_step() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1", needs=(OK, SENT)))
        await asyncio.sleep(0.05)
        bench.hear(b"SENT\r\n")
        await asking
        await bench.at.ask("AT+SET=2")
        assert bench.modem.done[-1] == "AT+SET=2"
        assert bench.at.counters.resyncs == 2

    on_bench(test, [Manner(latency_s=0.9)])


def test_a_sleeper_is_woken_before_it_is_told_anything() -> None:
    rules = AtRules(urcs=RULES.urcs, boots=RULES.boots, awake_s=5.0)

    async def test(bench: Bench) -> None:
        await bench.at.ask("AT+SET=1")
        await asyncio.sleep(60)
        await bench.at.ask("AT+SET=2")
        assert bench.modem.heard[-4:] == ["AT", "AT", "AT+CSQ", "AT+SET=2"]

    on_bench(test, [GOOD, Manner(swallowed=True)], rules)


def test_a_deaf_modem_is_told_in_bounded_time() -> None:
    async def test(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        for _ in range(2):
            with pytest.raises(NoAnswerError):
                await bench.at.ask("AT+SET=1")
        assert loop.time() - started_s < 30

    on_bench(test, [Manner(swallowed=True)] * 40)


def test_free_text_is_an_answer_where_it_is_asked_for() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1", answer=ANY_LINE))
        await asyncio.sleep(0.05)
        bench.hear(b"867725030000017\r\n" + URC.encode() + b"\r\n")
        reply = await asking
        assert [line.text for line in reply.lines] == ["867725030000017"]
        assert [line.text for line in bench.urcs] == [URC]

    on_bench(test, [Manner(latency_s=0.2)])


def test_a_cancelled_command_leaves_no_answer_behind() -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.ensure_future(bench.at.ask("AT+SET=1"))
        await asyncio.sleep(0.1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await bench.at.ask("AT+SET=2")
        assert bench.modem.done[-1] == "AT+SET=2"

    on_bench(test, [Manner(latency_s=0.5)])


def test_a_pin_stands_in_no_text() -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(AtError) as caught:
            await bench.at.ask('AT+CPIN="4711"', secret=True)
        assert "4711" not in str(caught.value)

    on_bench(test, [Manner(refused=True)])


def test_a_pin_that_the_modem_repeats_stands_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    async def test(bench: Bench) -> None:
        asking = asyncio.create_task(bench.at.ask('AT+CPIN="4711"', secret=True))
        while bench.at.counters.commands == 0:
            await asyncio.sleep(0.001)
        for echo in (b'AT+CPIN="4711"\r\n', b'IN="4711"\r\n'):
            bench.hear(echo)
        await asking

    with caplog.at_level(logging.DEBUG, "gatepost.modem"):
        on_bench(test, [GOOD])
    assert "< OK" in caplog.text
    assert "4711" not in caplog.text
