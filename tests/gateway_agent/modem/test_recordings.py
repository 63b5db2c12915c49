"""Every dialect against the recordings of tests/modem_transcripts: up, a datagram out, its answer in."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from gateway_agent.modem import modem as modem_module
from gateway_agent.modem.cause import Cause
from gateway_agent.modem.dialect import LinkSettings, load_modem
from gateway_agent.modem.modem import Modem
from gateway_agent.modem.settings import ModemSettings
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.modem.recorded_modem import HOST, PORT, TRANSCRIPTS, Answer, RecordedModem

MODELS = [path.stem for path in sorted(TRANSCRIPTS.glob("*.txt"))]
APN = {"nb-iot": "cmnbiot", "cat-1": "cmiot", "cat-m": "cmiot"}


class Opened(RecordedModem):
    """A recorded modem in the place of a serial port."""

    made: ClassVar[list["Opened"]] = []
    model: ClassVar[str] = ""

    def __init__(self, url: str, on_data: Callable[[bytes], None], on_gone: Any) -> None:
        super().__init__(TRANSCRIPTS / f"{self.model}.txt", on_data)
        self.is_open = False
        self.baud = 115200
        self.made.append(self)

    def open(self, baud: int) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


@pytest.mark.parametrize("model", MODELS)
def test_the_driver_follows_the_recording(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Opened.made.clear()
    monkeypatch.setattr(Opened, "model", model)
    monkeypatch.setattr(modem_module, "SerialPort", Opened)

    async def main(clock: RigClock) -> list[bytes]:
        settings = ModemSettings(model, "rig://none", link=LinkSettings(apn=APN[load_modem(model).modem.radio]))
        states: list[str] = []
        modem = Modem(settings, clock, on_change=lambda state: states.append(f"{state.name}: {state.reason}"))
        running = asyncio.create_task(modem.run())
        for _ in range(600):
            if modem.is_online:
                break
            await asyncio.sleep(0.5)
        assert modem.is_online, states
        assert modem.known.identity.imei == "867725030000017"
        assert modem.known.identity.iccid == "89860400000000000017"
        assert modem.known.signal.rsrp_dbm is not None
        received: list[bytes] = []
        lost: list[Exception] = []
        link = await modem.open(HOST, PORT, received.append, lost.append)
        link.send(bytes.fromhex(_sent(model)), answer_expected=True)
        await asyncio.sleep(2)
        Opened.made[0].arrive(0)
        await asyncio.sleep(2)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert modem.counters.sent == 1, Opened.made[0].sent[-5:]
        return received

    received = run_virtual(main)
    assert [data.hex()[:7] for data in received] == ["6044e24"]


def test_a_network_that_is_heard_and_takes_us_not_is_told_from_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Opened, "model", "ml307")
    monkeypatch.setattr(modem_module, "SerialPort", Opened)

    async def main(clock: RigClock) -> list[Cause]:
        Opened.made.clear()
        modem = Modem(ModemSettings("ml307", "rig://none"), clock)
        causes = []
        for heard in ("21,99", "99,99"):
            Opened.made[0].answers["AT+CEREG?"] = [Answer([b"+CEREG: 2,2\r\n", b"OK\r\n"])]
            Opened.made[0].answers["AT+CSQ"] = [Answer([f"+CSQ: {heard}\r\n".encode(), b"OK\r\n"])]
            Opened.made[0].answers["AT+CESQ"] = [Answer([b"+CESQ: 99,99,255,255,255,255\r\n", b"OK\r\n"])]
            running = asyncio.create_task(modem.run())
            await asyncio.sleep(125)
            causes.append(modem.state.cause)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        return causes

    assert run_virtual(main) == [Cause.NOT_REGISTERED, Cause.NO_NETWORK]


def _sent(model: str) -> str:
    """The datagram that the recording sends in the way of the driver, with release assistance where there is any."""
    with_assistance = {"bc95": "4001E24263", "bc660k": "4001E24162"}
    if model in with_assistance:
        return with_assistance[model]
    return "4001E2400D" if load_modem(model).socket.form == "raw" else "4001E24061"
