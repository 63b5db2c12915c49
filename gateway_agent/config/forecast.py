"""What a pole.toml will cost on each bus: requests a second and the share of time in which the line is taken."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway_agent.config.devices import Device, ProfileShelf, devices_of, line_of
from gateway_agent.config.schema import BusConfig, LineSettings, NodeConfig, PoleConfig
from protocols import modbus, node_map

_REQUEST_BYTES = 8
_ANSWER_BYTES = 5
_HEALTH_EVERY_MS = 10_000
_SLOTS_PER_READ = modbus.MAX_READ_REGISTERS // node_map.SLOT_REGISTERS


@dataclass(frozen=True, slots=True)
class BusForecast:
    """One bus: `load` is the share of time taken by bytes and the silence around them, without waiting for devices."""

    name: str
    port: str
    line: str
    load: float
    requests_per_s: float


@dataclass(frozen=True, slots=True)
class _Exchange:
    registers: int
    every_ms: int
    line: LineSettings

    def seconds(self) -> float:
        """How long it takes the line: request, answer and the silence after each."""
        length = _REQUEST_BYTES + _ANSWER_BYTES + 2 * self.registers
        return length * self.line.byte_s + 2 * self.line.silence_s


def forecast(pole: PoleConfig, shelf: ProfileShelf | None = None) -> list[BusForecast]:
    """The forecast of every bus of a pole, in order. Raises GatepostError or KeyError when it is not a right one."""
    devices = list(devices_of(pole, shelf))
    found = []
    for bus in pole.buses:
        exchanges = [
            *(one for node in pole.nodes if node.bus == bus.name for one in _of_node(node, bus, devices)),
            *(one for device in devices if device.bus is bus for one in _of_device(device, bus)),
        ]
        load = sum(one.seconds() * 1000 / one.every_ms for one in exchanges)
        rate = sum(1000 / one.every_ms for one in exchanges)
        found.append(BusForecast(bus.name, bus.port, str(bus.line), load, rate))
    return found


def _of_node(node: NodeConfig, bus: BusConfig, devices: list[Device]) -> Iterator[_Exchange]:
    slots = sum(len(device.profile.points) for device in devices if device.node is node)
    for first in range(0, slots, _SLOTS_PER_READ):
        count = min(_SLOTS_PER_READ, slots - first)
        yield _Exchange(count * node_map.SLOT_REGISTERS, node.every_ms, bus.line)
    yield _Exchange(node_map.EVENT - node_map.EVENTS, node.events_every_ms, bus.line)
    yield _Exchange(node_map.HEALTH_REGISTERS, _HEALTH_EVERY_MS, bus.line)


def _of_device(device: Device, bus: BusConfig) -> Iterator[_Exchange]:
    line = line_of(device.config, device.profile, bus.line)
    for request in device.profile.requests():
        yield _Exchange(request.count, device.config.every_ms, line)
