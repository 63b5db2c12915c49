"""What the dialects make of lines: of those that the recordings know, of damaged ones, and of anything."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import Dialect, LinkSettings, load_modem, modem_names
from gateway_agent.modem.dialects.choice import dialect_of, takes
from gateway_agent.modem.events import (
    Damaged,
    DataDown,
    Event,
    Received,
    RegistrationChanged,
    SocketClosed,
    Started,
    Waiting,
)
from gateway_agent.modem.stream import Line
from hardware.rig.clock import RigClock, run_virtual


class NoPort:
    byte_s = 0.0

    def write(self, data: bytes) -> None:
        raise AssertionError(f"{data!r} was sent")


def with_dialect(model: str, test: Callable[[Dialect], None]) -> None:
    async def main(_clock: RigClock) -> None:
        at = AtEngine(NoPort(), lambda line: None)
        test(dialect_of(at, load_modem(model), LinkSettings()))

    run_virtual(main)


@pytest.mark.parametrize(
    ("model", "text", "payload", "event"),
    [
        ("bc95", "+NSONMI:2,192.0.2.7,5683,3,0A0B0C", None, Received(2, b"\x0a\x0b\x0c")),
        ("bc95", "+NSONMI:2,192.0.2.7,5683,4,0A0B0C", None, Damaged),
        ("bc95", "+NSONMI:2,192.0.2.7,5683,3,0A0B0", None, Damaged),
        ("bc95", "+NSONMI:2,6", None, Waiting(2)),
        ("bc95", "+NSOCLI: 2", None, SocketClosed),
        ("bc95", "REBOOT_CAUSE_SECURITY_RESET_PIN", None, Started()),
        ("bc660k", '+QIURC: "recv",1,3,"0a0B0c"', None, Received(1, b"\x0a\x0b\x0c")),
        ("bc660k", '+QIURC: "recv",1,"0a0B0c"', None, Damaged),
        ("bc660k", '+QIURC: "recv",1,4,"0a0B0c"', None, Damaged),
        ("bc660k", '+QIURC:"closed",1', None, SocketClosed),
        ("bc660k", '+QIURC: "pdpdeact",1', None, DataDown),
        ("bc660k", '+QNBIOTEVENT: "ENTER PSM"', None, None),
        ("bc26", "RDY", None, Started()),
        ("ec800", '+QIURC: "recv",3,4', b"\r\nOK", Received(3, b"\r\nOK")),
        ("ec800", '+QIURC: "recv",3,4,"192.0.2.7",5683', b"abcd", Received(3, b"abcd")),
        ("ec800", '+QIURC: "recv",3,4', None, Waiting(None)),
        ("ec800", '+QIURC: "recv",3', None, Waiting(3)),
        ("ec800", '+QIURC: "closed",3', None, SocketClosed),
        ("ec800", "APP RDY", None, Started()),
        ("ml307", '+MIPURC: "rudp",0,3,0A0B0C', None, Received(0, b"\x0a\x0b\x0c")),
        ("ml307", '+MIPURC: "rudp",0,"192.0.2.7",5683,3,0A0B0C', None, Received(0, b"\x0a\x0b\x0c")),
        ("ml307", '+MIPURC: "rudp",0,3,0A0B', None, Damaged),
        ("ml307", '+MIPURC: "disconn",0,1', None, SocketClosed),
        ("ml307", "+MIPCALL: 1,0", None, DataDown),
        ("ml307", "+MATREADY", None, Started()),
        ("sim7020", "+CSONMI: 0,6,0A0B0C", None, Received(0, b"\x0a\x0b\x0c")),
        ("sim7020", "+CSONMI: 0,3,0A0B0C", None, Received(0, b"\x0a\x0b\x0c")),
        ("sim7020", "+CSONMI: 0,8,0A0B0C", None, Damaged),
        ("sim7020", "+CSOERR: 0,-1", None, SocketClosed),
        ("a7670", "+CIPRXGET: 1,4", None, Waiting(4)),
        ("a7670", "+IPCLOSE: 4,1", None, SocketClosed),
        ("a7670", "+CIPEVENT: NETWORK CLOSED UNEXPECTEDLY", None, DataDown),
        ("a7670", "+IPD3", b"abc", Damaged),
        ("air780", "+RECEIVE,0,3:", b"abc", Received(0, b"abc")),
        ("air780", "ECEIVE,0,3:", b"abc", Received(0, b"abc")),
        ("air780", "0, CLOSED", None, SocketClosed),
        ("air780", "+PDP DEACT", None, DataDown),
        ("air780", "+PDP: DEACT", None, DataDown),
        ("bg95", "+CEREG: 1", None, RegistrationChanged),
    ],
)
def test_what_a_line_tells(model: str, text: str, payload: bytes | None, event: type[Event] | Event | None) -> None:
    def test(dialect: Dialect) -> None:
        told = dialect.event_of(Line(text, payload))
        if isinstance(event, type):
            assert isinstance(told, event)
        else:
            assert told == event

    with_dialect(model, test)


_PIECES = st.sampled_from(
    ["+QIURC: ", '"recv"', "+NSONMI:", "+CSONMI: ", "+MIPURC: ", '"rudp"', "+IPD", "+RECEIVE,", "+CEREG: ", ",", '"']
)
_TEXTS = st.lists(_PIECES | st.text(alphabet="0123456789ABCDEFx-.:, ", max_size=9), max_size=10).map("".join)


@given(_TEXTS, st.none() | st.binary(max_size=9))
def test_no_line_breaks_a_dialect(text: str, payload: bytes | None) -> None:
    def test(dialect: Dialect) -> None:
        assert isinstance(dialect.event_of(Line(text, payload)), Event | None)

    for model in ("bc95", "bc660k", "ec800", "ml307", "sim7020", "a7670", "air780"):
        with_dialect(model, test)


def test_every_model_has_its_dialect() -> None:
    made: list[Dialect] = []
    for model in modem_names():
        with_dialect(model, made.append)
    assert len(made) == len(modem_names())
    assert len({type(dialect) for dialect in made}) == 7


class Obedient:
    """A port behind which something says OK to everything."""

    byte_s = 0.0

    def __init__(self) -> None:
        self.at = AtEngine(self, lambda line: None)
        self.said: list[str] = []

    def write(self, data: bytes) -> None:
        self.said.append(data.decode().strip())
        answer = b"+CSQ: 20,99\r\nOK\r\n" if data.startswith(b"AT+CSQ") else b"OK\r\n"
        asyncio.get_running_loop().call_soon(self.at.heard, answer)


@pytest.mark.parametrize("model", modem_names())
def test_what_a_dialect_takes_it_tells_the_modem(model: str) -> None:
    data = load_modem(model)

    def said_with(settings: LinkSettings) -> list[str]:
        port = Obedient()

        async def main(_clock: RigClock) -> None:
            await dialect_of(port.at, data, settings).connect()

        run_virtual(main)
        return port.said

    assert ("AT+NBAND=8" in said_with(LinkSettings(band=8))) == takes(data.modem.dialect, "band")
    if data.modem.dialect != "sim800":  # which says so later, when it brings the data connection up
        told = any('"city","secret"' in one for one in said_with(LinkSettings("iot", "city", "secret")))
        assert told == takes(data.modem.dialect, "user") == takes(data.modem.dialect, "password")
