"""Compiling a node's part of pole.toml into the table that the node runs on (protocols/spec/node-table.md).

The same configuration always gives the same bytes, so that the digest in the table's head, which the node reports,
tells whether a node runs on what the gateway has. One slot of the node's register map belongs to one point, in the
order device, request, address.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from gateway_agent.config.devices import Device, ProfileShelf, line_of
from gateway_agent.config.schema import NodeConfig, PoleConfig
from gateway_agent.config.sensorcheck import TWO_UARTS
from gateway_agent.errors import GatepostError
from gateway_agent.profiles import Lookup, Point, RegisterSource, Request
from gateway_agent.provision_sensors import add_field, add_frame, add_own_point, line_of_sensor, set_manhole
from protocols import node_table_layout as layout
from protocols.node_table_writer import NodeTableWriter


class ProvisionError(GatepostError):
    """A node's configuration that cannot become a table, one reason a line."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a node: its `index` in the register map and the point it holds.

    `point_name` is the full name, `<device>/<point>`; the value counts in 10 ** `exponent` of `unit`; the node renews
    it every `period_ms`.
    """

    index: int
    point_name: str
    device_name: str
    exponent: int
    unit: str
    period_ms: int
    point: Point


def slots(pole: PoleConfig, node_name: str, shelf: ProfileShelf | None = None) -> list[Slot]:
    """The slots of a node in order. Raises ProvisionError when the pole has no such node."""
    found: list[Slot] = []
    for device in _devices(pole, _node(pole, node_name), shelf):
        for point in _points_in_order(device):
            found.append(
                Slot(
                    index=len(found),
                    point_name=device.point_name(point),
                    device_name=device.name,
                    exponent=point.exponent,
                    unit=point.unit,
                    period_ms=device.config.every_ms,
                    point=point,
                )
            )
    return found


def node_table(pole: PoleConfig, node_name: str, shelf: ProfileShelf | None = None) -> bytes:
    """The table of a node, ready for its flash. Raises ProvisionError with every reason why it cannot be made."""
    node = _node(pole, node_name)
    devices = list(_devices(pole, node, shelf))
    reasons = [*_misfits(node, devices), *_serial_sensors(node, devices), *_crowding(node, devices)]
    if reasons:
        raise ProvisionError("\n".join(reasons))
    try:
        writer = _writer(pole, node, devices)
        for device in devices:
            _add_device(writer, device)
        for lamp in pole.lamps:
            if lamp.node == node_name:
                writer.set_lamp_pins(
                    lamp.dimmer_pin or 0, lamp.relay_pin or 0, lamp.dimmer_inverted, lamp.relay_active_low
                )
        if node.manhole is not None:
            found = slots(pole, node_name, shelf)
            set_manhole(writer, node.manhole, {slot.point_name: (slot.index, slot.point) for slot in found})
        return writer.table()
    except ValueError as error:
        raise ProvisionError(f"{node_name} does not fit into a node table: {error}; give it fewer devices") from error


def _writer(pole: PoleConfig, node: NodeConfig, devices: list[Device]) -> NodeTableWriter:
    """A writer that knows the node's two lines and its unit id."""
    line, bus = node.sensor_bus, pole.bus(node.bus)
    baud, parity, stop_bits = line_of_sensor(devices) or (0, "N", 1)
    if line is not None:
        baud, parity, stop_bits = line.baud, line.parity, line.stop_bits
    return NodeTableWriter(baud, parity, stop_bits, node.unit, bus.baud, bus.parity, bus.stop_bits)


def digest(table: bytes) -> int:
    """The number by which a node tells which table it runs on (`config_digest` of its identity block)."""
    return int.from_bytes(table[layout.DIGEST_AT : layout.CHECKED_FROM], "big")


def _node(pole: PoleConfig, node_name: str) -> NodeConfig:
    try:
        return pole.node(node_name)
    except KeyError:
        known = ", ".join(node.name for node in pole.nodes) or "none"
        raise ProvisionError(f"the pole has no node {node_name}; its nodes: {known}") from None


def _devices(pole: PoleConfig, node: NodeConfig, shelf: ProfileShelf | None) -> Iterator[Device]:
    shelf = shelf or ProfileShelf()
    for config in node.devices:
        yield Device(config, shelf.get(config), node, None)


def _misfits(node: NodeConfig, devices: list[Device]) -> Iterator[str]:
    """Devices that cannot share the node's sensor bus."""
    for device in devices:
        serial = device.profile.profile.device.serial
        if serial is None:
            continue
        line = node.sensor_bus
        if line is None:
            yield f"{device.name} speaks Modbus, but {node.name} has no sensor_bus; add one to the node"
            continue
        own = line_of(device.config, device.profile, line)
        if own != line:
            why = "; ".join(serial.misfits(line.baud, line.parity, line.stop_bits)) or f"pole.toml sets it to {own}"
            yield (
                f"{device.name} ({device.profile.profile.device.model}) cannot hang on the sensor bus of {node.name}"
                f" ({line}): {why}; set it to the bus, or hang it on a bus of the gateway"
            )


