"""One station of a bus on the drawing of a pole: a node with its sensor bus, or a device by itself."""

from hardware.drawings.canvas import FILL, INK, PAPER, QUIET, Box, Canvas
from hardware.drawings.stations import SEE_SHEET, Station, WiredDevice, board_title
from hardware.drawings.symbols import flag, resistor
from hardware.drawings.text_width import fitting_size, wrapped
from hardware.drawings.wires import WIRES, Kind, draw_wire, tag_wire

TRUNK: dict[Kind, float] = {"a": 430.0, "b": 458.0, "gnd": 486.0}
"""Where the wires of the gateway's bus run down."""

_NODE = (560.0, 820.0)
_FIRST, _PITCH, _DEVICE = 880.0, 246.0, 228.0
_A_ROW = 4
_STEP = 13.0
_DROP = 74.0
_TEXT = 11.0
_RIGHT = _FIRST + (_A_ROW - 1) * _PITCH + _DEVICE + 8


def station_height(station: Station) -> float:
    """Height that a station needs, with the room to the next one."""
    if station.board is None:
        return max(_device_height(station.devices[0]), 120) + 50
    rows = _rows(station)
    sensors = sum(_DROP + _row_height(row) + 30 for row in rows)
    return max(sensors, 130 + _pins_height(station)) + 40


def draw_station(canvas: Canvas, station: Station, top: float, rail: int, *, is_last: bool) -> list[Kind]:
    """The station below `top`, joined to the trunk; returns the kinds of wires it has used."""
    for index, kind in enumerate(TRUNK):
        y = top + 34 + index * 24
        draw_wire(canvas, kind, [(TRUNK[kind], y), (_NODE[0], y)], tag=False)
        tag_wire(canvas, kind, _NODE[0] - 22, y)
        canvas.dot(TRUNK[kind], y, 3.5)
    if is_last:
        foot = top + 34 + 2 * 24 + 34
        ends: tuple[Kind, Kind] = ("a", "b")
        for kind in ends:
            canvas.wire([(TRUNK[kind], top + 34), (TRUNK[kind], foot + 12)], WIRES[kind].colour)
        _lying_resistor(canvas, TRUNK["a"], TRUNK["b"], foot + 6)
        canvas.text(TRUNK["a"] - 8, foot + 28, "120 ohm: end", size=11, colour=QUIET)
    if station.board is None:
        return [*TRUNK, *_draw_lone(canvas, station, top, rail)]
    height = 118.0
    canvas.rect(Box(_NODE[0], top, _NODE[1], top + height), fill="#e9f1fb", thick=2)
    for index, name in enumerate(("A", "B", "GND")):
        canvas.text(_NODE[0] + 10, top + 38 + index * 24, name, size=12)
    _name(canvas, station, top)
    y = top + 40
    for line in wrapped(f"node, {station.unit}, {station.line}", 160, _TEXT):
        canvas.text(_NODE[0] + 52, y, line, size=_TEXT)
        y += 15
    y = canvas.paragraph(_NODE[0] + 52, y, board_title(station.board), 160, size=_TEXT, colour=QUIET)
    used: list[Kind] = list(TRUNK)
    if station.on_pins or station.relay_pin is not None or station.dimmer_pin is not None:
        used += _draw_pins(canvas, station, top + height)
    if station.on_wires:
        used += _draw_sensors(canvas, station, top, rail)
    return used


def _name(canvas: Canvas, station: Station, top: float) -> None:
    size = fitting_size(station.name, _NODE[1] - _NODE[0] - 16, 14, bold=True)
    canvas.text((_NODE[0] + _NODE[1]) / 2, top + 20, station.name, size=size, bold=True, anchor="middle")


def device_lines(device: WiredDevice) -> list[str]:
    """What stands in a device's box under its name."""
    lines = [device.model]
    where = ", ".join(part for part in (device.units, device.line) if part)
    if where:
        lines.append(where)
    lines.append(f"supply: {device.supply}")
    wiring = device.wiring
    names = {"a": "A", "b": "B", "plus": "+", "minus": "-", "send": "TX", "receive": "RX", "live": "L", "neutral": "N"}
    if wiring is not None and wiring.terminals:
        lines.append(", ".join(f"{names[key]} {value}" for key, value in wiring.terminals.items()))
    else:
        lines.append(f"terminals: {SEE_SHEET}")
    if wiring is not None and wiring.remark:
        lines.append(wiring.remark)
    return lines


