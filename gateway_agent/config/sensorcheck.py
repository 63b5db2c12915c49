"""Checks of serial sensors, of points that a node measures itself, and of manholes in a pole.toml."""

from collections.abc import Iterable, Iterator

from gateway_agent.boards import Board, UnknownBoardError, load_board
from gateway_agent.config.crosscheck import Loc, resolved_devices
from gateway_agent.config.devices import ProfileShelf
from gateway_agent.config.manhole import BELOW, UNITS, ManholeConfig
from gateway_agent.config.schema import DeviceConfig, NodeConfig, PoleConfig
from gateway_agent.profiles import Point, ResolvedProfile
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

TWO_UARTS = (
    "an ESP32 has two UARTs beside its console: one is the pole bus, the other the sensor bus or one serial sensor"
)
"""Why a node has either a sensor bus or one serial sensor."""


def check_serial_sensors(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """A node reads one serial sensor, and then has no sensor bus; the gateway reads none."""
    taken: dict[str, str] = {}
    for loc, device, resolved, node in resolved_devices(pole, shelf):
        frame = resolved.profile.frame
        if frame is None or node is None:
            continue
        if node.sensor_bus is not None:
            what = f"{device.name} is a serial sensor, but {node.name} has a sensor_bus: {TWO_UARTS}"
            yield Finding((*loc, "profile"), what, "move it to another node, or take sensor_bus out")
        elif node.name in taken:
            what = f"{device.name} and {taken[node.name]} are serial sensors of {node.name}: {TWO_UARTS}"
            yield Finding((*loc, "profile"), what, "move one of them to another node")
        taken.setdefault(node.name, device.name)
        if device.serial is not None:
            line = frame.line
            allowed = (line.baud, *line.baud_choices)
            if (device.serial.parity, device.serial.stop_bits) != (line.parity, line.stop_bits) or (
                device.serial.baud not in allowed
            ):
                what = f"{device.name} talks at {' or '.join(map(str, allowed))} 8{line.parity}{line.stop_bits}"
                yield Finding((*loc, "serial"), what, "set what the sensor really has")
        if device.every_ms < (frame.every_ms or 0):
            what = f"{device.name} speaks every {frame.every_ms} ms at most, and is read every {device.every_s:g} s"
            yield Finding((*loc, "every_s"), what, "read it less often")


def check_own_points(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """What a node measures itself hangs on pins that its board leaves free for it; a node has one accelerometer."""
    tilts: dict[str, str] = {}
    for loc, device, resolved, node in resolved_devices(pole, shelf):
        if node is None:
            continue
        try:
            board = load_board(node.board)
        except UnknownBoardError:
            continue
        yield from _pins(loc, device, resolved, node, board)
        if any(point.tilt is not None for point in resolved.points):
            if node.name in tilts:
                what = f"{node.name} has two accelerometers, {tilts[node.name]} and {device.name}"
                yield Finding((*loc, "name"), what, "a node reads one: move one to another node")
            tilts.setdefault(node.name, device.name)


def _pins(
    loc: Loc, device: DeviceConfig, resolved: ResolvedProfile, node: NodeConfig, board: Board
) -> Iterator[Finding]:
    for point in resolved.points:
        wanted: list[tuple[int, tuple[int, ...], str]] = []
        if point.current is not None:
            wanted.append((point.current.number, board.free.analog, "free analogue inputs"))
        if point.pulses is not None:
            wanted.append((point.pulses.number, board.free.inputs, "free inputs"))
        if point.tilt is not None:
            own = () if board.i2c is None else (board.i2c.sda, board.i2c.scl)
            pins = tuple(sorted({*own, *board.free.outputs}))
            wanted += [(pin, pins, "pins for I2C") for pin in (point.tilt.sda, point.tilt.scl)]
        for pin, allowed, called in wanted:
            if pin not in allowed:
                what = f"{device.name} wants GPIO{pin}, which a {node.board} does not leave free for it"
                yield Finding((*loc, "options"), what, f"its {called} are {', '.join(map(str, allowed)) or 'none'}")
                return


def check_manholes(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """A manhole names points of its own node, in the units of their alarms, and limits with a way back."""
    points: dict[str, dict[str, Point]] = {node.name: {} for node in pole.nodes}
    for _, device, resolved, node in resolved_devices(pole, shelf):
        if node is not None:
            points[node.name].update({f"{device.name}/{point.name}": point for point in resolved.points})
    for index, node in enumerate(pole.nodes):
        if node.manhole is not None:
            loc: Loc = ("nodes", index, "manhole")
            yield from _points(loc, node, node.manhole, points[node.name])
            yield from _limits(loc, node.manhole)


def _points(loc: Loc, node: NodeConfig, manhole: ManholeConfig, points: dict[str, Point]) -> Iterator[Finding]:
    if not manhole.points():
        yield Finding(loc, "the manhole watches nothing", 'name points, for example cover = "cover/tilt"')
    for key, path in manhole.points():
        point = points.get(path)
        if point is None:
            guess = nearest(path, list(points))
            mend = f"did you mean {guess}?" if guess else f"the points of {node.name}: {', '.join(points)}"
            yield Finding((*loc, key), f"{node.name} has no point {path}", mend)
        elif key == "cover":
            if point.pin is None and (point.tilt is None or not point.tilt.from_background):
                what = f"{path} is neither a contact nor a tilt from the background"
                yield Finding((*loc, key), what, "name the tilt of a st-lis3dh, or the contact of a door switch")
        elif point.unit != UNITS[key]:
            yield Finding((*loc, key), f"{path} counts in {point.unit}, not in {UNITS[key]}", "name another point")


def _limits(loc: Loc, manhole: ManholeConfig) -> Iterator[Finding]:
    if manhole.closed_deg >= manhole.open_deg:
        yield Finding((*loc, "closed_deg"), "closed_deg is not below open_deg", "leave some degrees between the two")
    if manhole.level is not None and not any(rule.name.startswith("level") for rule in manhole.rules()):
        mend = "add pipe_m (crown of the pipe above the bottom) and depth_m (the cover above the bottom)"
        yield Finding((*loc, "level"), "the level has no limits", mend)
    for name, limit in manhole.limits.items():
        if manhole.point_of(name.partition("_")[0]) is None:
            what = f"limits.{name} has no point"
            yield Finding((*loc, "limits", name), what, f'add {name.partition("_")[0]} = "<device>/<point>"')
        is_right = limit.clear > limit.at if name in BELOW else limit.clear < limit.at
        if not is_right:
            side = "above" if name in BELOW else "below"
            yield Finding((*loc, "limits", name, "clear"), "the alarm would clear itself", f"put clear {side} at")
