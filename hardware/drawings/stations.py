"""A pole as its wiring sees it: buses with stations, stations with what hangs on them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gateway_agent.boards import load_board
from gateway_agent.config.devices import Device, devices_of, line_of
from gateway_agent.config.schema import LineSettings, PoleConfig
from gateway_agent.profiles.wiring import WiringSection

SEE_SHEET = "see its data sheet"
Link = Literal["rs485", "ttl", "uart", "pin"]


@dataclass(frozen=True, slots=True)
class WiredDevice:
    """A device: `units` and `line` are empty where it has none, `pins` name the GPIOs of one that hangs on pins."""

    name: str
    model: str
    kind: str
    link: Link
    units: str
    line: str
    wiring: WiringSection | None
    pins: str = ""

    def takes(self, volts: float) -> bool:
        """Whether it may hang on a DC rail of so many volts."""
        given = self.wiring
        return (given is not None and given.supply == "dc" and given.volts is not None) and given.volts[
            0
        ] <= volts <= given.volts[1]

    @property
    def is_on_mains(self) -> bool:
        """Whether the mains feed it."""
        return self.wiring is not None and self.wiring.supply == "mains"

    @property
    def supply(self) -> str:
        """Its supply in words."""
        if self.wiring is None or self.wiring.volts is None:
            return SEE_SHEET
        low, high = self.wiring.volts
        span = f"{low:g} V" if low == high else f"{low:g} to {high:g} V"
        return f"{span} {'AC' if self.wiring.supply == 'mains' else 'DC'}"


@dataclass(frozen=True, slots=True)
class Station:
    """Something on a bus of the gateway: a node with its devices, or one device by itself."""

    name: str
    unit: str
    board: str | None
    line: str
    devices: tuple[WiredDevice, ...]
    relay_pin: int | None = None
    dimmer_pin: int | None = None

    @property
    def on_wires(self) -> tuple[WiredDevice, ...]:
        """The devices on the sensor bus or the serial port."""
        return tuple(device for device in self.devices if device.link != "pin")

    @property
    def on_pins(self) -> tuple[WiredDevice, ...]:
        """The devices on pins of the node."""
        return tuple(device for device in self.devices if device.link == "pin")


def stations_of(pole: PoleConfig) -> dict[str, list[Station]]:
    """The stations of each bus by the bus's name, nodes first, in the order of pole.toml."""
    buses: dict[str, list[Station]] = {bus.name: [] for bus in pole.buses}
    devices = list(devices_of(pole))
    lamps = {lamp.node: lamp for lamp in pole.lamps}
    for node in pole.nodes:
        own = tuple(_wired(device, node.sensor_bus) for device in devices if device.node is node)
        lamp = lamps.get(node.name)
        buses[node.bus].append(
            Station(
                node.name,
                f"unit {node.unit}",
                node.board,
                str(pole.bus(node.bus).line),
                own,
                lamp.relay_pin if lamp else None,
                lamp.dimmer_pin if lamp else None,
            )
        )
    for device in devices:
        if device.bus is not None:
            wired = _wired(device, device.bus.line)
            buses[device.bus.name].append(Station(device.name, wired.units, None, wired.line, (wired,)))
    return buses


def board_title(name: str) -> str:
    """The model of a board."""
    return load_board(name).board.model


def modem_bearers(pole: PoleConfig) -> Iterator[tuple[str, str | None]]:
    """Each way to the platform over a radio: its kind, and the modem's name where pole.toml gives it."""
    for way in pole.uplink.ways:
        if way.kind != "wired":
            yield way.kind, way.modem


def _wired(device: Device, bus: LineSettings | None) -> WiredDevice:
    profile = device.profile.profile
    section = profile.device
    wiring = profile.wiring
    line, pins = "", ""
    link: Link = "pin"
    if section.serial is not None:
        link = wiring.link if wiring is not None else "rs485"
        line = str(line_of(device.config, device.profile, bus)) if bus is not None else ""
    elif profile.frame is not None:
        link = "uart"
        line = f"{profile.frame.line.baud} 8N1"
    else:
        options = {**{name: one.default for name, one in profile.options.items()}, **device.config.options}
        pins = ", ".join(f"GPIO{options[name]}" for name in ("pin", "sda", "scl") if name in options)
    units = device.units()
    told = "" if not units else f"unit {units[0]}" + (f" to {units[-1]}" if len(units) > 1 else "")
    return WiredDevice(device.name, section.model, section.kind, link, told, line, wiring, pins)
