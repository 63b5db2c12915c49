"""The devices of a pole with their profiles applied: what the collector asks, and how each point is reported."""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway_agent.config.schema import (
    BusConfig,
    DeviceConfig,
    LineSettings,
    NodeConfig,
    PoleConfig,
    ReportConfig,
    milliseconds,
)
from gateway_agent.profiles import Point, ResolvedProfile, load_profile, resolve


@dataclass(frozen=True, slots=True)
class Device:
    """One configured device. `node` is None for a device on a bus of the gateway, `bus` None for one on a node."""

    config: DeviceConfig
    profile: ResolvedProfile
    node: NodeConfig | None
    bus: BusConfig | None

    @property
    def name(self) -> str:
        """Name of the device, unique on the pole."""
        return self.config.name

    @property
    def is_on_bus(self) -> bool:
        """Whether it speaks Modbus itself; False for a device of pins alone."""
        return self.profile.profile.device.serial is not None

    def point_name(self, point: Point) -> str:
        """Return the full name of one of its points, `<device>/<point>`."""
        return f"{self.config.name}/{point.name}"

    def report(self, point: Point) -> ReportConfig:
        """Tell how a point is reported: by pole.toml where it says so, otherwise by the profile."""
        given = self.config.report.get(point.name)
        if given is not None:
            return given
        section = point.report
        return ReportConfig(
            change=section.change,
            every_s=None if section.every_s is None else float(section.every_s),
            window_s=None if section.window_s is None else float(section.window_s),
        )

    def units(self) -> list[int]:
        """Return all unit ids under which the device answers, rising; empty for a device of pins alone."""
        if self.config.unit is None:
            return []
        offsets = {point.register.unit_offset for point in self.profile.points if point.register is not None}
        if self.profile.lamp is not None:
            offsets.add(self.profile.lamp.unit_offset)
        return sorted(self.config.unit + offset for offset in offsets or {0})


def line_of(device: DeviceConfig, profile: ResolvedProfile, line: LineSettings) -> LineSettings:
    """The settings at which a device talks on a line whose own settings are `line`.

    What pole.toml says for the device; else the line's, if the device can be set to them; else its factory settings.
    """
    if device.serial is not None:
        return device.serial
    serial = profile.profile.device.serial
    if serial is None or not serial.misfits(line.baud, line.parity, line.stop_bits):
        return line
    return LineSettings(baud=serial.baud, parity=serial.parity, stop_bits=serial.stop_bits)


class ProfileShelf:
    """Profiles with options applied, each read once. Make one for each time a configuration is read."""

    def __init__(self) -> None:
        self._resolved: dict[tuple[str, str], ResolvedProfile] = {}

    def get(self, device: DeviceConfig) -> ResolvedProfile:
        """Return the profile of a device with its options. Raises what `load_profile` and `resolve` raise."""
        key = (device.profile, repr(sorted(device.options.items())))
        if key not in self._resolved:
            self._resolved[key] = resolve(load_profile(device.profile), device.options)
        return self._resolved[key]


def devices_of(pole: PoleConfig, shelf: ProfileShelf | None = None) -> Iterator[Device]:
    """Every device of a checked pole: those of its nodes in order, then those on its own buses."""
    shelf = shelf or ProfileShelf()
    for node in pole.nodes:
        for node_device in node.devices:
            yield Device(node_device, shelf.get(node_device), node, None)
    for bus_device in pole.devices:
        yield Device(bus_device, shelf.get(bus_device), None, pole.bus(bus_device.bus))


def seconds_in_ms(seconds: float | None) -> int | None:
    """Seconds of the configuration in milliseconds, None for none."""
    return None if seconds is None else milliseconds(seconds)
