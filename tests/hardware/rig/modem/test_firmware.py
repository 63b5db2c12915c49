"""What must hold for every dialect's firmware: no input breaks it, and a seed gives the same life twice."""

import asyncio
import logging
from random import Random

import pytest

from hardware.rig.modem.dialects import DIALECTS
from hardware.rig.modem.faults import FAULTS, LASTING
from hardware.rig.modem.models import MODELS
from hardware.rig.modem.request import RUN, SET, Request, parse
from tests.hardware.rig.modem.desk import Desk, at_a_desk
from tests.hardware.rig.modem.typist import OPENINGS, command_of, go_online, send

MODELS_OF_DIALECTS = ("bc95", "bc26", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780")
of_each_dialect = pytest.mark.parametrize("model", MODELS_OF_DIALECTS)

_WORDS = (
    *("", "0", "1", "2", "7", "99", "-1", "5683", "0x200", "1.5", "9" * 20, "\xb2", "zz", '"', "41", "4142"),
    *('"UDP"', "UDP SERVICE", "DGRAM", "17", '"127.0.0.1"', "127.0.0.1", '"dataformat"', '"00100001"', "AUTOCONNECT"),
)
_ENDS_IT = {"NRB", "QRST", "CFUN", "MREBOOT", "CRESET", "CRESTART", "RESET", "RSTSET", "QPOWD", "CPOF", "CPOWD", "MPOF"}
_ENDINGS = ("", "?", "=?", "=")


def a_line(random: Random, names: list[str]) -> bytes:
    """A command line that may mean something, with anything as arguments, or noise."""
    if random.random() < 0.1:
        return random.randbytes(random.randrange(40)) + b"\r"
    ending = random.choice(_ENDINGS)
    arguments = ",".join(random.choice(_WORDS) for _ in range(random.randrange(8))) if ending == "=" else ""
    return f"AT+{random.choice(names)}{ending}{arguments}\r".encode("latin-1")


@of_each_dialect
def test_no_command_line_breaks_a_firmware(model: str, caplog: pytest.LogCaptureFixture) -> None:
    names = sorted(set(DIALECTS[MODELS[model].dialect].commands) - _ENDS_IT - {"", "E", "IPR"})
    random = Random(f"lines for {model}")

    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        for _ in range(400):
            desk.write(a_line(random, names))
            await asyncio.sleep(random.choice((0.0, 0.05, 0.3, 2.0)))
        await asyncio.sleep(200)
        for _ in range(3):
            await desk.ask("AT", 1.0)
            await asyncio.sleep(0.2)
        assert "OK" in await desk.ask("AT", 1.0)

    with caplog.at_level(logging.ERROR):
        at_a_desk(model, play, answers=True)
    assert [record.getMessage() for record in caplog.records] == []


@of_each_dialect
def test_a_seed_gives_the_same_bytes_at_the_same_times(model: str) -> None:
    rates = {"glued": 0.05, "garbage": 0.05, "truncated": 0.02, "urc-inside": 0.05, "no-answer": 0.02}

    async def play(desk: Desk) -> list[tuple[float, str, bytes]]:
        seen: list[tuple[float, str, bytes]] = []
        desk.ported.uart.on_sent = lambda end, data: seen.append((desk.loop.time(), end.name[:3], data))
        await desk.start()
        for number in range(40):
            await desk.ask("AT+CEREG?" if number % 2 else "AT+CSQ", 2.0)
        return seen

    one, two = (at_a_desk(model, play, seed=9, faults=rates) for _ in range(2))
    assert one == two
    assert at_a_desk(model, play, seed=10, faults=rates) != one


@of_each_dialect
def test_after_every_fault_at_once_the_power_key_makes_it_whole(model: str, caplog: pytest.LogCaptureFixture) -> None:
    rates = {name: 0.03 for name in FAULTS if name not in LASTING}

    async def play(desk: Desk) -> None:
        desk.modem.start()
        await asyncio.sleep(20)
        for number in range(250):
            desk.type(("AT", "AT+CEREG?", "AT+CSQ", "AT+CGMR", "ATE0")[number % 5])
            await asyncio.sleep(1)
            if number % 50 == 20:
                for line in OPENINGS[desk.modem.model.dialect]:
                    desk.type(line.format(port=desk.platform.address[1], context=0))
                    await asyncio.sleep(3)
            if number % 10 == 3:
                line, payload = command_of(desk, b"lost or not")
                desk.type(line)
                await asyncio.sleep(0.5)
                desk.write(payload)
        for name in LASTING:
            desk.faults.inject(name, for_s=100)
        await asyncio.sleep(150)
        desk.faults.clear_all()
        desk.plug_in()
        desk.modem.power_key()
        await asyncio.sleep(20)
        for line in ("AT", "ATE0", "AT+CMEE=1"):
            await desk.ask(line, 1.0)
            await asyncio.sleep(0.2)
        await go_online(desk)
        assert await send(desk, b"whole again")
        assert await desk.until(lambda: b"whole again" in desk.platform.received, 20)
        assert len(desk.faults.hits) >= 20

    with caplog.at_level(logging.ERROR):
        at_a_desk(model, play, answers=True, faults=rates)
    assert [record.getMessage() for record in caplog.records] == []


@of_each_dialect
def test_a_host_that_comes_back_finds_the_module_as_it_left_it(model: str) -> None:
    async def play(desk: Desk) -> None:
        await desk.start()
        await go_online(desk)
        desk.unplug()
        await asyncio.sleep(5)
        desk.plug_in()
        await asyncio.sleep(0.5)
        assert await send(desk, b"still open")
        assert await desk.until(lambda: desk.platform.received == [b"still open"], 20)

    at_a_desk(model, play)


def test_command_lines_are_read_as_the_standard_writes_them() -> None:
    assert parse("AT") == Request("", RUN)
    assert parse("ATE0") == Request("E", SET, ("0",))
    assert parse("at+cereg=2") == Request("CEREG", SET, ("2",))
    assert parse("AT+CEREG?").kind == "read"
    assert parse("AT+CEREG=?").kind == "test"
    assert parse('AT+X=1,"a,b",,2').args == ("1", "a,b", "", "2")
    assert parse('AT+MIPOPEN=0,"UDP","h",5,,0').args == ("0", "UDP", "h", "5", "", "0")
