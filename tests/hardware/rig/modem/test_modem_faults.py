"""Each fault of the emulated modems does what its sentence says."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import pytest
import serial

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.modem.faults import FAULTS, LASTING, ModemFaults
from hardware.rig.modem.models import MODELS
from tests.hardware.rig.modem.desk import Desk, at_a_desk
from tests.hardware.rig.modem.typist import go_online, has_come, say, send

DATA = b"\x40\x01\xe2\x40"
MODELS_OF_DIALECTS = ("bc95", "bc26", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780")
of_each_dialect = pytest.mark.parametrize("model", MODELS_OF_DIALECTS)
PLAIN = 1
"""A seed whose firmware has no empty lines, and spaces after colons, on the models that these tests read closely."""


def with_a_modem(model: str, play: Callable[[Desk], Awaitable[None]], *, seed: int = PLAIN) -> None:
    """Play with a modem that has started, is registered and has no echo."""

    async def started(desk: Desk) -> None:
        await desk.start()
        assert await desk.registered()
        await asyncio.sleep(1)
        await desk.ask("AT", 1.0)
        desk.heard.clear()
        await play(desk)

    at_a_desk(model, started, seed=seed, answers=True)


def online(model: str, play: Callable[[Desk], Awaitable[None]], *, seed: int = PLAIN) -> None:
    """Play with a modem that has an open socket and has sent a datagram."""

    async def opened(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        assert await send(desk, b"warm up")
        assert await desk.until(lambda: has_come(desk, b"warm up"), 20)
        desk.heard.clear()
        await play(desk)

    at_a_desk(model, opened, seed=seed, answers=True)


# What the line does.


def test_echo_comes_back_on() -> None:
    async def play(desk: Desk) -> None:
        assert "AT" not in await desk.ask("AT")
        desk.faults.inject("echo")
        assert "AT" in await desk.ask("AT")
        await desk.ask("ATE0")
        assert "AT" not in await desk.ask("AT")

    with_a_modem("ec800", play)


@of_each_dialect
def test_unsolicited_lines_stand_inside_an_answer(model: str) -> None:
    async def play(desk: Desk) -> None:
        await asyncio.sleep(0.2)
        plain = await desk.ask("AT+CGMR")
        desk.faults.inject("urc-inside", times=2)
        await asyncio.sleep(0.2)
        disturbed = await desk.ask("AT+CGMR")
        assert len(disturbed) == len(plain) + 2
        assert disturbed[0] not in plain
        assert [line for line in disturbed if line in plain] == plain

    with_a_modem(model, play)


@of_each_dialect
def test_an_unsolicited_line_is_never_said(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("urc-lost", times=2)
        assert await send(desk, DATA)
        await asyncio.sleep(20)
        assert desk.modem.counters["received"] == 2
        assert not has_come(desk, DATA)

    online(model, play)


def test_the_first_characters_of_a_line_are_lost() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("lost-first")
        assert (await desk.ask("AT+CGMM"))[0] == "800M"
        assert (await desk.ask("AT+CGMM"))[0] == "EC800M"

    with_a_modem("ec800", play)


def test_the_first_characters_of_a_push_are_lost_as_on_an_air720() -> None:
    async def play(desk: Desk) -> None:
        desk.type("AT")
        await asyncio.sleep(0.5)
        desk.heard.clear()
        desk.platform.answer(DATA)
        desk.faults.inject("lost-first")
        assert await desk.until(lambda: b"ECEIVE,0,4:\r\n" + DATA in desk.heard, 10)
        assert b"+R" not in desk.heard

    online("air780", play)


def test_the_first_characters_of_a_command_are_lost() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("lost-input")
        assert await desk.ask("AT+CGMM", 1.0) == []
        assert (await desk.ask("AT+CGMM"))[-1] == "OK"

    with_a_modem("ec800", play)


def test_two_lines_stand_on_one() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("glued")
        desk.type("AT+CGMM")
        await asyncio.sleep(1)
        assert desk.take() == ["EC800MOK"]
        desk.faults.inject("glued")
        assert await desk.ask("AT") == ["OK"]

    with_a_modem("ec800", play)


def test_a_line_ends_early() -> None:
    async def play(desk: Desk) -> None:
        for _ in range(5):
            desk.faults.inject("truncated")
            name = (await desk.ask("AT+CGMM"))[0]
            assert name != "EC800M"
            assert "EC800M".startswith(name)

    with_a_modem("ec800", play)


def test_noise_stands_before_a_line() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("garbage")
        desk.type("AT+CGMM")
        await asyncio.sleep(1)
        assert re.search(rb"[^\r\n\x20-\x7e]+EC800M\r\n", desk.heard)

    with_a_modem("ec800", play)


def test_a_stretch_in_the_middle_is_lost() -> None:
    async def play(desk: Desk) -> None:
        whole = b'\r\n+QIURC: "recv",0,100\r\n' + bytes(100)
        desk.faults.inject("overrun", times=9)
        await send(desk, bytes(100))
        await asyncio.sleep(5)
        assert desk.faults.hits["overrun"] > 0
        assert whole not in desk.heard
        assert 10 < len(desk.heard) < len(whole)

    online("ec800", play)


@pytest.mark.parametrize("model", ["bc26", "ec800", "ml307", "a7670", "air780"])
def test_bytes_of_a_payload_are_lost_and_the_module_waits_for_them(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("short-payload")
        before = len(desk.platform.received)
        assert not await send(desk, bytes(40), 10)
        assert b"ERROR" not in desk.heard
        assert await desk.ask("AT", 1.0) == []
        await asyncio.sleep(60)
        assert b"ERROR" in desk.heard
        assert len(desk.platform.received) == before
        assert await send(desk, DATA)

    online(model, play)


@of_each_dialect
def test_a_command_gets_no_answer_at_all(model: str) -> None:
    async def play(desk: Desk) -> None:
        for _ in range(4):
            desk.faults.inject("no-answer")
            await asyncio.sleep(0.2)
            assert await desk.ask("AT+CGMM", 3.0) == []
        await asyncio.sleep(0.2)
        assert (await desk.ask("AT+CGMM"))[-1] == "OK"

    with_a_modem(model, play)


@of_each_dialect
def test_an_answer_comes_when_nobody_waits_for_it_any_more(model: str) -> None:
    async def play(desk: Desk) -> None:
        await asyncio.sleep(0.2)
        desk.faults.inject("late-answer")
        assert await desk.ask("AT+CSQ", 9.0) == []
        assert await desk.ask("AT+CGMM", 1.0) == []
        assert await desk.until(lambda: b"CSQ" in desk.heard and desk.heard.endswith(b"OK\r\n"), 200)
        await asyncio.sleep(0.2)
        assert (await desk.ask("AT+CGMM"))[-1] == "OK"

    with_a_modem(model, play)


@of_each_dialect
def test_an_ok_that_nobody_has_asked_for_comes_before_the_answer(model: str) -> None:
    async def play(desk: Desk) -> None:
        await asyncio.sleep(0.2)
        desk.faults.inject("stray-ok")
        assert await desk.ask("AT+NOSUCH=1") == ["OK"]
        assert await desk.until(lambda: b"+CME ERROR" in desk.heard, 1.0)

    with_a_modem(model, play)


# What sending meets.


@of_each_dialect
@pytest.mark.parametrize("fault", ["busy", "buffer-full", "send-fail"])
def test_a_send_is_refused_once_and_nothing_leaves(model: str, fault: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject(fault)
        assert not await send(desk, DATA)
        assert re.search(rb"ERROR|SEND FAIL", desk.heard)
        await asyncio.sleep(10)
        assert DATA not in desk.platform.received
        assert await send(desk, DATA)
        assert desk.faults.hits[fault] == 1

    online(model, play)


def test_each_family_has_its_own_words_for_a_send_that_cannot_be() -> None:
    words: dict[tuple[str, str], str] = {}

    for model in MODELS_OF_DIALECTS:
        for fault in ("busy", "buffer-full", "send-fail"):

            async def play(desk: Desk, model: str = model, fault: str = fault) -> None:
                desk.faults.inject(fault)
                await send(desk, DATA)
                words[model, fault] = bytes(desk.heard).decode("latin-1").replace(" ", "")

            online(model, play)
    assert "+CMEERROR:159" in words["bc95", "busy"]
    assert re.search("53[67]", words["bc95", "buffer-full"])
    assert "568" in words["bc660k", "busy"]
    assert "SENDFAIL" in words["bc660k", "send-fail"]
    assert "SENDFAIL" in words["ec800", "buffer-full"]
    assert "0,SENDFAIL" in words["air780", "send-fail"]
    assert "+CIPSEND:0,4,-1" in words["a7670", "send-fail"]


@of_each_dialect
def test_error_3_stays_until_the_data_connection_is_made_again(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("cme-3")
        for _ in range(3):
            assert not await send(desk, DATA)
        assert b"ERROR" in desk.heard
        assert DATA not in desk.platform.received
        desk.modem.power_key()
        await asyncio.sleep(20)
        for line in ("AT", "ATE0", "AT+CMEE=1"):
            await desk.ask(line, 1.0)
        await go_online(desk)
        assert await send(desk, DATA)

    online(model, play)


@of_each_dialect
def test_the_module_restarts_in_the_middle_of_a_send(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("reboot-in-send")
        assert not await send(desk, DATA, 5)
        assert desk.modem.counters["restarts: reboot-in-send"] == 1
        assert desk.modem.counters["boots"] == 2
        assert DATA not in desk.platform.received

    online(model, play)


@of_each_dialect
def test_the_module_restarts_by_itself_and_its_sockets_are_gone(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("reboot")
        assert await desk.until(lambda: desk.modem.state == "booting", 1.0)
        assert await desk.until(lambda: desk.modem.state == "on", 60)
        await asyncio.sleep(2)
        await desk.ask("AT", 1.0)
        assert not await send(desk, DATA, 5)

    online(model, play)


@of_each_dialect
def test_the_network_takes_the_data_connection(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("pdp-drop")
        await asyncio.sleep(1)
        told = bytes(desk.heard).replace(b" ", b"")
        assert re.search(rb'NSOCLI:0|"closed",0|"pdpdeact",1|MIPCALL:1,0|CSOERR:0|CLOSEDUNEXPECTEDLY|PDPDEACT', told)
        assert not await send(desk, DATA)
        assert desk.modem.firmware is not None
        assert not desk.modem.firmware.network.address

    online(model, play)


@of_each_dialect
def test_the_network_closes_a_socket(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("socket-closed")
        await asyncio.sleep(1)
        told = bytes(desk.heard).replace(b" ", b"")
        assert re.search(rb'NSOCLI:0|"closed",0|"disconn",0|CSOERR:0|IPCLOSE:0|0,CLOSED', told)
        assert not await send(desk, DATA)
        assert desk.modem.firmware is not None
        assert desk.modem.firmware.network.address

    online(model, play)


@of_each_dialect
def test_silence_takes_everything_and_gives_nothing(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("silence", for_s=60)
        assert await send(desk, DATA)
        await asyncio.sleep(20)
        assert DATA not in desk.platform.received
        await asyncio.sleep(45)
        assert await send(desk, DATA)
        assert await desk.until(lambda: has_come(desk, DATA), 20)

    online(model, play)


# What the module itself does.


def test_the_next_start_takes_four_times_as_long() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("slow-boot")
        begin_s = desk.loop.time()
        desk.modem.power_key()
        await desk.until(lambda: desk.modem.state == "on", 200)
        assert desk.loop.time() - begin_s > 3.5 * MODELS["ec800"].boot_s
        begin_s = desk.loop.time()
        desk.modem.power_key()
        await desk.until(lambda: desk.modem.state == "on", 200)
        assert desk.loop.time() - begin_s < 2 * MODELS["ec800"].boot_s

    with_a_modem("ec800", play)


@of_each_dialect
def test_asleep_it_swallows_what_is_sent_and_is_awake_after_that(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("sleep")
        assert not await send(desk, DATA, 5)
        assert desk.modem.counters["swallowed bytes"] > 0
        assert b">" not in desk.heard
        assert DATA not in desk.platform.received
        assert await send(desk, DATA)

    online(model, play)


def test_asleep_it_is_woken_by_a_datagram() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("sleep")
        assert desk.modem.state == "asleep"
        desk.radio.release()
        desk.platform.answer(DATA)
        assert await desk.until(lambda: has_come(desk, DATA), 20)
        assert desk.modem.state == "on"

    online("bc660k", play)


def test_deaf_it_answers_nothing_until_its_key_is_pressed() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("deaf")
        assert await desk.ask("AT", 5.0) == []
        assert await desk.ask("AT+CFUN=1,1", 5.0) == []
        await asyncio.sleep(600)
        assert await desk.ask("AT", 5.0) == []
        desk.modem.power_key()
        assert await desk.until(lambda: desk.modem.state == "on")
        await asyncio.sleep(1)
        assert (await desk.ask("AT", 2.0))[-1] == "OK"
        assert not desk.faults.lasts("deaf")

    with_a_modem("ec800", play)


def test_latched_it_answers_nothing_until_the_supply_was_off_for_ten_seconds() -> None:
    async def play(desk: Desk) -> None:
        async def hears() -> bool:
            await desk.until(lambda: desk.modem.state == "on")
            await asyncio.sleep(1)
            return "OK" in await desk.ask("AT", 2.0)

        desk.faults.inject("latched")
        assert not await hears()
        desk.modem.power_key()
        assert not await hears()
        desk.modem.supply(False)
        await asyncio.sleep(5)
        desk.modem.supply(True)
        assert not await hears()
        desk.modem.supply(False)
        await asyncio.sleep(11)
        desk.modem.supply(True)
        assert await hears()

    with_a_modem("bc95", play)


# What network and card do.


def registration(desk: Desk) -> int:
    assert desk.modem.firmware is not None
    return desk.modem.firmware.network.stat


@of_each_dialect
@pytest.mark.parametrize(("fault", "stat"), [("denied", 3), ("searching", 2), ("unknown", 4), ("radio-stuck", 2)])
def test_the_network_is_not_to_be_had(model: str, fault: str, stat: int) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject(fault)
        await asyncio.sleep(300)
        await desk.ask("AT", 1.0)
        await asyncio.sleep(0.2)
        answer = await say(desk, "AT+CEREG?")
        assert re.sub(r"[ \"]", "", answer[0]).startswith(f"+CEREG:0,{stat}")
        assert not await send(desk, DATA)
        desk.faults.clear(fault)
        assert await desk.registered()

    online(model, play)


def test_unknown_registration_ends_when_the_radio_is_switched() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("unknown")
        assert registration(desk) == 4
        await say(desk, "AT+CFUN=0", "AT+CFUN=1")
        assert await desk.registered()

    with_a_modem("ec800", play)


@pytest.mark.parametrize("cure", ["command", "key", "supply"])
def test_a_stuck_radio_ends_with_a_reset_and_not_with_its_switch(cure: str) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("radio-stuck")
        await say(desk, "AT+CFUN=0", "AT+CFUN=1")
        await asyncio.sleep(200)
        assert registration(desk) == 2
        if cure == "command":
            desk.type("AT+CFUN=1,1")
        elif cure == "key":
            desk.modem.power_key()
        else:
            desk.modem.supply(False)
            desk.modem.supply(True)
        await asyncio.sleep(15)
        assert await desk.registered()

    with_a_modem("ec800", play)


@of_each_dialect
@pytest.mark.parametrize(("fault", "code"), [("sim-absent", 10), ("sim-dead", 13), ("sim-wrong", 15)])
def test_a_card_that_cannot_be_used_has_its_error(model: str, fault: str, code: int) -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject(fault)
        await asyncio.sleep(1)
        for line in ("AT+CPIN?", "AT+CIMI"):
            await asyncio.sleep(0.2)
            assert (await desk.ask(line))[-1].replace(" ", "") == f"+CMEERROR:{code}"
        assert registration(desk) == 0
        desk.faults.clear(fault)
        await asyncio.sleep(0.2)
        assert (await desk.ask("AT+CPIN?"))[-1] == "OK"
        assert await desk.registered()

    with_a_modem(model, play)


def test_a_card_asks_for_its_pin_and_takes_the_right_one() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("sim-pin")
        assert (await desk.ask("AT+CIMI"))[-1].replace(" ", "") == "+CMEERROR:11"
        assert (await desk.ask('AT+CPIN="9999"'))[-1].replace(" ", "") == "+CMEERROR:16"
        assert (await desk.ask('AT+CPIN="1234"'))[-1] == "OK"
        assert desk.modem.sim.pin_attempts == 2
        assert await desk.registered()

    with_a_modem("ec800", play)


def test_unplugged_the_port_is_gone_and_comes_back_under_its_name() -> None:
    async def play(desk: Desk) -> None:
        desk.faults.inject("unplugged", for_s=30)
        await asyncio.sleep(1)
        with pytest.raises(serial.SerialException):
            desk.plug_in()
        await asyncio.sleep(30)
        desk.plug_in()
        assert (await desk.ask("AT"))[-1] == "OK"

    with_a_modem("ec800", play)


# The script.


def test_a_rate_lets_each_opportunity_strike_with_that_probability() -> None:
    async def play(desk: Desk) -> int:
        await desk.start()
        return sum([await desk.ask("AT", 0.5) == [] for _ in range(200)])

    assert 20 <= at_a_desk("ec800", play, faults={"no-answer": 0.15}) <= 42


@pytest.mark.parametrize("use", [lambda: ModemFaults({"gleud": 1.0}), lambda: ModemFaults().inject("gleud")])
def test_an_unknown_fault_is_refused_with_the_names(use: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match=r'no fault "gleud": take one of slow-boot, .*glued'):
        use()


def test_a_lasting_fault_has_no_rate() -> None:
    with pytest.raises(ValueError, match=r'inject\("deaf"\)'):
        ModemFaults({"deaf": 0.1})


def test_a_lasting_fault_ends_after_its_time_and_everything_with_clear_all() -> None:
    async def main(_clock: RigClock) -> None:
        faults = ModemFaults({"glued": 1.0})
        changes: list[tuple[str, bool]] = []
        faults.on_change = lambda name, is_on: changes.append((name, is_on))
        faults.inject("silence", for_s=10)
        faults.inject("deaf")
        await asyncio.sleep(11)
        assert changes == [("silence", True), ("deaf", True), ("silence", False)]
        assert faults.strikes("glued")
        faults.inject("garbage")
        faults.clear_all()
        assert changes[-1] == ("deaf", False)
        assert not faults.strikes("glued")
        assert not faults.strikes("garbage")

    run_virtual(main)


def test_each_fault_has_a_sentence() -> None:
    assert all(sentence.endswith(".") and len(sentence) > 20 for sentence in FAULTS.values())
    assert {"denied", "deaf", "unplugged"} <= LASTING
