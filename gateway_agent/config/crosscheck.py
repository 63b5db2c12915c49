"""Checks of a pole.toml that compare one table with another: names, buses, ports, unit ids, line settings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gateway_agent.config.devices import ProfileShelf, line_of
from gateway_agent.config.schema import BusDeviceConfig, DeviceConfig, NodeConfig, PoleConfig
from gateway_agent.errors import GatepostError
from gateway_agent.profiles import ResolvedProfile
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

Loc = tuple[str | int, ...]
_HIGHEST_UNIT = 255


def check_names(pole: PoleConfig) -> Iterable[Finding]:
    """Buses are named once; nodes and devices share one list of names."""
    yield from _twice((("buses", index), bus.name) for index, bus in enumerate(pole.buses))
    yield from _twice(_named_things(pole))


def check_buses(pole: PoleConfig) -> Iterable[Finding]:
    """Each port is used once, direction by GPIO names its line, everything hangs on a bus that there is."""
    ports: dict[str, str] = {}
    for index, bus in enumerate(pole.buses):
        if bus.port in ports:
            what = f"bus {bus.name} uses the port of bus {ports[bus.port]}"
            yield Finding(("buses", index, "port"), what, "give each bus a port of its own")
        ports.setdefault(bus.port, bus.name)
        if bus.rs485 == "gpio" and bus.gpio_line is None:
            what = f'bus {bus.name} has rs485 = "gpio" but no gpio_line'
            yield Finding(("buses", index, "rs485"), what, 'add gpio_line = "GPIO17" (the line at DE and /RE)')
        if bus.rs485 != "gpio" and bus.gpio_line is not None:
            what = f'bus {bus.name} has a gpio_line but rs485 = "{bus.rs485}"'
            yield Finding(("buses", index, "gpio_line"), what, 'set rs485 = "gpio" or remove gpio_line')
    names = [bus.name for bus in pole.buses]
    for loc, thing in _on_buses(pole):
        if thing.bus not in names:
            guess = nearest(thing.bus, names)
            mend = f"did you mean {guess}?" if guess else f"the buses there are: {', '.join(names)}"
            yield Finding((*loc, "bus"), f"{thing.name} hangs on bus {thing.bus}, which does not exist", mend)


def check_phases(pole: PoleConfig) -> Iterable[Finding]:
    """A phase is shorter than its period."""
    for loc, thing in _on_buses(pole):
        if thing.phase_ms >= thing.every_ms:
            what = f"{thing.name} has phase_s {thing.phase_s:g} but is read every {thing.every_s:g} s"
            yield Finding((*loc, "phase_s"), what, "the phase must be shorter than the period")


def check_profiles(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Each device's profile exists and is right, and its options are ones that the profile has."""
    for loc, device in all_devices(pole):
        try:
            resolved = shelf.get(device)
        except GatepostError as error:
            yield _profile_finding(loc, device, error)
            continue
        serial = resolved.profile.device.serial
        if resolved.profile.blocks:
            what = f"{device.name} has the profile of a node"
            yield Finding((*loc, "profile"), what, "describe a node in [[nodes]], not as a device")
        elif not resolved.points:
            what = f"{device.name} has no points with these options"
            yield Finding((*loc, "options"), what, "choose options that leave it points, or remove the device")
        elif serial is None and isinstance(device, BusDeviceConfig):
            how = "is read from pins" if resolved.profile.frame is None else "is a serial sensor of its own kind"
            what = f"{device.name} {how}, which only a node has"
            yield Finding((*loc, "profile"), what, "move it to the devices of a node")
        elif serial is None and device.unit is not None:
            how = "is read from pins" if resolved.profile.frame is None else "is a serial sensor"
            what = f"{device.name} {how} and has no unit id"
            yield Finding((*loc, "unit"), what, "remove the key unit")
        elif serial is not None and device.unit is None:
            what = f"{device.name} has no unit id"
            yield Finding(loc, what, f"add unit = {serial.unit_id} (as it leaves the factory) or the id it was given")