def _rows(station: Station) -> list[list[WiredDevice]]:
    devices = list(station.on_wires)
    return [devices[index : index + _A_ROW] for index in range(0, len(devices), _A_ROW)]


def _wrapped_lines(device: WiredDevice) -> list[tuple[str, bool]]:
    """Lines with whether they are quiet: the remark is."""
    listed = device_lines(device)
    has_remark = device.wiring is not None and bool(device.wiring.remark)
    found = []
    for index, line in enumerate(listed):
        quiet = has_remark and index == len(listed) - 1
        found += [(piece, quiet) for piece in wrapped(line, _DEVICE - 20, _TEXT)]
    return found


def _device_height(device: WiredDevice) -> float:
    extra = 24 if device.link == "ttl" else 0
    return 46 + extra + len(_wrapped_lines(device)) * 14.5


def _row_height(row: list[WiredDevice]) -> float:
    return max(_device_height(device) for device in row)


def _pin_rows(station: Station) -> list[str]:
    rows = [f"{device.name}: {device.model}, {device.pins}" for device in station.on_pins]
    if station.relay_pin is not None:
        rows.append(f"lamp relay: GPIO{station.relay_pin}, contact closed at rest")
    if station.dimmer_pin is not None:
        rows.append(f"lamp 0-10 V stage: GPIO{station.dimmer_pin}, no signal = 10 V")
    return [piece for row in rows for piece in wrapped(row, _NODE[1] - _NODE[0] - 20, _TEXT)]


def _pins_height(station: Station) -> float:
    rows = _pin_rows(station)
    return 34 + 30 + 15.0 * len(rows) if rows else 0


def _draw_pins(canvas: Canvas, station: Station, top: float) -> list[Kind]:
    used: list[Kind] = ["input"] if station.on_pins else []
    used += ["relay"] if station.relay_pin is not None else []
    used += ["dim"] if station.dimmer_pin is not None else []
    wires: list[Kind] = [*used, "gnd"]
    box_top = top + 34
    rows = _pin_rows(station)
    canvas.rect(Box(_NODE[0], box_top, _NODE[1], box_top + 30 + 15 * len(rows)), fill=PAPER)
    for index, kind in enumerate(wires):
        x = _NODE[0] + 40 + index * 50
        canvas.wire([(x, top), (x, box_top)], WIRES[kind].colour)
        tag_wire(canvas, kind, x, top + 17)
    canvas.text(_NODE[0] + 10, box_top + 18, "on pins of the node", size=12, bold=True)
    for index, row in enumerate(rows):
        canvas.text(_NODE[0] + 10, box_top + 35 + index * 15, row, size=_TEXT)
    return used


def _draw_sensors(canvas: Canvas, station: Station, top: float, rail: int) -> list[Kind]:
    """The sensor bus, from the node on to the right, back on the next row, and so on: a chain, never a star."""
    serial = all(device.link == "uart" for device in station.on_wires)
    run: tuple[Kind, ...] = ("send", "receive", "gnd", "plus") if serial else ("a", "b", "gnd", "plus")
    y = top + 26
    rows = _rows(station)
    for number, row in enumerate(rows):
        forth = number % 2 == 0
        xs = [_FIRST + (index if forth else _A_ROW - 1 - index) * _PITCH for index in range(len(row))]
        is_last = number == len(rows) - 1
        far = xs[-1] + (100 + 24 if forth else -16)
        if not is_last:
            far = _RIGHT if forth else _FIRST - 50
        near = (_NODE[1] if number == 0 else _FIRST - 50) if forth else _RIGHT
        for index, kind in enumerate(run):
            level = y + index * _STEP
            begin = near if number == 0 else near + (index if forth else 3 - index) * 9
            end = far if is_last else far + (3 - index if forth else index) * 9
            canvas.wire([(begin, level), (end, level)], WIRES[kind].colour)
            if not is_last:
                below = y + _DROP + _row_height(row) + 30 + index * _STEP
                canvas.wire([(end, level), (end, below)], WIRES[kind].colour)
            if number == 0:
                tag_wire(canvas, kind, _NODE[1] + 20, level)
        if number == 0:
            canvas.text(_NODE[1] + 34, y - 9, _rail_text(station, rail, serial), size=_TEXT, colour=QUIET)
            if not serial:
                resistor(canvas, _NODE[1] + 44, y, y + _STEP)
        for device, x in zip(row, xs, strict=True):
            _draw_device(canvas, device, x, y, run, rail)
        if is_last and not serial:
            resistor(canvas, far, y, y + _STEP)
        y += _DROP + _row_height(row) + 30
    return list(run)


