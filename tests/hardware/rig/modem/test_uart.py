"""The UART between a host and an emulated modem."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import serial

from hardware.rig.clock import RigClock, run_real, run_virtual
from hardware.rig.modem.uart import Uart, UartEnd


class Line:
    """A UART whose two ends note what they hear and when."""

    def __init__(self, baud: int = 9600) -> None:
        self.uart = Uart(baud)
        self.heard: dict[str, bytearray] = {"host": bytearray(), "modem": bytearray()}
        self.times: list[float] = []
        self.host: UartEnd = self.uart.attach("host", self._hear("host"))
        self.modem: UartEnd = self.uart.attach("modem", self._hear("modem"))

    def _hear(self, name: str) -> Callable[[bytes], None]:
        def hear(data: bytes) -> None:
            self.heard[name] += data
            self.times.append(asyncio.get_running_loop().time())

        return hear


def on_a_line(play: Callable[[Line], Awaitable[None]], baud: int = 9600) -> Line:
    async def main(_clock: RigClock) -> Line:
        line = Line(baud)
        await play(line)
        return line

    return run_virtual(main)


def test_both_ends_talk_at_once_at_the_baud_rate() -> None:
    async def play(line: Line) -> None:
        ended = [line.host.send(bytes(960)), line.modem.send(bytes(480))]
        assert ended == [pytest.approx(1.0), pytest.approx(0.5)]
        await asyncio.sleep(0.6)
        assert len(line.heard["host"]) == 480
        assert 500 < len(line.heard["modem"]) < 600
        await asyncio.sleep(0.6)
        assert len(line.heard["modem"]) == 960

    on_a_line(play)


def test_what_is_sent_in_pieces_stays_in_order() -> None:
    async def play(line: Line) -> None:
        for number in range(200):
            line.host.send(bytes([number]) * (number % 7 + 1))
        await asyncio.sleep(2)
        assert line.heard["modem"] == b"".join(bytes([number]) * (number % 7 + 1) for number in range(200))

    on_a_line(play)


def test_another_baud_rate_is_heard_as_garbage_until_it_is_the_same() -> None:
    async def play(line: Line) -> None:
        line.host.configure(115200)
        line.host.send(b"AT\r" * 20)
        await asyncio.sleep(1)
        assert b"AT" not in line.heard["modem"]
        line.heard["modem"].clear()
        line.modem.configure(115200)
        line.host.send(b"AT\r")
        await asyncio.sleep(1)
        assert line.heard["modem"] == b"AT\r"

    on_a_line(play)


def test_an_end_that_falls_silent_stops_in_the_middle() -> None:
    async def play(line: Line) -> None:
        line.modem.send(bytes(960))
        await asyncio.sleep(0.5)
        line.modem.silence()
        line.modem.send(b"again")
        await asyncio.sleep(2)
        assert 400 < len(line.heard["host"]) < 520
        assert line.heard["host"].endswith(b"again")

    on_a_line(play)


def test_a_line_has_two_ends() -> None:
    async def play(line: Line) -> None:
        with pytest.raises(ValueError, match="host and modem"):
            line.uart.attach("third")
        line.host.detach()
        line.modem.send(b"to nobody")
        await asyncio.sleep(1)
        line.uart.attach("third")

    on_a_line(play)


def test_a_tap_sees_what_each_end_sends() -> None:
    async def play(line: Line) -> None:
        seen: list[tuple[str, bytes]] = []
        line.uart.on_sent = lambda end, data: seen.append((end.name, data))
        line.host.send(b"AT\r")
        line.modem.send(b"OK\r\n")
        assert seen == [("host", b"AT\r"), ("modem", b"OK\r\n")]

    on_a_line(play)


def test_a_pty_goes_and_comes_back_under_the_same_name(tmp_path: Path) -> None:
    link = tmp_path / "modem"

    async def main(_clock: RigClock) -> None:
        uart = Uart(115200)
        heard = bytearray()
        modem = uart.attach("modem", heard.extend)
        uart.as_pty(link)
        try:
            for greeting in (b"before", b"after"):
                with serial.Serial(str(link), 115200, timeout=0) as host:
                    host.write(greeting)
                    await wait_until(lambda greeting=greeting: heard == greeting)
                    modem.send(b"ok")
                    await wait_until(lambda host=host: host.in_waiting == 2)
                    uart.unplug()
                    assert not link.exists()
                heard.clear()
                uart.replug()
            assert link.exists()
        finally:
            uart.close()
        assert not link.exists()

    async def wait_until(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not true():
                await asyncio.sleep(0.002)

    run_real(main)
