"""The driver against the emulated modems of the rig, whose authors have not seen it."""

import asyncio
import random
from pathlib import Path

import pytest

from gateway_agent.modem.cause import Cause
from gateway_agent.modem.diagnosis import diagnose
from gateway_agent.modem.dialect import LinkSettings, load_modem, modem_names
from gateway_agent.modem.errors import ModemError
from gateway_agent.modem.hooks import Hooks
from gateway_agent.modem.kept_state import load_state
from gateway_agent.modem.sockets import ModemLink
from hardware.rig.modem.sim import Sim
from tests.gateway_agent.modem.modem_bench import ModemBench, answer_to, datagram, on_bench

BENCHMARKED = ["bc95", "bc26", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780"]
PASSING = [
    "echo",
    "urc-inside",
    "lost-first",
    "lost-input",
    "glued",
    "truncated",
    "garbage",
    "no-answer",
    "buffer-full",
    "busy",
    "send-fail",
    "cme-3",
    "sleep",
    "pdp-drop",
    "socket-closed",
    "reboot",
    "reboot-in-send",
]
"""Faults that pass, and from which the driver comes back without a rung."""


@pytest.mark.parametrize("model", modem_names())
def test_every_model_comes_into_service_and_carries_datagrams_of_all_lengths(model: str) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        identity = bench.modem.known.identity
        assert len(identity.imei) == 15
        assert identity.imsi == "460040000000101"
        assert identity.iccid == "89860000000000000101"
        assert identity.model
        assert identity.firmware
        assert bench.modem.known.signal.rsrp_dbm is not None
        assert bench.modem.known.registration.cell
        assert bench.modem.known.clock_off_s is not None
        assert abs(bench.modem.known.clock_off_s) <= 2
        link = await bench.link()
        sent = [datagram(number, length) for number, length in enumerate((3, 4, 64, link.limit_bytes // 2))]
        sent += [bytes(range(256)), b"\r\nOK\r\n+CME ERROR: 3\r\n> \x1a\x1b", datagram(9, link.limit_bytes)]
        for data in sent:
            link.send(data, answer_expected=True)
            await asyncio.sleep(8)
        assert bench.echo.got == sent
        assert bench.answers == [answer_to(data) for data in sent]
        assert bench.lost == []
        assert bench.modem.at.counters.timeouts == 0
        assert bench.modem.recoveries == dict.fromkeys(bench.modem.recoveries, 0)

    on_bench(model, test)


@pytest.mark.parametrize("model", BENCHMARKED)
def test_a_passing_fault_costs_at_most_a_minute_and_no_rung(model: str) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        for fault in PASSING:
            await bench.talk_until_answered()
            bench.module.faults.inject(fault)
            waited_s = await bench.talk_until_answered()
            assert waited_s < 60, fault
        assert bench.modem.recoveries == dict.fromkeys(bench.modem.recoveries, 0)

    on_bench(model, test)


@pytest.mark.parametrize(
    ("fault", "causes", "rungs"),
    [
        ("deaf", {Cause.SILENT}, {"wait", "power-key"}),
        ("latched", {Cause.SILENT}, {"wait", "power-key", "supply"}),
        ("radio-stuck", {Cause.NO_NETWORK, Cause.NOT_REGISTERED}, {"radio", "reset"}),
        ("unknown", {Cause.NO_NETWORK, Cause.NOT_REGISTERED}, {"radio"}),
    ],
)
@pytest.mark.parametrize("model", BENCHMARKED)
def test_what_lasts_is_ended_by_the_lowest_rung_that_can(
    model: str, fault: str, causes: set[Cause], rungs: set[str]
) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        await bench.talk_until_answered()
        bench.module.faults.inject(fault)
        await bench.until(lambda: not bench.modem.is_online)
        await bench.talk_until_answered()
        assert {rung for rung, count in bench.modem.recoveries.items() if count} == rungs
        assert causes & {state.cause for state in bench.states}
        assert [climb.rung for climb in bench.modem.kept.climbs][-1] in rungs

    on_bench(model, test)


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("denied", Cause.DENIED),
        ("searching", Cause.NO_NETWORK),
        ("sim-absent", Cause.NO_SIM),
        ("sim-dead", Cause.SIM_DEAD),
        ("sim-pin", Cause.PIN_MISSING),
    ],
)
def test_what_nobody_here_can_end_is_told_apart_and_outlived(fault: str, cause: Cause) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        bench.module.faults.inject(fault)
        await bench.until(lambda: bench.modem.state.cause is cause, 1200)
        assert not bench.modem.is_online
        bench.module.faults.clear(fault)
        await bench.talk_until_answered()
        assert bench.modem.state.cause is Cause.WELL

    on_bench("bc660k", test)


def test_a_modem_that_is_pulled_out_and_put_back_is_taken_up_again() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.link()
        bench.uart.unplug()
        await bench.until(lambda: bench.modem.state.cause is Cause.PORT_MISSING, 30)
        assert len(bench.lost) == 1
        with pytest.raises(ModemError, match="missing; plug in the modem"):
            await bench.link()
        link.send(datagram(1), answer_expected=True)
        assert len(bench.lost) == 2
        bench.uart.replug()
        assert await bench.online() < 60
        await bench.talk_until_answered()

    on_bench("ec800", test)


def test_a_modem_that_stays_away_is_started_by_its_key() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        bench.uart.unplug()
        await asyncio.sleep(250)
        assert bench.module.counters["power keys"] == 0
        await bench.until(lambda: bench.module.counters["power keys"] == 1, 200)
        bench.uart.replug()
        await bench.talk_until_answered()

    on_bench("ec800", test)


@pytest.mark.parametrize("hooks", [Hooks(), None], ids=["no key", "key and supply"])
def test_a_modem_that_comes_back_after_hours_is_taken_up_within_a_minute(hooks: Hooks | None) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        bench.uart.unplug()
        await asyncio.sleep(3 * 3600)
        bench.uart.replug()
        assert await bench.online() < 60
        await bench.talk_until_answered()

    on_bench("ec800", test, **({} if hooks is None else {"hooks": hooks}))


@pytest.mark.parametrize(("model", "command"), [("bc95", "AT+NSONMI=1"), ("a7670", "AT+CIPRXGET=1")])
def test_what_a_modem_keeps_instead_of_pushing_is_fetched(model: str, command: str) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        await bench.modem.at.ask(command)
        link = await bench.link()
        sent = [datagram(number, 40 + 100 * number) for number in range(5)]
        for data in sent[:2]:
            link.send(data, answer_expected=True)
            await asyncio.sleep(5)
        assert bench.answers == [answer_to(data) for data in sent[:2]]
        for data in sent[2:]:
            link.send(data, answer_expected=True)
        await asyncio.sleep(30)
        assert bench.answers == [answer_to(data) for data in sent]

    on_bench(model, test)


@pytest.mark.parametrize(("model", "fault"), [("bc660k", "busy"), ("ec800", "buffer-full"), ("bc95", "busy")])
def test_a_modem_that_refuses_every_socket_or_datagram_climbs_the_ladder(model: str, fault: str) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        await bench.talk_until_answered()
        bench.module.faults.rates[fault] = 1.0
        number = 0
        while not bench.modem.recoveries["reset"]:
            number += 1
            assert number < 100
            assert await bench.talk(number) is None
            await asyncio.sleep(20)
        assert Cause.NO_SOCKET in {state.cause for state in bench.states}
        assert diagnose(bench.modem.status()).kind == "no-socket"
        bench.module.faults.clear_all()
        await bench.talk_until_answered()
        await asyncio.sleep(120)
        assert bench.modem.kept.level == 0
        assert diagnose(bench.modem.status()).is_well

    on_bench(model, test)


def test_nothing_that_comes_back_climbs_the_ladder_while_it_is_still_tried() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        bench.module.faults.inject("silence")
        link = None
        for number in range(4):
            link = await bench.talk(number, link)
        await bench.until(lambda: bench.modem.recoveries["radio"] == 1, 60)
        assert Cause.UNANSWERED in {state.cause for state in bench.states}
        await bench.online()
        # A connection alone is no service: the next rung is a higher one.
        await asyncio.sleep(300)
        link = None
        for number in range(4, 10):
            link = await bench.talk(number, link)
        await bench.until(lambda: bench.modem.recoveries["reset"] == 1, 300)
        bench.module.faults.clear("silence")
        await bench.talk_until_answered()
        await asyncio.sleep(120)
        assert bench.modem.kept.level == 0

    on_bench("bc660k", test)


def test_a_right_pin_is_entered_after_each_start() -> None:
    sim = Sim(pin="4711")

    async def test(bench: ModemBench) -> None:
        await bench.online()
        bench.module.supply(False)
        await asyncio.sleep(15)
        bench.module.supply(True)
        await bench.until(lambda: sim.pin_attempts == 2)
        await bench.online()
        assert list(bench.modem.kept.pins.values()) == ["accepted"]

    on_bench("ec800", test, sim=sim, pin="4711")


def test_a_wrong_pin_is_tried_once_ever(tmp_path: Path) -> None:
    state_file = tmp_path / "modem.json"
    sim = Sim(pin="4711")

    async def test(bench: ModemBench) -> None:
        await bench.until(lambda: bench.modem.state.cause is Cause.PIN_REFUSED)
        await asyncio.sleep(7200)
        assert sim.pin_attempts == 1

    for _ in range(3):
        on_bench("bc660k", test, sim=sim, pin="1234", state_file=state_file)
    assert sim.pin_attempts == 1
    assert list(load_state(state_file).pins.values()) == ["refused"]


def test_a_pin_whose_outcome_was_lost_is_not_tried_again(tmp_path: Path) -> None:
    state_file = tmp_path / "modem.json"
    sim = Sim(pin="4711")

    async def cut(bench: ModemBench) -> None:
        # The modem hears the PIN and nothing of it is heard any more, as in a power cut of the pole.
        for _ in range(60_000):
            await asyncio.sleep(0.001)
            if bench.modem.kept.pins:
                break
        bench.module.supply(False)

    on_bench("ec800", cut, sim=sim, pin="1234", state_file=state_file)
    tries = sim.pin_attempts

    async def test(bench: ModemBench) -> None:
        await bench.until(lambda: bench.modem.state.cause is Cause.PIN_OPEN)
        assert sim.pin_attempts == tries

    on_bench("ec800", test, sim=sim, pin="1234", state_file=state_file)


@pytest.mark.parametrize("model", ["bc660k", "bc95", "bc26", "sim7020"])
def test_a_sleeper_is_woken_and_loses_nothing_that_we_send(model: str) -> None:
    link_settings = LinkSettings(apn="cmnbiot", psm_s=(86400, 10))

    async def test(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.link()
        for number in range(4):
            link.send(datagram(number), answer_expected=True)
            await asyncio.sleep(200)
        assert bench.echo.got == [datagram(number) for number in range(4)]
        assert len(bench.answers) == 4
        assert bench.module.counters["sleeps"] >= 3

    on_bench(model, test, link=link_settings)


@pytest.mark.parametrize("model", ["bc660k", "bc26", "bc95"])
def test_release_assistance_lets_the_radio_rest_sooner(model: str) -> None:
    rested: list[float] = []

    async def test(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.link()
        await bench.until(lambda: not bench.module.radio.is_connected, 60)
        for number, expected in enumerate((True, False)):
            link.send(datagram(number), answer_expected=expected)
            await bench.until(lambda: bench.module.radio.is_connected, 30)
            if expected:
                await bench.until(lambda: len(bench.answers) == 1, 30)
            rested.append(await bench.until(lambda: not bench.module.radio.is_connected, 60))

    on_bench(model, test, radio="nbiot-good")
    # The network would hold the connection for 20 s.
    assert max(rested) < 5


@pytest.mark.parametrize("baud", [9600, 57600])
def test_another_baud_rate_is_found(baud: int) -> None:
    async def test(bench: ModemBench) -> None:
        bench.module._end.configure(baud)
        await bench.online()
        assert bench.modem._port.baud == baud
        await bench.talk_until_answered()

    on_bench("a7670", test)


def test_many_at_once_go_out_in_order_and_none_is_lost() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.link()
        sent = [datagram(number, random.Random(number).randrange(4, 900)) for number in range(40)]
        for data in sent:
            link.send(data, answer_expected=True)
        await asyncio.sleep(120)
        assert bench.modem.counters.sent == 40
        assert bench.echo.got == sent
        assert len(bench.answers) == 40

    on_bench("ec200", test)


def test_two_links_are_kept_apart() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        first, second = [], []
        one = await bench.modem.open("127.0.0.1", bench.port, first.append, bench.lost.append)
        two = await bench.modem.open("127.0.0.1", bench.port, second.append, bench.lost.append)
        one.send(datagram(1), answer_expected=True)
        two.send(datagram(2), answer_expected=True)
        await asyncio.sleep(20)
        assert first == [answer_to(datagram(1))]
        assert second == [answer_to(datagram(2))]
        one.close()
        one.close()
        one.send(datagram(3), answer_expected=True)
        two.send(datagram(4), answer_expected=True)
        await asyncio.sleep(20)
        assert len(second) == 2
        assert len(bench.lost) == 1

    on_bench("ec800", test)


@pytest.mark.parametrize("model", BENCHMARKED)
def test_sockets_whose_opening_was_cancelled_are_not_lost(model: str) -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        for cancelled in range(12):
            opening = asyncio.create_task(bench.link())
            await asyncio.sleep((0.05, 0.1, 0.2)[cancelled % 3])
            opening.cancel()
            for link in await asyncio.gather(opening, return_exceptions=True):
                if isinstance(link, ModemLink):
                    link.close()
            await asyncio.sleep(2)
        assert await bench.talk(1) is not None
        assert bench.modem.counters.data_lost == 0

    on_bench(model, test)


def test_a_name_needs_a_modem_that_knows_names() -> None:
    async def refused(bench: ModemBench) -> None:
        await bench.online()
        with pytest.raises(ModemError, match="write the platform's address into the url"):
            await bench.modem.open("localhost", bench.port, bench.answers.append, bench.lost.append)
        assert bench.modem.is_online

    async def taken(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.modem.open("localhost", bench.port, bench.answers.append, bench.lost.append)
        link.send(datagram(1), answer_expected=True)
        await asyncio.sleep(10)
        assert len(bench.answers) == 1

    assert not load_modem("bc660k").socket.takes_names
    on_bench("bc660k", refused)
    for model in ("ec800", "ml307", "air780"):
        on_bench(model, taken)


@pytest.mark.parametrize("words", [{"apn": 'a"b'}, {"user": "ü"}, {"password": "a\rAT+CFUN=0"}])
def test_words_that_would_break_a_command_are_refused(words: dict[str, str]) -> None:
    with pytest.raises(ModemError, match="use ASCII without quotation marks"):
        LinkSettings(**words)


def test_a_datagram_that_is_too_long_is_told_at_once() -> None:
    async def test(bench: ModemBench) -> None:
        await bench.online()
        link = await bench.link()
        link.send(bytes(link.limit_bytes + 1), answer_expected=True)
        assert "513 bytes are more than the 512" in str(bench.lost[0])
        await bench.talk_until_answered()

    on_bench("bc660k", test)