def _rail_text(station: Station, rail: int, serial: bool) -> str:
    if serial:
        return "serial port of the node, 3.3 V"
    lines = {device.line for device in station.on_wires if device.line}
    return f"sensor bus {', '.join(sorted(lines))}; + is {rail} V DC; 120 ohm at both ends"


def _draw_device(canvas: Canvas, device: WiredDevice, x: float, y: float, run: tuple[Kind, ...], rail: int) -> None:
    top = y + _DROP
    height = _device_height(device)
    canvas.rect(Box(x, top, x + _DEVICE, top + height), fill=FILL)
    names = ("RX", "TX", "0 V", "+") if run[0] == "send" else ("A", "B", "0 V", "+")
    on_rail = device.takes(rail)
    for index, kind in enumerate(run):
        at = x + 16 + index * 28
        canvas.text(at, top + 14, names[index], size=10, anchor="middle")
        canvas.dot(at, top, 3, fill=PAPER)
        if kind == "plus" and not on_rail:
            continue
        canvas.wire([(at, y + index * _STEP), (at, top)], WIRES[kind].colour)
        canvas.dot(at, y + index * _STEP, 2.5)
    if not on_rail:
        _own_supply(canvas, device, x + 16 + 3 * 28, top)
    row = top + 32
    if device.link == "ttl":
        canvas.rect(Box(x + 6, top + 20, x + _DEVICE - 6, top + 40), fill="#fdeee0", thick=1)
        canvas.text(x + _DEVICE / 2, top + 34, "through an RS-485 to TTL module", size=_TEXT, anchor="middle")
        row += 24
    canvas.text(x + 10, row, device.name, size=fitting_size(device.name, _DEVICE - 20, 12, bold=True), bold=True)
    for line, quiet in _wrapped_lines(device):
        row += 14.5
        canvas.text(x + 10, row, line, size=_TEXT, colour=QUIET if quiet else INK)


def _own_supply(canvas: Canvas, device: WiredDevice, x: float, top: float) -> None:
    """A supply that is not the rail: from the mains, of its own voltage, or not known."""
    if device.is_on_mains:
        canvas.mark([(x, top), (x, top - 16), (x + 14, top - 16)], WIRES["l"].colour, thick=2.4)
        canvas.text(x + 20, top - 12, "L, N mains", size=_TEXT, bold=True, colour=WIRES["l"].colour)
    elif device.supply == SEE_SHEET:
        canvas.mark([(x, top), (x, top - 16), (x + 14, top - 16)], WIRES["plus"].colour, dash="4 3")
        canvas.text(x + 20, top - 12, "? data sheet", size=_TEXT, bold=True, colour=WIRES["plus"].colour)
    else:
        canvas.mark([(x, top), (x, top - 16)], WIRES["plus"].colour)
        flag(canvas, x, top - 16, f"{device.supply}", left=False)


def _draw_lone(canvas: Canvas, station: Station, top: float, rail: int) -> list[Kind]:
    device = station.devices[0]
    height = max(_device_height(device), 118)
    canvas.rect(Box(_NODE[0], top, _NODE[1], top + height))
    for index, name in enumerate(("A", "B", "0 V")):
        canvas.text(_NODE[0] + 10, top + 38 + index * 24, name, size=12)
    y = top + 20
    _name(canvas, station, top)
    y += 20
    for line in device_lines(device):
        y = canvas.paragraph(_NODE[0] + 52, y, line, _NODE[1] - _NODE[0] - 62, size=_TEXT)
    x, at = _NODE[1], top + 34
    if device.takes(rail):
        flag(canvas, x, at, f"+{rail} V DC", left=False)
        return ["plus"]
    if device.is_on_mains:
        draw_wire(canvas, "l", [(x, at), (x + 80, at)])
        draw_wire(canvas, "n", [(x, at + 24), (x + 80, at + 24)])
        canvas.text(x + 88, at + 16, "mains, behind the fuse", size=12)
        return ["l", "n"]
    canvas.mark([(x, at), (x + 30, at)], WIRES["plus"].colour, dash="4 3")
    supply = f"supply: {device.supply}"
    canvas.text(x + 38, at + 4, supply, size=12)
    return ["plus"]


def _lying_resistor(canvas: Canvas, x0: float, x1: float, y: float) -> None:
    middle = (x0 + x1) / 2
    canvas.mark([(x0, y), (x1, y)])
    canvas.patch(Box(middle - 9, y - 5, middle + 9, y + 5))
    canvas.dot(x0, y, 3)
    canvas.dot(x1, y, 3)
