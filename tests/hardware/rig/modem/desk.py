"""A desk for tests of the emulators: a modem on a `rig://` port, a platform's UDP socket, and hands to type with."""

import asyncio
import itertools
import re
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

import serial

from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.modem.ported import PortedModem
from hardware.rig.modem.radio_profiles import RadioProfile
from hardware.rig.modem.sim import Sim

Result = TypeVar("Result")
_names = itertools.count()


class Platform(asyncio.DatagramProtocol):
    """A UDP end that notes what comes, when and from where, and answers the last sender when told to."""

    def __init__(self, answers: bool = False) -> None:
        self.answers = answers
        self.received: list[bytes] = []
        self.peers: list[tuple[str, int]] = []
        self.times: list[float] = []
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.received.append(data)
        self.peers.append(address)
        self.times.append(asyncio.get_running_loop().time())
        if self.answers:
            self.transport.sendto(data, address)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port

    def answer(self, data: bytes) -> None:
        self.transport.sendto(data, self.peers[-1])


async def open_platform(answers: bool = False) -> Platform:
    loop = asyncio.get_running_loop()
    _, platform = await loop.create_datagram_endpoint(lambda: Platform(answers), local_addr=("127.0.0.1", 0))
    return platform


class Desk:
    """`heard` is everything that has come from the modem and was not taken yet."""

    def __init__(self, ported: PortedModem, platform: Platform, baud: int | None = None) -> None:
        self.ported = ported
        self.modem = ported.emulator
        self.radio = ported.radio
        self.faults = ported.faults
        self.platform = platform
        self.loop = asyncio.get_running_loop()
        self.heard = bytearray()
        self.said = bytearray()
        self._baud = baud or self.modem.model.baud
        self._line: serial.SerialBase
        self.plug_in()

    def plug_in(self) -> None:
        self._line = serial.serial_for_url(self.ported.path, baudrate=self._baud, timeout=0)
        self.loop.add_reader(self._line.fileno(), self._read)

    def close(self) -> None:
        self.unplug()
        self.ported.close()
        self.platform.transport.close()

    def unplug(self) -> None:
        if self._line.is_open:
            self.loop.remove_reader(self._line.fileno())
            self._line.close()

    def type(self, text: str) -> None:
        """Send a command line."""
        self._line.write(text.encode() + b"\r")

    def write(self, data: bytes) -> None:
        self._line.write(data)

    def take(self) -> list[str]:
        """The lines that have come; what follows the last line end stays."""
        whole, end, rest = bytes(self.heard).rpartition(b"\n")
        self.heard = bytearray(rest)
        return [line for line in re.split(r"[\r\n]+", (whole + end).decode("latin-1")) if line]

    async def until(self, true: Callable[[], object], within_s: float = 60.0) -> bool:
        """Wait until it is true; False when that takes longer."""
        begin_s = self.loop.time()
        while not true():
            waited_s = self.loop.time() - begin_s
            if waited_s > within_s:
                return False
            await asyncio.sleep(0.01 + waited_s / 20)
        return True

    async def ask(self, text: str, within_s: float = 10.0, *, final: str = r"OK|ERROR|\+CME ERROR: ?\d+") -> list[str]:
        """Send a command and return the lines up to the final one, which is the last; all that came without one."""
        self.heard.clear()
        self.type(text)
        ended = re.compile(rb"(?:^|[\r\n])(?:" + final.encode() + rb")\r\n")
        await self.until(lambda: ended.search(self.heard), within_s)
        return self.take()

    async def start(self) -> None:
        """Let the modem boot, with echo off and numeric errors, and wait until it is registered."""
        self.modem.start()
        assert await self.until(lambda: self.modem.state == "on")
        await asyncio.sleep(2)
        for line in ("AT", "AT", "ATE0", "AT+CMEE=1"):
            await asyncio.sleep(0.2)
            await self.ask(line, 1.0)
        await asyncio.sleep(0.2)

    async def registered(self) -> bool:
        """Wait until the modem is registered."""
        firmware = self.modem.firmware
        return firmware is not None and await self.until(lambda: firmware.network.is_registered, 120.0)

    def _read(self) -> None:
        try:
            self.heard += self._line.read(4096)
        except serial.SerialException:
            self.unplug()


def at_a_desk(
    model: str,
    play: Callable[[Desk], Coroutine[Any, Any, Result]],
    *,
    profile: str | RadioProfile = "cat1",
    seed: int = 0,
    sim: Sim | None = None,
    faults: dict[str, float] | None = None,
    baud: int | None = None,
    answers: bool = False,
) -> Result:
    """Play with a modem in virtual time; it has no supply yet."""

    async def main(clock: RigClock) -> Result:
        name = f"desk-{next(_names)}"
        ported = PortedModem(model, profile, url=name, seed=seed, sim=sim, rates=faults, clock=clock)
        desk = Desk(ported, await open_platform(answers), baud)
        try:
            return await play(desk)
        finally:
            desk.close()
            await asyncio.sleep(0)

    return run_virtual(main)
