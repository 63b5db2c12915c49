"""A driver, an emulated modem and a platform that answers everything, in virtual time."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway_agent.modem.dialect import LinkSettings, load_modem
from gateway_agent.modem.errors import ModemError
from gateway_agent.modem.hooks import Hook, Hooks
from gateway_agent.modem.modem import Modem
from gateway_agent.modem.settings import ModemSettings, ModemState
from gateway_agent.modem.sockets import ModemLink
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.radio_profiles import PROFILES, RadioProfile, Weather
from hardware.rig.modem.sim import Sim
from hardware.rig.modem.uart import Uart

ANSWER_S = 15.0
LOSSLESS = replace(PROFILES["cat1"], name="lossless", fair=Weather(0.0, (0.03, 0.1)))


class Echo(asyncio.DatagramProtocol):
    """Answers each datagram with its bytes in the other order (`answer_to`)."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.got.append(data)
        self.transport.sendto(answer_to(data), address)


class ModemBench:
    """What a test has: the driver (`modem`), the emulated modem (`module`), the platform and its port."""

    def __init__(self, modem: Modem, module: Emulator, uart: Uart, echo: Echo, states: list[ModemState]) -> None:
        self.modem = modem
        self.module = module
        self.uart = uart
        self.echo = echo
        self.port = echo.transport.get_extra_info("sockname")[1]
        self.states = states
        self.answers: list[bytes] = []
        self.lost: list[Exception] = []
        self.running: asyncio.Task[None] | None = None

    async def until(self, is_so: Callable[[], bool], within_s: float = 600.0) -> float:
        """Wait until something is so, and return how long it took; AssertionError when it does not become so."""
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        while not is_so():
            assert loop.time() - started_s < within_s, [(one.name, one.reason) for one in self.states]
            await asyncio.sleep(0.25)
        return loop.time() - started_s

    async def online(self, within_s: float = 600.0) -> float:
        return await self.until(lambda: self.modem.is_online, within_s)

    async def link(self) -> ModemLink:
        return await self.modem.open("127.0.0.1", self.port, self.answers.append, self.lost.append)

    async def talk(self, number: int, link: ModemLink | None = None) -> ModemLink | None:
        """One exchange as the uplink has it: a link where there is none, a datagram, an answer or none."""
        if link is None:
            try:
                link = await self.link()
            except ModemError:
                await asyncio.sleep(5)
                return None
        heard, lost = len(self.answers), len(self.lost)
        link.send(datagram(number), answer_expected=True)
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + ANSWER_S
        while loop.time() < limit_s and len(self.answers) == heard and len(self.lost) == lost:
            await asyncio.sleep(0.1)
        if len(self.lost) > lost:
            return None
        if len(self.answers) > heard:
            self.modem.note_answered()
            return link
        self.modem.note_unanswered()
        link.close()
        return None

    async def talk_until_answered(self, within_s: float = 1500.0) -> float:
        """Talk as the uplink does until a new answer has come, and return how long it took."""
        loop = asyncio.get_running_loop()
        started_s, heard, number, link = loop.time(), len(self.answers), 5000, None
        while len(self.answers) == heard:
            assert loop.time() - started_s < within_s, [(one.name, one.reason) for one in self.states[-8:]]
            number += 1
            link = await self.talk(number, link)
        if link is not None:
            link.close()
        return loop.time() - started_s


def answer_to(data: bytes) -> bytes:
    """What the platform answers."""
    return data[::-1]


def datagram(number: int, length: int = 60) -> bytes:
    """A datagram that looks like CoAP and is like no other."""
    return b"\x44\x01" + random.Random(number).randbytes(length - 2)


def _hook(action: Callable[[], None]) -> Hook:
    async def run() -> None:
        action()

    return run


@asynccontextmanager
async def bench(
    model: str,
    clock: RigClock,
    *,
    radio: str | RadioProfile = LOSSLESS,
    sim: Sim | None = None,
    wired: bool = True,
    **settings: Any,
) -> AsyncIterator[ModemBench]:
    """A bench for the time of a `with`. `settings` are those of ModemSettings and `state_file`."""
    loop = asyncio.get_running_loop()
    _, echo = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    uart = Uart(baud=load_modem(model).serial.bauds[0])
    uart.as_url("modem")
    module = Emulator(model, uart, Radio(radio, seed=1), sim=sim, clock=clock)
    hooks = Hooks(
        _hook(module.power_key), _hook(lambda: module.supply(False)), _hook(lambda: module.supply(True)), None
    )
    state_file: Path | None = settings.pop("state_file", None)
    states: list[ModemState] = []
    told = {"link": LinkSettings(apn="cmnbiot"), "hooks": hooks, **settings}
    modem = Modem(
        ModemSettings(model, "rig://modem", **told),
        clock,
        state_file=state_file,
        on_change=states.append,
        random=random.Random(1),
    )
    made = ModemBench(modem, module, uart, echo, states)
    module.start()
    made.running = asyncio.create_task(modem.run())
    try:
        yield made
        assert not made.running.done(), made.running
    finally:
        made.running.cancel()
        await asyncio.gather(made.running, return_exceptions=True)
        module.stop()
        module.radio.close()
        uart.close()
        echo.transport.close()


def on_bench(model: str, test: Callable[[ModemBench], Awaitable[None]], **settings: Any) -> None:
    """Run a test on a bench in virtual time."""

    async def main(clock: RigClock) -> None:
        async with bench(model, clock, **settings) as made:
            await test(made)

    run_virtual(main)
