"""The serial port as a device: a pseudo-terminal, in real time."""

import asyncio
import contextlib
import os
import pty
import tty
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway_agent.modem.cause import Cause
from gateway_agent.modem.errors import PortGoneError
from gateway_agent.modem.port import SerialPort


class Device:
    """A pseudo-terminal below a link that stays the same."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.ours = -1

    def plug(self) -> None:
        self.ours, theirs = pty.openpty()
        tty.setraw(theirs)
        os.set_blocking(self.ours, False)
        self.link.unlink(missing_ok=True)
        self.link.symlink_to(os.ttyname(theirs))
        os.close(theirs)

    def unplug(self) -> None:
        os.close(self.ours)
        self.link.unlink()


def with_port(
    folder: Path, test: Callable[[SerialPort, Device, list[bytes], list[PortGoneError]], Awaitable[None]]
) -> None:
    async def main() -> None:
        device = Device(folder / "modem")
        heard: list[bytes] = []
        gone: list[PortGoneError] = []
        port = SerialPort(str(device.link), heard.append, gone.append)
        try:
            await test(port, device, heard, gone)
        finally:
            port.close()

    asyncio.run(asyncio.wait_for(main(), 20))


async def until(is_so: Callable[[], object]) -> None:
    for _ in range(500):
        if is_so():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not become so")


def test_bytes_go_both_ways_and_a_port_that_is_gone_is_opened_again(tmp_path: Path) -> None:
    async def test(port: SerialPort, device: Device, heard: list[bytes], gone: list[PortGoneError]) -> None:
        with pytest.raises(PortGoneError, match="is missing; plug in the modem") as missing:
            port.open(115200)
        assert missing.value.cause is Cause.PORT_MISSING
        for _ in range(2):
            device.plug()
            port.open(115200)
            assert port.byte_s == pytest.approx(10 / 115200)
            port.write(b"AT\r")
            await asyncio.sleep(0.05)
            assert os.read(device.ours, 10) == b"AT\r"
            os.write(device.ours, b"OK\r\n")
            await until(lambda: b"".join(heard) == b"OK\r\n")
            device.unplug()
            await until(lambda: gone)
            assert not port.is_open
            heard.clear()
            gone.clear()
            with pytest.raises(PortGoneError):
                port.write(b"AT\r")

    with_port(tmp_path, test)


def test_a_port_that_somebody_holds_is_said_so(tmp_path: Path) -> None:
    async def test(port: SerialPort, device: Device, heard: list[bytes], gone: list[PortGoneError]) -> None:
        device.plug()
        other = SerialPort(str(device.link), heard.append, gone.append)
        other.open(115200)
        with pytest.raises(PortGoneError, match="held by another program") as held:
            port.open(115200)
        assert held.value.cause is Cause.PORT_HELD
        other.close()
        port.open(115200)

    with_port(tmp_path, test)


def test_a_line_that_takes_nothing_is_given_up(tmp_path: Path) -> None:
    async def test(port: SerialPort, device: Device, heard: list[bytes], gone: list[PortGoneError]) -> None:
        device.plug()
        port.open(115200)
        for _ in range(200):
            if port.is_open:
                with contextlib.suppress(PortGoneError):
                    port.write(bytes(1000))
            await asyncio.sleep(0)
        assert not port.is_open
        assert gone[0].cause is Cause.PORT_DEAD

    with_port(tmp_path, test)


@pytest.mark.parametrize("url", ["loop://", "nothing://x", "spy"])
def test_what_cannot_be_waited_on_is_refused_with_the_mend(url: str) -> None:
    async def main() -> None:
        port = SerialPort(url, lambda data: None, lambda problem: None)
        with pytest.raises(PortGoneError) as caught:
            port.open(115200)
        assert url in str(caught.value)
        assert not port.is_open

    asyncio.run(main())


@pytest.mark.parametrize("url", ["nothing://x", ""])
def test_what_is_no_serial_port_is_told_so(url: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    async def main() -> None:
        port = SerialPort(url or str(tmp_path / "file"), lambda data: None, lambda problem: None)
        with pytest.raises(PortGoneError, match=r"is no serial port .* name one such as /dev/gatepost-modem") as caught:
            port.open(115200)
        assert caught.value.cause is Cause.PORT_MISSING

    asyncio.run(main())