def check_units(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """On each line a unit id belongs to one device, also where one product answers under several."""
    lines: dict[tuple[str, str], dict[int, str]] = {}
    for loc, own in _nodes(pole):
        yield from _claim(lines.setdefault(("bus", own.bus), {}), [own.unit], own.name, loc, f"bus {own.bus}")
    for loc, device, resolved, node in resolved_devices(pole, shelf):
        units = _units(device, resolved)
        if node is not None:
            line = lines.setdefault(("node", node.name), {})
            yield from _claim(line, units, device.name, loc, f"the sensor bus of {node.name}")
        elif isinstance(device, BusDeviceConfig):
            line = lines.setdefault(("bus", device.bus), {})
            yield from _claim(line, units, device.name, loc, f"bus {device.bus}")


def check_lines(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Settings a device cannot be given are refused; a node's sensor bus has one setting for all its devices."""
    for loc, device, resolved, node in resolved_devices(pole, shelf):
        serial = resolved.profile.device.serial
        if serial is None:
            continue
        if device.serial is not None:
            given = device.serial
            for reason in serial.misfits(given.baud, given.parity, given.stop_bits):
                mend = "set what the device really has; a profile of your own can list more choices"
                yield Finding((*loc, "serial"), f"{device.name} ({resolved.profile.device.model}): {reason}", mend)
        if node is None:
            continue
        if node.sensor_bus is None:
            what = f"{node.name} has no sensor_bus, but {device.name} speaks Modbus"
            mend = 'add sensor_bus = { baud = 9600, parity = "N", stop_bits = 1 } to the node'
            yield Finding((*loc, "profile"), what, mend)
        elif (own := line_of(device, resolved, node.sensor_bus)) != node.sensor_bus:
            what = f"{device.name} talks at {own}, the sensor bus of {node.name} at {node.sensor_bus}"
            mend = "a node's sensor bus has one setting: set the device to it, or hang it on a bus of the gateway"
            yield Finding((*loc, "serial") if device.serial else (*loc, "profile"), what, mend)


def check_lamps(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """A node drives at most one lamp."""
    lamps: dict[str, str] = {}
    for loc, device, resolved, node in resolved_devices(pole, shelf):
        if resolved.lamp is None or node is None:
            continue
        if node.name in lamps:
            what = f"{node.name} has two lamps, {lamps[node.name]} and {device.name}"
            yield Finding((*loc, "name"), what, "a node drives one lamp: move one to another node")
        lamps.setdefault(node.name, device.name)


def all_devices(pole: PoleConfig) -> Iterator[tuple[Loc, DeviceConfig]]:
    """Every device with its key path."""
    for node_index, node in enumerate(pole.nodes):
        for index, device in enumerate(node.devices):
            yield ("nodes", node_index, "devices", index), device
    yield from _bus_devices(pole)


def _on_buses(pole: PoleConfig) -> Iterator[tuple[Loc, NodeConfig | BusDeviceConfig]]:
    yield from _nodes(pole)
    yield from _bus_devices(pole)


def _nodes(pole: PoleConfig) -> Sequence[tuple[Loc, NodeConfig]]:
    return [(("nodes", index), node) for index, node in enumerate(pole.nodes)]


def _bus_devices(pole: PoleConfig) -> Sequence[tuple[Loc, BusDeviceConfig]]:
    return [(("devices", index), device) for index, device in enumerate(pole.devices)]


def resolved_devices(
    pole: PoleConfig, shelf: ProfileShelf
) -> Iterator[tuple[Loc, DeviceConfig, ResolvedProfile, NodeConfig | None]]:
    """Devices whose profile can be used, with their node if they hang on one; the others have findings of their own."""
    for loc, device in all_devices(pole):
        try:
            resolved = shelf.get(device)
        except GatepostError:
            continue
        yield loc, device, resolved, pole.nodes[int(loc[1])] if loc[0] == "nodes" else None


def _named_things(pole: PoleConfig) -> Iterator[tuple[Loc, str]]:
    for loc, node in _nodes(pole):
        yield loc, node.name
    for loc, device in all_devices(pole):
        yield loc, device.name


def _twice(named: Iterable[tuple[Loc, str]]) -> Iterator[Finding]:
    seen: set[str] = set()
    for loc, name in named:
        if name in seen:
            yield Finding((*loc, "name"), f"the name {name} is used twice", "give each its own name")
        seen.add(name)


def _profile_finding(loc: Loc, device: DeviceConfig, error: GatepostError) -> Finding:
    text = str(error).replace("\n", "; ")
    what, _, mend = text.rpartition("; " if "; " in text else ": ")
    key = "profile" if getattr(error, "mend", None) or hasattr(error, "problems") else "options"
    return Finding((*loc, key), f"{device.name}: {what or text}", mend or "mend the profile")


def _units(device: DeviceConfig, resolved: ResolvedProfile) -> list[int]:
    if device.unit is None:
        return []
    offsets = {point.register.unit_offset for point in resolved.points if point.register is not None}
    return sorted(device.unit + offset for offset in offsets)


def _claim(line: dict[int, str], units: Sequence[int], name: str, loc: Loc, where: str) -> Iterator[Finding]:
    taken: Mapping[int, str] = dict(line)
    if units and max(units) > _HIGHEST_UNIT:
        what = f"{name} answers under {len(units)} unit ids up to {max(units)}"
        yield Finding((*loc, "unit"), what, f"the highest must not exceed {_HIGHEST_UNIT}")
    for unit in units:
        if unit in taken:
            what = f"{name} has unit id {unit} on {where}, which is that of {taken[unit]}"
            yield Finding((*loc, "unit"), what, "give one of them another unit id, in the device and here")
        line.setdefault(unit, name)
