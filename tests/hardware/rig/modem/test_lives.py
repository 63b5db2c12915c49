"""Each emulated model from power-on to a datagram out and back, and what its supply, key and card do to it."""

import asyncio

import pytest

from hardware.rig.modem.models import MODELS
from hardware.rig.modem.sim import Sim
from tests.hardware.rig.modem.desk import Desk, at_a_desk
from tests.hardware.rig.modem.typist import go_online, has_come, say, send

DATA = b"\x40\x01BB"
OUT = bytes([0x40, 0x01, 0xE2, 0x40, 0x0D, 0x0A, 0x1A, 0x00, 0xFF])
every_model = pytest.mark.parametrize("model", list(MODELS))
of_each_dialect = pytest.mark.parametrize(
    "model", ["bc95", "bc26", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780"]
)


@every_model
def test_from_power_on_to_a_datagram_out_and_back(model: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        assert await send(desk, OUT)
        assert await desk.until(lambda: desk.platform.received == [OUT], 10)
        assert await desk.until(lambda: has_come(desk, OUT), 10)
        assert desk.modem.counters["sent"] == desk.modem.counters["received"] == 1

    at_a_desk(model, play, profile="nbiot-good" if MODELS[model].is_nb else "cat1", seed=3, answers=True)


@of_each_dialect
def test_the_greatest_datagram_goes_and_a_greater_one_is_refused(model: str) -> None:
    limit = MODELS[model].payload_limit
    greatest = limit if MODELS[model].dialect != "quectel_nb" else min(limit, 512)

    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        assert await send(desk, bytes(range(256)) * (greatest // 256) + bytes(greatest % 256))
        assert not await send(desk, bytes(greatest + 1))
        await asyncio.sleep(20)
        assert [len(data) for data in desk.platform.received] == [greatest]

    at_a_desk(model, play, seed=1)


@of_each_dialect
def test_it_is_deaf_while_it_boots_and_says_when_it_is_ready(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.modem.start()
        assert desk.modem.state == "booting"
        assert await desk.ask("AT", 1.0) == []
        assert await desk.until(lambda: desk.modem.state == "on")
        assert desk.loop.time() >= 0.9 * desk.modem.model.boot_s
        await desk.until(lambda: len(desk.heard) > 3, 3.0)
        assert desk.take()

    at_a_desk(model, play)


@of_each_dialect
def test_echo_is_switched_off_and_a_restart_forgets_settings(model: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        assert "AT" not in await desk.ask("AT")
        desk.modem.power_key()
        assert await desk.until(lambda: desk.modem.state == "on")
        await asyncio.sleep(3)
        desk.heard.clear()
        await desk.ask("AT", 1.0)
        echoed = await desk.ask("AT", 1.0)
        assert ("AT" in echoed) is desk.modem.model.echoes

    at_a_desk(model, play)


@of_each_dialect
def test_an_unknown_command_is_an_error(model: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        assert (await desk.ask("AT+NOSUCH=1"))[-1].startswith("+CME ERROR")

    at_a_desk(model, play)


@pytest.mark.parametrize(
    ("model", "reset"),
    [
        ("bc95", "AT+NRB"),
        ("bc660k", "AT+QRST=1"),
        ("ml307", "AT+MREBOOT=0"),
        ("a7670", "AT+CRESET"),
        ("sim7020", "AT+CRESET"),
        ("air780", "AT+RESET"),
        ("ec800", "AT+CFUN=1,1"),
    ],
)
def test_a_reset_by_command_restarts_it(model: str, reset: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        desk.type(reset)
        assert await desk.until(lambda: desk.modem.state == "booting", 2.0)
        assert await desk.until(lambda: desk.modem.state == "on")
        assert desk.modem.counters["restarts: command"] == 1

    at_a_desk(model, play)


@pytest.mark.parametrize(
    ("model", "off"),
    [
        ("bc26", "AT+QPOWD=0"),
        ("ec800", "AT+QPOWD=1"),
        ("a7670", "AT+CPOF"),
        ("sim7020", "AT+CPOWD=1"),
    ],
)
def test_it_switches_off_by_command_and_on_by_its_key(model: str, off: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        desk.type(off)
        assert await desk.until(lambda: desk.modem.state == "off", 3.0)
        await asyncio.sleep(30)
        assert desk.modem.state == "off"
        desk.modem.power_key()
        assert await desk.until(lambda: desk.modem.state == "on")

    at_a_desk(model, play)


def test_without_supply_the_key_does_nothing() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        desk.modem.supply(False)
        desk.modem.power_key()
        await asyncio.sleep(30)
        assert desk.modem.state == "off"
        desk.modem.supply(True)
        assert await desk.until(lambda: desk.modem.state == "on")

    at_a_desk("ec800", play)


def test_a_pin_is_asked_for_and_counted_and_after_three_wrong_ones_the_puk() -> None:
    sim = Sim(pin="4711")

    async def play(desk: Desk) -> None:
        await desk.start()
        assert (await desk.ask("AT+CPIN?"))[0].replace(" ", "") == "+CPIN:SIMPIN"
        assert not desk.modem.firmware.network.is_registered  # type: ignore[union-attr]
        assert await desk.ask('AT+CPIN="4711"') == ["OK"]
        assert await desk.registered()
        desk.modem.power_key()
        await asyncio.sleep(20)
        await say(desk, "ATE0", "AT+CMEE=1")
        for _ in range(3):
            assert (await desk.ask('AT+CPIN="0000"'))[-1].startswith("+CME ERROR")
        assert (await desk.ask("AT+CPIN?"))[0].replace(" ", "") == "+CPIN:SIMPUK"
        assert (await desk.ask('AT+CPIN="4711"'))[-1].startswith("+CME ERROR")

    at_a_desk("ec800", play, sim=sim)
    assert sim.pin_attempts == 5


@pytest.mark.parametrize("model", ["ec800", "ml307", "a7670", "air780"])
def test_a_wrong_access_point_gives_no_data_connection(model: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        assert not await send(desk, OUT)
        assert not desk.modem.firmware.network.address  # type: ignore[union-attr]

    at_a_desk(model, play, sim=Sim(apn="private.apn"))


@pytest.mark.parametrize(
    ("model", "again"),
    [
        ("bc95", "AT+NSOCR=DGRAM,17,40000,1"),
        ("bc660k", 'AT+QIOPEN=0,0,"UDP","127.0.0.1",5,0,1'),
        ("a7670", 'AT+CIPOPEN=0,"UDP",,,40000'),
        ("ml307", 'AT+MIPOPEN=0,"UDP","127.0.0.1",5,,0'),
    ],
)
def test_a_socket_that_is_open_is_in_use_for_who_comes_later(model: str, again: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        assert "ERROR" in (await desk.ask(again))[-1]

    at_a_desk(model, play)


@pytest.mark.parametrize("model", ["bc26", "bc660k"])
def test_a_module_that_finds_the_baud_rate_loses_the_first_command_by_it(model: str) -> None:
    async def play(desk: Desk) -> None:
        desk.modem.start()
        assert await desk.until(lambda: desk.modem.state == "on")
        assert await desk.ask("AT", 1.0) == []
        assert "OK" in await desk.ask("AT", 1.0)

    at_a_desk(model, play, baud=9600)


def test_at_a_wrong_baud_rate_nothing_is_understood() -> None:
    async def play(desk: Desk) -> None:
        desk.modem.start()
        assert await desk.until(lambda: desk.modem.state == "on")
        await asyncio.sleep(5)
        desk.heard.clear()
        assert await desk.ask("AT", 1.0) == []
        assert desk.modem.counters["commands"] == 0

    at_a_desk("ec800", play, baud=9600)


def test_deep_sleep_swallows_the_first_command_and_the_wake_pin_spares_it() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        assert await desk.registered()
        assert await desk.until(lambda: desk.modem.state == "asleep", 120)
        assert await desk.ask("AT", 1.0) == []
        assert (await desk.ask("AT", 1.0))[-1] == "OK"
        assert await desk.until(lambda: desk.modem.state == "asleep", 120)
        desk.modem.wake()
        assert (await desk.ask("AT", 1.0))[-1] == "OK"
        await desk.ask("AT+QSCLK=0")
        await asyncio.sleep(300)
        assert desk.modem.state == "on"

    at_a_desk("bc660k", play, profile="nbiot-good")


def test_in_power_saving_nothing_comes_down_until_the_module_speaks() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        await say(desk, 'AT+CPSMS=1,,,"00100001","00000101"')
        assert await send(desk, OUT)
        assert await desk.until(lambda: len(desk.platform.received) == 1, 10)
        assert await desk.until(lambda: desk.modem.state == "asleep", 120)
        desk.platform.answer(b"too late")
        await asyncio.sleep(20)
        assert not has_come(desk, b"too late")
        assert desk.radio.unreachable == 1
        await desk.ask("AT", 1.0)
        assert await send(desk, OUT)
        assert await desk.until(lambda: len(desk.platform.received) == 2, 10)
        desk.platform.answer(b"in time")
        assert await desk.until(lambda: has_come(desk, b"in time"), 10)

    at_a_desk("bc95", play, profile="nbiot-good")


def test_the_periodic_update_makes_a_sleeping_module_reachable_for_a_moment() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        # Sleep after two seconds, an update each two minutes.
        await say(desk, 'AT+CPSMS=1,,,"10100010","00000001"')
        assert await desk.until(lambda: desk.modem.state == "asleep", 60)
        assert not desk.radio.is_reachable
        await asyncio.sleep(120)
        assert desk.modem.state == "on"
        assert desk.radio.is_reachable
        assert await desk.until(lambda: desk.modem.state == "asleep", 60)

    at_a_desk("bc95", play, profile="nbiot-good")


def test_release_assistance_is_taken_from_the_command() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        host, port = desk.platform.address
        await say(desk, f"AT+NSOSTF=0,{host},{port},0x200,2,4142")
        await asyncio.sleep(6)
        assert desk.platform.received == [b"AB"]
        assert not desk.radio.is_connected

    at_a_desk("bc95", play, profile="nbiot-good", seed=2)


def test_lost_coverage_loses_registration_and_data_until_it_is_back() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        desk.radio.has_coverage = False
        await asyncio.sleep(1)
        assert "+CEREG:0,2" in (await desk.ask("AT+CEREG?"))[0].replace(" ", "")
        assert not await send(desk, OUT)
        desk.radio.has_coverage = True
        assert await desk.registered()

    at_a_desk("ec800", play)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_a_quectel_hands_payloads_over_in_the_form_that_is_set(seed: int) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)

        async def handed_over() -> bytes:
            assert await send(desk, DATA)
            await asyncio.sleep(2)
            return bytes(desk.heard).replace(b" ", b"").split(b"SENDOK\r\n")[1].strip(b"\r\n").upper()

        assert await handed_over() == b'+QIURC:"RECV",0,4\r\n' + DATA
        await say(desk, 'AT+QICFG="viewmode",1')
        assert await handed_over() == b'+QIURC:"RECV",0,4,' + DATA
        await say(desk, 'AT+QICFG="dataformat",0,1')
        assert (await handed_over()).replace(b'"', b"") == b"+QIURC:RECV,0,4,40014242"
        await say(desk, 'AT+QICFG="viewmode",0')
        assert await handed_over() == b'+QIURC:"RECV",0,4\r\n40014242'

    at_a_desk("ec800", play, answers=True, seed=seed)


def test_a_kept_datagram_is_read_in_pieces_and_noted_once_until_all_is_read() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        host, port = desk.platform.address
        await say(desk, f'AT+QIOPEN=1,1,"UDP","{host}",{port},0,0')
        await asyncio.sleep(1)
        await desk.ask('AT+QISENDEX=1,"41"', final="SEND OK")
        await asyncio.sleep(1)
        desk.heard.clear()
        for data in (b"first", b"second"):
            desk.platform.answer(data)
        await asyncio.sleep(1)
        assert desk.heard.count(b'"recv",1') == 1
        assert [line.replace(" ", "") for line in await desk.ask("AT+QIRD=1,3")] == ["+QIRD:3", "fir", "OK"]
        assert (await desk.ask("AT+QIRD=1,0"))[0].replace(" ", "") == "+QIRD:11,3,8"
        assert (await desk.ask("AT+QIRD=1,1500"))[1] == "st"
        desk.platform.answer(b"third")
        await asyncio.sleep(1)
        assert b'"recv"' not in desk.heard
        assert (await desk.ask("AT+QIRD=1,1500"))[1] == "second"
        assert (await desk.ask("AT+QIRD=1,1500"))[1] == "third"
        assert (await desk.ask("AT+QIRD=1,1500"))[0].replace(" ", "") == "+QIRD:0"
        desk.platform.answer(b"fourth")
        assert await desk.until(lambda: desk.heard.count(b'"recv",1') == 1, 5)

    at_a_desk("ec800", play)


def test_commands_that_follow_too_soon_on_a_sim7020_may_be_lost() -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        answers = [await desk.ask("AT", 0.5) for _ in range(20)]
        assert [] in answers
        await asyncio.sleep(0.5)
        for _ in range(20):
            await asyncio.sleep(0.12)
            assert await desk.ask("AT", 0.5) == ["OK"]

    at_a_desk("sim7020", play)


def test_two_seeds_are_two_firmwares() -> None:
    async def play(desk: Desk) -> bytes:
        await desk.start()
        await desk.registered()
        await desk.ask("AT+CEREG=2")
        desk.heard.clear()
        desk.type("AT+CEREG?")
        await asyncio.sleep(1)
        return bytes(desk.heard)

    assert len({at_a_desk("ec800", play, seed=seed) for seed in range(6)}) > 2
