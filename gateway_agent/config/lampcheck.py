"""Checks of a pole.toml about light: programmes that there are, a place for the sun, a lamp on each node named."""

from collections.abc import Iterable, Iterator
from zoneinfo import ZoneInfo

from gateway_agent.boards import Board, UnknownBoardError, load_board
from gateway_agent.config.crosscheck import Loc, resolved_devices
from gateway_agent.config.devices import ProfileShelf
from gateway_agent.config.lighting import CalendarRule, LampConfig, PowerConfig, date_parts
from gateway_agent.config.schema import NodeConfig, PoleConfig
from gateway_agent.profiles import Point
from gateway_agent.toml_source import Finding
from gateway_agent.toml_wording import nearest

NodePoints = dict[str, Point]


def check_place(pole: PoleConfig) -> Iterable[Finding]:
    """Schedules need a timezone; those that follow the sun need a place too."""
    place = pole.pole
    if (place.latitude is None) != (place.longitude is None):
        key = "latitude" if place.latitude is not None else "longitude"
        yield Finding(("pole", key), "a place has a latitude and a longitude", "give both, in degrees north and east")
    if place.timezone is None:
        if pole.lamps:
            yield Finding(("pole",), "the lamps follow a clock of no zone", 'add timezone = "Asia/Shanghai"')
    else:
        try:
            ZoneInfo(place.timezone)
        except (KeyError, OSError, ValueError):
            what = f"there is no timezone {place.timezone}"
            yield Finding(("pole", "timezone"), what, 'name one of the IANA database, as "Asia/Shanghai"')
    if place.latitude is not None and place.longitude is not None:
        return
    for index, programme in enumerate(pole.programmes):
        if any(moment.startswith("sun") for moment in programme.moments):
            what = f"programme {programme.name} follows the sun, but [pole] does not say where it stands"
            yield Finding(("programmes", index), what, "add latitude and longitude to [pole], in degrees")


def check_programmes(pole: PoleConfig) -> Iterable[Finding]:
    """Programmes have names of their own, and lamps name ones that there are, with dates that there are."""
    names: list[str] = []
    for index, programme in enumerate(pole.programmes):
        if programme.name in names:
            what = f"the programme {programme.name} is there twice"
            yield Finding(("programmes", index, "name"), what, "give each its own name")
        names.append(programme.name)
    for index, lamp in enumerate(pole.lamps):
        loc: Loc = ("lamps", index)
        if lamp.programme is not None:
            yield from _known((*loc, "programme"), lamp.programme, names)
        for place, rule in enumerate(lamp.calendar):
            yield from _known((*loc, "calendar", place, "programme"), rule.programme, names)
            yield from _dates((*loc, "calendar", place), rule)


def check_lamp_nodes(pole: PoleConfig, shelf: ProfileShelf) -> Iterable[Finding]:
    """Each `[[lamps]]` is that of another node, which has that lamp and the points that are named."""
    nodes = {node.name: node for node in pole.nodes}
    drivers: dict[str, str] = {}
    points: dict[str, NodePoints] = {name: {} for name in nodes}
    for _, device, resolved, node in resolved_devices(pole, shelf):
        if node is not None:
            points[node.name].update({f"{device.name}/{point.name}": point for point in resolved.points})
            if resolved.lamp is not None:
                drivers[node.name] = device.name
    seen: set[str] = set()
    named = {*nodes, *(device.name for _, device, _, _ in resolved_devices(pole, shelf))}
    for index, lamp in enumerate(pole.lamps):
        loc: Loc = ("lamps", index)
        if lamp.has_pins and lamp.name in named:
            yield Finding((*loc, "name"), f"the name {lamp.name} is used twice", "give each its own name")
        if lamp.node not in nodes:
            guess = nearest(lamp.node, list(nodes))
            mend = f"did you mean {guess}?" if guess else f"its nodes: {', '.join(nodes) or 'none'}"
            yield Finding((*loc, "node"), f"the pole has no node {lamp.node}", mend)
            continue
        if lamp.node in seen:
            yield Finding((*loc, "node"), f"{lamp.node} has two lamps", "a node drives one lamp: keep one of them")
        seen.add(lamp.node)
        yield from _output(loc, lamp, drivers.get(lamp.node), nodes[lamp.node])
        yield from _sensors(loc, lamp, points[lamp.node])
        if lamp.power is not None:
            yield from _power((*loc, "power"), lamp.power, points[lamp.node])


