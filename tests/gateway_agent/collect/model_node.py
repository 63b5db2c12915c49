"""A model of a node on a software bus: registers that a test sets, and what was written to them."""

import asyncio
import struct
from collections.abc import Callable, Iterable, Sequence

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.node import NodeReader
from gateway_agent.collect.node_slots import NodePoint
from gateway_agent.collect.owner import BusOwner
from gateway_agent.config import BusConfig, NodeConfig
from gateway_agent.journal import EventStored
from gateway_agent.records import Event, Reading
from hardware.rig import modbus_side
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock
from hardware.rig.serial_url import SerialPort
from protocols import lamp_codes, modbus, node_map, quality

DIGEST = 0x1234ABCD
UNIT = 17
POINTS = [
    NodePoint("air/temperature", "air", -1, "Cel", 2_000),
    NodePoint("air/humidity", "air", -1, "%RH", 2_000),
    NodePoint("cover/open", "cover", 0, "bool", 2_000),
]


class ModelNode:
    """Answers as a node does; `events`, `samples` and `log` are the test's to change. `is_mute` makes it silent.

    An entry of `log` is (number, start, seconds, code, value).
    """

    def __init__(self, bus: Bus, clock: RigClock) -> None:
        self.is_mute = False
        self.magic = node_map.IDENTITY_MAGIC_VALUE
        self.version = node_map.IDENTITY_MAP_VERSION_VALUE
        self.digest = DIGEST
        self.epoch = 5
        self.epochs_ago = 0
        self.clock_off_ms: int | None = None
        self.samples: list[tuple[int, int, int, int]] = [(0, quality.NEVER, 0, 0)] * len(POINTS)
        self.events: list[tuple[int, int, int, int]] = []
        self.log: list[tuple[int, int, int, int, int]] = []
        self.log_reads = 0
        self.acknowledged: list[tuple[int, int]] = []
        self.commands: list[tuple[int, ...]] = []
        self.manhole_commands: list[tuple[int, ...]] = []
        self.lamp_state = [0, lamp_codes.NONE, 0, 100, 100, 254]
        self.on_command: Callable[[tuple[int, ...]], None] = self._confirm
        self.written: list[int] = []
        self._clock = clock
        self._born_ms = clock.unix_ms()
        self._drop = bus.attach("node", frame=self._heard)

    def restart(self) -> None:
        """Begin a new epoch: counters and clock are gone, one event tells of the start."""
        self.epoch += 1
        self.clock_off_ms = None
        self._born_ms = self._clock.unix_ms()
        self.events = [(1, 1, 0xFFFF, 1)]

    def sample(self, slot: int, value: int, counter: int) -> None:
        """Let a slot hold a good sample that was taken now."""
        self.samples[slot] = (value, quality.GOOD, counter, self._clock.unix_ms())

    def _heard(self, frame: bytes) -> None:
        taken = modbus_side.unpack(frame)
        if taken is None or taken[0] != UNIT or self.is_mute:
            return
        self._drop.send(modbus_side.pack(UNIT, self._answer(taken[1])))

    def _answer(self, pdu: bytes) -> bytes:
        if pdu[0] in (3, 4):
            address, count = modbus_side.read_span(pdu) or (0, 1)
            for first, registers in self._blocks():
                if first <= address and address + count <= first + len(registers):
                    wanted = registers[address - first : address - first + count]
                    return bytes([pdu[0], 2 * count]) + b"".join(value.to_bytes(2, "big") for value in wanted)
            return modbus_side.exception(pdu[0], modbus_side.ILLEGAL_ADDRESS)
        if pdu[0] == modbus.READ_FILE_RECORD:
            return self._read_log(*struct.unpack(">HHH", pdu[3:9]))
        write = modbus_side.write_of(pdu)
        if write is None or not self._take(write.address, write.values):
            return modbus_side.exception(pdu[0], modbus_side.ILLEGAL_VALUE)
        return modbus_side.write_answer(write)

    def _read_log(self, file: int, record: int, count: int) -> bytes:
        self.log_reads += 1
        newest = self.log[-1][0] if self.log else 0
        content = struct.pack(">IHH", newest, len(self.log), 14)
        for number, *rest in self.log:
            content += struct.pack(">HHIHi", number & 0xFFFF, *rest)
        data = content[2 * record : 2 * (record + count)]
        if file != 60003 or len(data) != 2 * count:
            return modbus_side.exception(modbus.READ_FILE_RECORD, modbus_side.ILLEGAL_ADDRESS)
        return bytes((modbus.READ_FILE_RECORD, 2 + len(data), 1 + len(data), 6)) + data

    def _take(self, address: int, values: Sequence[int]) -> bool:
        if address == node_map.TIME and len(values) == 3:
            told_ms = (values[0] << 16 | values[1]) * 1000 + values[2]
            self.clock_off_ms = told_ms - self._clock.unix_ms()
            self.written.append(self.clock_off_ms)
            return True
        if address == node_map.EVENT_ACKNOWLEDGEMENT and len(values) >= 4:
            epoch, sequence = values[0] << 16 | values[1], values[2] << 16 | values[3]
            if epoch != self.epoch - self.epochs_ago:
                return False
            self.epochs_ago = 0
            self.acknowledged.append((epoch, sequence))
            self.events = [event for event in self.events if event[0] > sequence]
            return True
        if address == node_map.MANHOLE_COMMAND and len(values) == 2 and values[1] == 0:
            self.manhole_commands.append(tuple(values))
            return True
        if address == node_map.LAMP_COMMAND and len(values) == 8:
            self.commands.append(tuple(values))
            self.on_command(tuple(values))
            return True
        return False

    def _confirm(self, command: tuple[int, ...]) -> None:
        self.lamp_state = [command[0], lamp_codes.CONFIRMED, 0, command[1], command[1], 200]

    def _blocks(self) -> list[tuple[int, list[int]]]:
        now_ms = self._clock.unix_ms()
        up_ms = now_ms - self._born_ms
        wall_ms = up_ms if self.clock_off_ms is None else now_ms + self.clock_off_ms
        health = [0] * node_map.HEALTH_REGISTERS
        health[1], health[2] = up_ms // 1000, 1
        health[node_map.HEALTH_TIME_STATE - node_map.HEALTH] = int(self.clock_off_ms is not None)
        at = node_map.HEALTH_UNIX_S - node_map.HEALTH
        health[at : at + 3] = [*_u32(wall_ms // 1000), wall_ms % 1000]
        identity = [self.magic, self.version, 1, 0, *_u32(self.digest), len(POINTS), 2, *_u32(self.epoch), 1, 64]
        sequences = [event[0] for event in self.events]
        window = self.events[: node_map.EVENT_COUNT]
        events = [
            *_u32(min(sequences, default=0)),
            *_u32(max(sequences, default=0)),
            0,
            0,
            len(window),
            self.epochs_ago,
        ]
        for sequence, code, slot, value in window:
            time_state = int(self.clock_off_ms is not None)
            events += [*_u32(sequence), code, slot, *_u32(value), *_u32(wall_ms // 1000), wall_ms % 1000, time_state]
        events += [0] * (node_map.EVENTS_REGISTERS - len(events))
        slots: list[int] = []
        for value, number, counter, taken_ms in self.samples:
            age = 0xFFFF if number == quality.NEVER else min((now_ms - taken_ms) // 10, 0xFFFE)
            slots += [*_u32(value & 0xFFFFFFFF), number << 8 | counter, age]
        return [
            (node_map.IDENTITY, identity),
            (node_map.HEALTH, health),
            (node_map.BOOT_LOG_NEWEST, [*_u32(self.log[-1][0] if self.log else 0)]),
            (node_map.LAMP_STATE, self.lamp_state),
            (node_map.EVENTS, events),
            (node_map.SLOTS, slots),
        ]


class Sink:
    """Keeps what the collector hands on; `unsafe` makes the journal keep it in memory alone."""

    def __init__(self) -> None:
        self.samples: list[Reading] = []
        self.polls: list[str] = []
        self.noticed_events: list[Event] = []
        self.node_events: list[Event] = []
        self.forgotten_alarms: list[tuple[str, str]] = []
        self.unsafe = False

    def polled(self, device: str, samples: Sequence[Reading]) -> None:
        self.polls.append(device)
        self.samples.extend(samples)

    def noticed(self, event: Event) -> None:
        self.noticed_events.append(event)

    async def happened(self, event: Event) -> EventStored:
        is_new = event.origin not in [known.origin for known in self.node_events]
        if is_new:
            self.node_events.append(event)
        return EventStored(is_new, is_safe=not self.unsafe)

    async def forgotten(self, alarms: Iterable[tuple[str, str]], time_ms: int) -> None:
        assert self.node_events[-1].time_ms == time_ms
        self.forgotten_alarms.extend(alarms)


class NodeBench:
    """A model node, and a reader that reads it every two seconds."""

    def __init__(self, clock: RigClock) -> None:
        self.clock = clock
        self.bus = Bus("pole", 19200)
        self.port = SerialPort("node-bench", self.bus)
        self.node = ModelNode(self.bus, clock)
        self.sink = Sink()
        self.latest = LatestValues()
        config = BusConfig(name="pole", port=self.port.path, baud=19200)
        self.owner = BusOwner(config, SerialLine(config, clock, AutoDirection()))
        node = NodeConfig(name="lamp_node", bus="pole", unit=UNIT, every_s=2)
        self.reader = NodeReader(node, DIGEST, POINTS, "lamp", self.owner, clock, self.latest, self.sink)
        loop = asyncio.get_running_loop()
        self.tasks = [loop.create_task(self.owner.run()), loop.create_task(self.reader.run())]

    async def close(self) -> None:
        """End the tasks and leave the bus."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.port.close()


def _u32(value: int) -> list[int]:
    return [value >> 16 & 0xFFFF, value & 0xFFFF]
