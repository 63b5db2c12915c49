"""A node on the workbench: the real firmware in the machine, two software buses, a master and scripted devices."""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.machine import NodeMachine, Nvs, build_flash
from hardware.rig.modbus_side import pack, unpack
from protocols import factory_record, node_map, quality
from protocols.node_table_writer import NodeTableWriter

NODE = 17
SENSOR_UART, POLE_UART = 1, 2
START_UNIX_S = 1_781_740_800


class RefusedError(Exception):
    """The node answered with a Modbus exception; `code` is its number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Device:
    """A scripted device: holding registers under one unit id, and how it answers."""

    def __init__(self, bus: Bus, unit: int, registers: dict[int, int], delay_s: float = 0.01) -> None:
        self.unit = unit
        self.registers = registers
        self.delay_s = delay_s
        self.asked: list[tuple[float, bytes]] = []
        self.is_mute = False
        self.spoil: Callable[[bytes], bytes] = lambda frame: frame
        self.drop = bus.attach(f"device{unit}", frame=self._heard)

    def _heard(self, frame: bytes) -> None:
        request = unpack(frame)
        if request is None or request[0] != self.unit:
            return
        self.asked.append((asyncio.get_running_loop().time(), request[1]))
        if not self.is_mute:
            self.drop.send(self.spoil(pack(self.unit, self._answer(request[1]))), self.delay_s)

    def _answer(self, pdu: bytes) -> bytes:
        function, address, count = struct.unpack(">BHH", pdu[:5])
        if function == 6:
            self.registers[address] = count
            return pdu
        if function == 16:
            self.registers[address] = struct.unpack(">H", pdu[6:8])[0]
            return pdu[:5]
        try:
            values = [self.registers[address + index] for index in range(count)]
        except KeyError:
            return bytes([function | 0x80, 2])
        return bytes([function, 2 * count]) + struct.pack(f">{count}H", *values)


class Slot:
    """One slot as the node shows it."""

    def __init__(self, registers: list[int]) -> None:
        value = registers[0] << 16 | registers[1]
        self.value = value - (1 << 32) if value >> 31 else value
        self.quality = registers[2] >> 8
        self.counter = registers[2] & 0xFF
        self.age_10ms = registers[3]

    def __repr__(self) -> str:
        return f"Slot({self.value}, {quality.NAMES[self.quality]}, #{self.counter}, {self.age_10ms})"


class Event:
    """One event as the node shows it."""

    def __init__(self, registers: list[int]) -> None:
        body = struct.pack(">10H", *registers)
        self.sequence, self.code, self.slot, self.value, self.unix_s, self.unix_ms, self.time_state = struct.unpack(
            ">IHHiIHH", body
        )

    def __repr__(self) -> str:
        return f"Event({self.sequence}, code {self.code}, slot {self.slot}, value {self.value}, {self.unix_s})"


class Master:
    """The gateway's place on the pole bus, without a library: it sends a frame and collects what comes back."""

    def __init__(self, bus: Bus) -> None:
        self.unit = NODE
        self._heard = bytearray()
        self._loop = asyncio.get_running_loop()
        self._last_s = 0.0
        self.drop = bus.attach("master", self._receive)

    def _receive(self, data: bytes) -> None:
        self._heard += data
        self._last_s = self._loop.time()

    async def say(self, frame: bytes, timeout_s: float = 0.3) -> bytes:
        """Send any bytes; what is heard until the line has been quiet for a while."""
        self._heard.clear()
        sent_s = self.drop.send(frame)
        deadline = sent_s + timeout_s
        while self._loop.time() < deadline:
            await asyncio.sleep(0.005)
            if self._heard and self._loop.time() - self._last_s > 0.02:
                break
        return bytes(self._heard)

    async def ask(self, pdu: bytes, unit: int | None = None) -> bytes:
        """The answer's PDU. Raises RefusedError for an exception, TimeoutError for no answer or a damaged one."""
        answer = unpack(await self.say(pack(self.unit if unit is None else unit, pdu)))
        if answer is None:
            raise TimeoutError
        if answer[1][0] & 0x80:
            raise RefusedError(answer[1][1])
        return answer[1]

    async def read(self, address: int, count: int, function: int = 3) -> list[int]:
        """`count` registers from `address` on."""
        answer = await self.ask(struct.pack(">BHH", function, address, count))
        return list(struct.unpack(f">{count}H", answer[2:]))

    async def write(self, address: int, *registers: int) -> None:
        """Write registers with function 16."""
        count = len(registers)
        await self.ask(struct.pack(f">BHHB{count}H", 16, address, count, 2 * count, *registers))

    async def slot(self, number: int) -> Slot:
        """One slot, now."""
        return Slot(await self.read(node_map.SLOTS + 4 * number, 4))

    async def events(self) -> list[Event]:
        """The events in the window, now."""
        block = await self.read(node_map.EVENTS, node_map.EVENTS_REGISTERS)
        return [Event(block[8 + 10 * index : 18 + 10 * index]) for index in range(block[6])]

    async def health(self, register: int) -> int:
        """A u32 of the health block, now."""
        high, low = await self.read(register, 2)
        return high << 16 | low

    async def set_time(self, unix_ms: int) -> None:
        """Tell the node the time that it is when the request ends."""
        unix_ms += 9  # the request's own bytes at 19200 baud
        await self.write(node_map.TIME, unix_ms // 1000 >> 16, unix_ms // 1000 & 0xFFFF, unix_ms % 1000)

    async def acknowledge(self, epoch: int, sequence: int) -> None:
        """Let the node forget its events up to `sequence`."""
        await self.write(node_map.EVENT_ACKNOWLEDGEMENT, epoch >> 16, epoch & 0xFFFF, sequence >> 16, sequence & 0xFFFF)


class Workbench:
    """A node with power off: `sensors` and `pole` are its buses, `power_on` starts it."""

    def __init__(self, clock: RigClock, machine: NodeMachine, baud: int) -> None:
        self.clock = clock
        self.machine = machine
        self.sensors = Bus("sensors", baud)
        self.pole = Bus("pole", 19200)
        self.master = Master(self.pole)
        machine.connect_uart(SENSOR_UART, self.sensors)
        self.pole_drop = machine.connect_uart(POLE_UART, self.pole)

    async def power_on(self) -> None:
        """Start the node and give it a moment to settle."""
        await self.machine.power_on()
        await asyncio.sleep(0.5)

    def complaints(self) -> list[str]:
        """What the node has printed beside the line with which it starts."""
        return [line for line in self.machine.printed if not line.startswith("gatepost node starts from ")]

    async def epoch(self) -> int:
        """The node's epoch."""
        return await self.master.health(node_map.IDENTITY_NODE_EPOCH)


def on_bench(
    folder: Path,
    table: bytes,
    body: Callable[[Workbench], Awaitable[None]],
    *,
    baud: int = 9600,
    heap: int = 0,
    programs: Iterable[str] = (),
    nvs: Nvs | None = None,
) -> None:
    """Lay out a flash in `folder` and run `body` in virtual time; a crash of the firmware fails the test.

    `programs` are those that `body` will write over main.py: they find what they name in the firmware. `nvs` holds the
    node's identity, as `identity` makes it.
    """
    build_flash(folder, table, beside=programs)

    async def main(clock: RigClock) -> None:
        machine = await NodeMachine.start(
            "node", folder, clock=clock, nvs=nvs or {}, **({"heap_bytes": heap} if heap else {})
        )
        bench = Workbench(clock, machine, baud)
        try:
            await body(bench)
        finally:
            await machine.stop()
        assert bench.complaints() == []

    run_virtual(main, start_unix_ms=START_UNIX_S * 1000)


def identity(fields: dict[int, bytes]) -> Nvs:
    """What a node's NVS holds with these fields of protocols/factory_record.py."""
    return nvs_of(factory_record.pack(fields))


def nvs_of(record: bytes) -> Nvs:
    """The same for a record that may be damaged."""
    return {(factory_record.NVS_NAMESPACE, factory_record.NVS_KEY): record}


def table_of(*devices: "tuple[int, int]", period_ms: int = 1000, retries: int = 1, timeout_ms: int = 200) -> bytes:
    """A table of one-request devices: (unit id, count of u16 registers from address 0), one slot a register."""
    writer = NodeTableWriter(9600, node_unit=NODE)
    for unit, count in devices:
        writer.add_device(period_ms, unit, timeout_ms, 5, retries)
        writer.add_request(unit, 3, 0, count)
        for register in range(count):
            writer.add_point("u16", 0, 0, 65535, register=register)
    return writer.table()