def _serial_sensors(node: NodeConfig, devices: list[Device]) -> Iterator[str]:
    """More on the second UART than it can carry."""
    sensors = [device.name for device in devices if device.profile.profile.frame is not None]
    if sensors and node.sensor_bus is not None:
        yield f"{sensors[0]} is a serial sensor, but {node.name} has a sensor_bus: {TWO_UARTS}; give it one of the two"
    elif len(sensors) > 1:
        yield f"{' and '.join(sensors)} are serial sensors of {node.name}: {TWO_UARTS}; move one to another node"


def _crowding(node: NodeConfig, devices: list[Device]) -> Iterator[str]:
    """More than a node can hold."""
    lamps = [device.name for device in devices if device.profile.lamp is not None]
    if len(lamps) > 1:
        yield f"{node.name} has the lamps {' and '.join(lamps)}, but a node drives one; move one to another node"
    count = sum(len(device.profile.points) for device in devices)
    if count > layout.MAX_SLOTS:
        yield f"{node.name} has {count} points, but {layout.MAX_SLOTS} slots; move devices to another node"


def _points_in_order(device: Device) -> list[Point]:
    """Points as their slots stand: those of each request, then those that the node measures itself."""
    of_requests = [point for request in device.profile.requests() for point in request.points]
    return of_requests + [point for point in device.profile.points if point.is_own]


def _add_device(writer: NodeTableWriter, device: Device) -> None:
    section = device.profile.profile.device
    frame = device.profile.profile.frame
    unit = 0
    if frame is not None:
        index = writer.add_device(
            device.config.every_ms,
            reply_timeout_ms=frame.timeout_ms,
            gap_ms=frame.gap_ms,
            retries=frame.retries,
            warm_up_s=frame.warm_up_s,
            zero_tries=frame.zero_tries,
            zero_wait_ms=frame.zero_wait_ms,
        )
    elif section.serial is None or section.timing is None:
        index = writer.add_device(device.config.every_ms)
    else:
        unit = device.config.unit or section.serial.unit_id
        timing = section.timing
        index = writer.add_device(
            device.config.every_ms,
            unit=unit,
            reply_timeout_ms=timing.reply_timeout_ms,
            gap_ms=timing.gap_ms,
            retries=timing.retries,
            warm_up_s=timing.warm_up_s,
            zero_tries=timing.zero_tries,
            zero_wait_ms=timing.zero_wait_ms,
        )
    slot_of = {}
    for request in device.profile.requests():
        if frame is not None:
            add_frame(writer, device.profile, request)
        else:
            writer.add_request(unit + request.unit_offset, request.function, request.address, request.count)
        for point in request.points:
            is_text = point.field is not None
            slot_of[point.name] = add_field(writer, point) if is_text else _add_register_point(writer, request, point)
    for point in device.profile.points:
        if point.is_own:
            add_own_point(writer, point)
    _set_lamp(writer, device, index, unit, slot_of)


def _add_register_point(writer: NodeTableWriter, request: Request, point: Point) -> int:
    source = point.register
    assert source is not None
    kind = source.type
    parts = tuple((part.address - request.address, part.low, part.width) for part in source.parts)
    if kind == "bool" and not parts:
        parts = ((source.address - request.address, 0, 16),)
    elif kind != "bool" and parts:
        kind = "bits"
    return writer.add_point(
        kind,
        point.exponent,
        point.low,
        point.high,
        register=source.address - request.address,
        offset=point.offset,
        little=source.little,
        inverted=source.inverted or point.counts_down,
        signed=kind == "bits" and source.type in ("s16", "s32"),
        no_echo=source.no_echo,
        stuck_min=point.stuck_min,
        zero_means_retry=source.zero_means_retry,
        parts=parts,
        sentinels=source.invalid,
        status=_lookup(writer, request, source.status),
        decimals=_lookup(writer, request, source.decimals),
        unit_code=_lookup(writer, request, source.unit_code),
    )


def _lookup(writer: NodeTableWriter, request: Request, lookup: Lookup | None) -> int:
    if lookup is None:
        return layout.NONE
    part = lookup.part
    otherwise = layout.UNLISTED if lookup.otherwise is None else lookup.otherwise
    return writer.lookup(part.address - request.address, part.low, part.width, dict(lookup.codes), otherwise)


def _set_lamp(writer: NodeTableWriter, device: Device, index: int, unit: int, slot_of: dict[str, int]) -> None:
    lamp = device.profile.lamp
    if lamp is None:
        return
    read_back = _register(device.profile.point(lamp.read_back))
    writer.set_lamp(
        device=index,
        write_unit=unit + lamp.unit_offset,
        write_function=lamp.function,
        write_address=lamp.address,
        read_slot=slot_of[lamp.read_back],
        read_unit=unit + read_back.unit_offset,
        read_function=read_back.function,
        read_address=read_back.address,
        settle_ms=lamp.settle_ms,
        curve=lamp.curve,
    )


def _register(point: Point) -> RegisterSource:
    assert point.register is not None
    return point.register
