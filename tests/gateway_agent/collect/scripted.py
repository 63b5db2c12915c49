"""A unit on a software bus that does exactly what a test tells it to, and a link that asks it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Answer, NoAnswerError, Read
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig
from hardware.rig.bus import Bus, Drop
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.serial_url import SerialPort
from protocols.crc import crc16

TIMEOUT_MS = 100


def framed(*body: int) -> bytes:
    """A frame with its CRC."""
    data = bytes(body)
    return data + crc16(data, 0, len(data)).to_bytes(2, "little")


def value_at(address: int) -> int:
    """What the register at an address holds, different for each address."""
    return (address * 257 + 11) & 0xFFFF


def good_answer(request: bytes) -> bytes:
    """The right answer to a read request."""
    address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    body = bytearray((request[0], request[1], 2 * count))
    for offset in range(count):
        body += value_at(address + offset).to_bytes(2, "big")
    return framed(*body)


Reply = Callable[[bytes], Sequence[tuple[float, bytes]]]


class ScriptedUnit:
    """Answers each request frame with what `reply(request)` gives: (seconds after the request, bytes) pairs."""

    def __init__(self, bus: Bus, reply: Reply) -> None:
        self.reply = reply
        self.requests: list[bytes] = []
        self.drop: Drop = bus.attach("scripted", frame=self._on_frame)
        self._loop = asyncio.get_running_loop()

    def _on_frame(self, request: bytes) -> None:
        if len(request) != 8 or request != framed(*request[:-2]):
            return
        self.requests.append(request)
        for delay_s, data in self.reply(request):
            self._loop.call_later(delay_s, self.drop.send, data)


class Bench:
    """A bus with a scripted unit, and an owner with a link that reads from it."""

    def __init__(self, clock: RigClock, reply: Reply, *, baud: int = 9600, unit: int = 1, retries: int = 0) -> None:
        self.clock = clock
        self.rig_bus = Bus("bench", baud)
        self.port = SerialPort("bench", self.rig_bus)
        self.unit = ScriptedUnit(self.rig_bus, reply)
        self.config = BusConfig(name="bench", port=self.port.path, baud=baud, latency_ms=0)
        self.line = SerialLine(self.config, clock, AutoDirection())
        self.owner = BusOwner(self.config, self.line)
        self.link = UnitLink(self.owner, unit, self.config.line, Timing(TIMEOUT_MS, 0, retries), {4})
        self.unit_id = unit
        self.task = asyncio.get_running_loop().create_task(self.owner.run())

    async def read(self, address: int = 0, count: int = 4) -> Answer:
        """One read through all the layers under test."""
        await asyncio.sleep(0.01)
        return await self.link.read(Read(self.unit_id, 3, address, count), Urgency.POLL)

    async def close(self) -> None:
        """End the owner and leave the bus."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        self.port.close()


def on_bench(reply: Reply, body: Callable[[Bench], Awaitable[None]], **settings: int) -> None:
    """Run `body` with a bench in virtual time."""

    async def main(clock: RigClock) -> None:
        bench = Bench(clock, reply, **settings)
        try:
            await body(bench)
        finally:
            await bench.close()

    run_virtual(main)


class Tally:
    """Right, wrong and no readings of a case, as RELIABILITY.md counts them."""

    def __init__(self) -> None:
        self.right = self.wrong = self.none = 0
        self.faults: dict[str, int] = {}

    async def count(self, bench: Bench, tries: int, count: int = 4) -> None:
        """Read another address each time and compare with what the registers hold."""
        for number in range(tries):
            address = 10 * (number % 50)
            try:
                answer = await bench.read(address, count)
            except NoAnswerError as error:
                self.none += 1
                self.faults[error.fault.name] = self.faults.get(error.fault.name, 0) + 1
                continue
            wanted = tuple(value_at(address + offset) for offset in range(count))
            if answer.registers == wanted:
                self.right += 1
            else:
                self.wrong += 1


def tally(reply: Reply, tries: int, **settings: int) -> Tally:
    """Run one case and return its counts."""
    counted = Tally()

    async def body(bench: Bench) -> None:
        await counted.count(bench, tries)

    on_bench(reply, body, **settings)
    return counted
