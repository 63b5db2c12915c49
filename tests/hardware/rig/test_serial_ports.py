"""The two ways in which a program opens a software bus as a serial port: a pty, and a `rig://` URL."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import serial

from hardware.rig.bus import Bus, Drop
from hardware.rig.clock import RigClock, run_real, run_virtual
from hardware.rig.pty_drop import PtyDrop
from hardware.rig.serial_url import SerialPort

Port = PtyDrop | SerialPort


class Far:
    """A drop at the far end of the bus that gathers what it hears."""

    def __init__(self, bus: Bus) -> None:
        self.heard = bytearray()
        self.drop: Drop = bus.attach("far", self.heard.extend)


async def until(true: Callable[[], bool]) -> None:
    """Give other tasks their turn until it is true, one loop step at a time."""
    loop = asyncio.get_running_loop()
    happened = asyncio.Event()

    def look() -> None:
        if true():
            happened.set()
        else:
            loop.call_later(0.001, look)

    look()
    await asyncio.wait_for(happened.wait(), 10)


def at_a_port(kind: str, tmp_path: Path, play: Callable[[Bus, Far, Port], Awaitable[None]]) -> None:
    async def main(_clock: RigClock) -> None:
        bus = Bus("pole", baud=19200)
        port: Port
        port = PtyDrop(bus, tmp_path / "by-id" / "usb-rig") if kind == "pty" else SerialPort("pole", bus)
        try:
            await play(bus, Far(bus), port)
        finally:
            port.close()

    if kind == "pty":
        run_real(main)
    else:
        run_virtual(main)


def opened(port: Port, **settings: int | str) -> serial.SerialBase:
    result: serial.SerialBase = serial.serial_for_url(str(port.path), exclusive=True, timeout=0, **settings)
    return result


both_kinds = pytest.mark.parametrize("kind", ["pty", "rig"])


@both_kinds
def test_what_is_written_goes_on_the_bus_and_back(kind: str, tmp_path: Path) -> None:
    async def play(_bus: Bus, far: Far, port: Port) -> None:
        line = opened(port, baudrate=19200)
        line.write(b"\x00\x11\x13\x0a\x0d\xff")
        await until(lambda: len(far.heard) == 6)
        assert far.heard == b"\x00\x11\x13\x0a\x0d\xff"
        far.drop.send(b"\x03\x04\x1a\x0d")
        await until(lambda: line.in_waiting == 4)
        assert line.read(100) == b"\x03\x04\x1a\x0d"
        assert line.read(100) == b""
        line.close()

    at_a_port(kind, tmp_path, play)


@both_kinds
def test_another_baud_rate_is_heard_as_garbage(kind: str, tmp_path: Path) -> None:
    async def play(_bus: Bus, far: Far, port: Port) -> None:
        line = opened(port, baudrate=9600)
        line.write(b"hello, hello")
        await until(lambda: len(far.heard) > 0)
        assert b"hello" not in far.heard
        line.close()
        assert port.drop.settings.baud == 9600

    at_a_port(kind, tmp_path, play)


@both_kinds
def test_a_port_that_is_taken_or_missing_is_refused_with_its_reason(kind: str, tmp_path: Path) -> None:
    async def play(_bus: Bus, _far: Far, port: Port) -> None:
        line = opened(port)
        with pytest.raises(serial.SerialException, match="exclusively lock") as busy:
            opened(port)
        assert busy.value.errno == errno.EAGAIN
        line.close()
        port.unplug()
        with pytest.raises(serial.SerialException, match="could not open port") as missing:
            opened(port)
        assert missing.value.errno == errno.ENOENT
        port.replug()
        opened(port).close()

    at_a_port(kind, tmp_path, play)


@both_kinds
def test_whoever_has_the_port_open_notices_that_it_is_unplugged(kind: str, tmp_path: Path) -> None:
    async def play(_bus: Bus, _far: Far, port: Port) -> None:
        line = opened(port)
        port.unplug()
        with pytest.raises(serial.SerialException):
            line.read(1)
        line.close()

    at_a_port(kind, tmp_path, play)


@both_kinds
def test_closing_and_opening_again_goes_on(kind: str, tmp_path: Path) -> None:
    async def play(_bus: Bus, far: Far, port: Port) -> None:
        for turn in range(3):
            line = opened(port, baudrate=19200)
            far.heard.clear()
            line.write(bytes([turn, turn]))
            await until(lambda: len(far.heard) == 2)
            assert far.heard == bytes([turn, turn])
            line.close()
            far.drop.send(b"nobody reads this")
            await asyncio.sleep(0.02)
        line = opened(port, baudrate=19200)
        assert line.read(100) == b""
        line.close()

    at_a_port(kind, tmp_path, play)


def test_a_rig_port_takes_parity_and_stop_bits(tmp_path: Path) -> None:
    async def play(_bus: Bus, _far: Far, port: Port) -> None:
        line = opened(port, baudrate=2400, parity="E", stopbits=2)
        settings = port.drop.settings
        assert (settings.baud, settings.parity, settings.stop_bits) == (2400, "E", 2)
        line.baudrate = 4800
        assert port.drop.settings.baud == 4800
        line.close()

    at_a_port("rig", tmp_path, play)


def test_a_rig_port_gives_its_bytes_at_the_byte_times_of_the_bus(tmp_path: Path) -> None:
    async def play(_bus: Bus, far: Far, port: Port) -> None:
        loop = asyncio.get_running_loop()
        line = opened(port, baudrate=19200)
        arrived: list[tuple[float, bytes]] = []
        loop.add_reader(line.fileno(), lambda: arrived.append((loop.time(), line.read(100))))
        start = loop.time()
        far.drop.send(bytes(40))
        await asyncio.sleep(1)
        loop.remove_reader(line.fileno())
        line.close()
        assert [len(data) for _, data in arrived] == [16, 16, 8]
        assert [at - start for at, _ in arrived] == pytest.approx([n * 10 / 19200 for n in (16, 32, 40)], abs=1e-6)

    at_a_port("rig", tmp_path, play)


def test_two_rig_ports_have_two_names() -> None:
    async def main(_clock: RigClock) -> None:
        bus = Bus("pole")
        port = SerialPort("one", bus)
        with pytest.raises(ValueError, match="rig://one already"):
            SerialPort("one", bus)
        port.close()
        SerialPort("one", bus).close()

    run_virtual(main)


def test_a_pty_leaves_nothing_behind(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        port = PtyDrop(Bus("pole"), tmp_path / "usb-rig")
        assert (tmp_path / "usb-rig").exists()
        port.close()
        port.close()

    run_real(main)
    assert list(tmp_path.iterdir()) == []
