"""All buses of a pole at work: one owner per port, one reader per node, one poller per device."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from gateway_agent.clock import Clock
from gateway_agent.collect.device import DevicePoller
from gateway_agent.collect.direction import direction_for
from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.line import Line, SerialLine
from gateway_agent.collect.node import NodeReader
from gateway_agent.collect.node_slots import NodePoint
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.sink import Sink
from gateway_agent.config import BusConfig, NodeConfig, PoleConfig, ProfileShelf, devices_of
from gateway_agent.lighting.schedule import DailySchedule, lamp_of
from gateway_agent.node_keys import WriteSeal, read_key
from gateway_agent.provision import digest, node_table, slots
from gateway_agent.records import Event, LampOutcome

_LOAD_OVER_S = 10.0

MakeLine = Callable[[BusConfig, Clock], Line]


def serial_line(bus: BusConfig, clock: Clock) -> Line:
    """The line of a bus on its serial port."""
    return SerialLine(bus, clock, direction_for(bus))


@dataclass(frozen=True, slots=True)
class BusState:
    """A bus for the view: the share of time in which bytes were on it (of the last ten seconds), what is wrong with
    its port or None, and its counters by name."""

    name: str
    port: str
    load: float
    problem: str | None
    counters: Mapping[str, int | float]


class Collector:
    """Collects a pole's samples and events and hands them to `sink`. `latest` holds the newest value of every point.

    Raises ProvisionError when a node's table cannot be made, KeyFileError when a key cannot be read.
    """

    def __init__(self, pole: PoleConfig, clock: Clock, sink: Sink, make_line: MakeLine = serial_line) -> None:
        self.latest = LatestValues()
        self._clock = clock
        self._sink = sink
        self._shelf = ProfileShelf()
        self._devices = list(devices_of(pole, self._shelf))
        self._owners = {
            bus.name: BusOwner(bus, make_line(bus, clock), partial(self._port, bus.name)) for bus in pole.buses
        }
        self._meters = {name: _LoadMeter(owner, clock) for name, owner in self._owners.items()}
        self._broadcast_seals = {
            bus.name: None if bus.broadcast_key_file is None else WriteSeal(read_key(bus.broadcast_key_file))
            for bus in pole.buses
        }
        self.nodes = [self._node_reader(pole, node) for node in pole.nodes]
        self.pollers = [
            DevicePoller(device, self._owners[device.bus.name], clock, self.latest, sink)
            for device in self._devices
            if device.bus is not None
        ]

    async def run(self) -> None:
        """Collect until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name, owner in self._owners.items():
                tasks.create_task(owner.run(), name=f"bus {name}")
            for reader in self.nodes:
                tasks.create_task(reader.run(), name=f"node {reader.config.name}")
            for poller in self.pollers:
                tasks.create_task(poller.run(), name=f"device {poller.name}")

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int = 0, reason: int = 0
    ) -> LampOutcome:
        """Set the lamp that is the device `target` of a node: see `LampDialog.set`."""
        for reader in self.nodes:
            if reader.lamp_name == target:
                return await reader.lamp.set(level_pct, fade_s, expires_ms, hold_s, reason)
        known = ", ".join(reader.lamp_name for reader in self.nodes if reader.lamp_name) or "none"
        return LampOutcome("refused", None, f"this pole has no lamp named {target}; its lamps: {known}")

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        """What has become of the last command to a lamp: see `LampDialog.look`."""
        for reader in self.nodes:
            if reader.lamp_name == target:
                return await reader.lamp.look(fade_s)
        return LampOutcome("refused", None, f"this pole has no lamp named {target}")

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        """Tell the node `target` of its manhole: see `command_manhole`."""
        for reader in self.nodes:
            if reader.config.name == target:
                return await reader.manhole(acknowledge, learn)
        known = ", ".join(reader.config.name for reader in self.nodes) or "none"
        return LampOutcome("refused", None, f"this pole has no node named {target}; its nodes: {known}")

    def buses(self) -> list[BusState]:
        """The state of every bus."""
        return [
            BusState(name, owner.bus.port, self._meters[name].load(), owner.problem, owner.line.counters.as_dict())
            for name, owner in self._owners.items()
        ]

    def problems(self) -> list[str]:
        """What is wrong just now, in words: ports, nodes, devices."""
        found = [owner.problem for owner in self._owners.values()]
        found += [reader.problem for reader in self.nodes]
        found += [reader.schedule.problem for reader in self.nodes if reader.schedule is not None]
        found += [poller.problem for poller in self.pollers]
        return [problem for problem in found if problem is not None]

    def _node_reader(self, pole: PoleConfig, node: NodeConfig) -> NodeReader:
        points = [
            NodePoint(slot.point_name, slot.device_name, slot.exponent, slot.unit, slot.period_ms)
            for slot in slots(pole, node.name, self._shelf)
        ]
        lamps = [device.name for device in self._devices if device.node is node and device.profile.lamp is not None]
        lamp = lamp_of(pole, node.name)
        if lamp is not None and lamp.name is not None and lamp.has_pins:
            lamps.append(lamp.name)
        reader = NodeReader(
            node,
            digest(node_table(pole, node.name, self._shelf)),
            points,
            lamps[0] if lamps else None,
            self._owners[node.bus],
            self._clock,
            self.latest,
            self._sink,
            None if node.key_file is None else WriteSeal(read_key(node.key_file)),
            self._broadcast_seals[node.bus],
        )
        if lamp is not None:
            reader.keep_schedule(DailySchedule(pole, lamp, self._shelf))
        return reader

    def _port(self, bus: str, is_open: bool) -> None:
        code = "port-back" if is_open else "port-lost"
        self._sink.noticed(Event(bus, "event", code, self._clock.unix_ms()))


class _LoadMeter:
    """The share of recent time in which bytes were on a line."""

    def __init__(self, owner: BusOwner, clock: Clock) -> None:
        self._owner = owner
        self._clock = clock
        self._marks: deque[tuple[int, float]] = deque([(clock.monotonic_ms(), 0.0)])

    def load(self) -> float:
        now_ms, busy_s = self._clock.monotonic_ms(), self._owner.line.counters.busy_s
        self._marks.append((now_ms, busy_s))
        while len(self._marks) > 2 and now_ms - self._marks[1][0] >= _LOAD_OVER_S * 1000:
            self._marks.popleft()
        then_ms, then_s = self._marks[0]
        return (busy_s - then_s) * 1000 / (now_ms - then_ms) if now_ms > then_ms else 0.0