def _known(loc: Loc, name: str, names: list[str]) -> Iterator[Finding]:
    if name not in names:
        guess = nearest(name, names)
        mend = f"did you mean {guess}?" if guess else f"the programmes there are: {', '.join(names) or 'none'}"
        yield Finding(loc, f"there is no programme {name}", mend)


def _dates(loc: Loc, rule: CalendarRule) -> Iterator[Finding]:
    years = []
    for key, text in (("from", rule.first), ("to", rule.last)):
        if text is None:
            years.append(0)
            continue
        try:
            years.append(date_parts(text)[0])
        except ValueError as error:
            yield Finding((*loc, key), f"{text} is no date: {error}", 'write it as "02-10" or "2027-02-10"')
            return
    if (years[0] == 0) != (years[1] == 0):
        yield Finding(loc, "one of the two dates has a year", "give both a year, or neither")
    elif years[0] and (rule.first or "") > (rule.last or ""):
        yield Finding((*loc, "to"), f"{rule.last} is before {rule.first}", "the last evening is not before the first")


def _output(loc: Loc, lamp: LampConfig, driver: str | None, node: NodeConfig) -> Iterator[Finding]:
    if driver is not None and lamp.has_pins:
        what = f"{lamp.node} has the driver {driver}, and pins for a lamp"
        yield Finding(loc, what, "a node drives one lamp: remove dimmer_pin and relay_pin, or the driver")
    elif driver is None and not lamp.has_pins:
        mend = "give it a device with a lamp's profile, or a dimmer_pin or relay_pin here"
        yield Finding((*loc, "node"), f"{lamp.node} has no lamp", mend)
    if lamp.name is not None and driver is not None and lamp.name != driver:
        yield Finding((*loc, "name"), f"the lamp of {lamp.node} is the device {driver}", "remove the name here")
    if lamp.has_pins and lamp.name is None:
        yield Finding(loc, f"the lamp of {lamp.node} has no name", 'add name = "lamp": commands call it so')
    if lamp.dimmer_pin is not None and lamp.dimmer_pin == lamp.relay_pin:
        yield Finding((*loc, "relay_pin"), f"GPIO{lamp.relay_pin} is the dimmer's pin", "take another pin")
    try:
        board = load_board(node.board)
    except UnknownBoardError:
        return
    for key, pin in (("dimmer_pin", lamp.dimmer_pin), ("relay_pin", lamp.relay_pin)):
        if pin is not None:
            yield from _pin((*loc, key), pin, board, node)


def _pin(loc: Loc, pin: int, board: Board, node: NodeConfig) -> Iterator[Finding]:
    if pin not in board.free.outputs:
        free = ", ".join(map(str, board.free.outputs)) or "none"
        yield Finding(loc, f"GPIO{pin} is not free as an output on a {node.board}", f"its free ones are {free}")


def _sensors(loc: Loc, lamp: LampConfig, points: NodePoints) -> Iterator[Finding]:
    for index, sensor in enumerate(lamp.sensors):
        place = (*loc, "sensors", index)
        yield from _point((*place, "point"), sensor.point, points, lamp.node)
        if (sensor.above is None) == (sensor.below is None):
            yield Finding(place, f"the rule on {sensor.point} has one of above and below", "give it one of them")
        elif sensor.back is not None:
            is_odd = sensor.back > sensor.above if sensor.above is not None else sensor.back < (sensor.below or 0)
            if is_odd:
                yield Finding(
                    (*place, "back"), f"back {sensor.back:g} is beyond the limit", "it lies on the other side"
                )


def _power(loc: Loc, power: PowerConfig, points: NodePoints) -> Iterator[Finding]:
    node = str(loc[1])
    for key, path, unit in (("point", power.point, "W"), ("voltage", power.voltage, "V")):
        if path is None:
            continue
        yield from _point((*loc, key), path, points, node)
        if path in points and points[path].unit != unit:
            yield Finding(
                (*loc, key), f"{path} counts in {points[path].unit}, not in {unit}", f"name a point in {unit}"
            )
    if any(not 0 <= level <= 100 or watts < 0 for level, watts in power.levels_w):
        yield Finding((*loc, "levels_w"), "a pair of levels_w is a level of 0 to 100 and its watts", "as [50, 28.5]")


def _point(loc: Loc, path: str, points: NodePoints, node: str) -> Iterator[Finding]:
    if path not in points:
        guess = nearest(path, list(points))
        mend = f"did you mean {guess}?" if guess else "it must hang on the same node: the node judges it alone"
        yield Finding(loc, f"the lamp's node has no point {path}", mend)
