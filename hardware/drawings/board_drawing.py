"""The wiring drawing of one board: its connectors, and what hangs on which pin."""

from dataclasses import dataclass
from itertools import groupby

from gateway_agent.boards.model import Board, PortSection
from hardware.drawings.board_fields import Field, What, draw_field, field_height
from hardware.drawings.canvas import FILL, INK, PAPER, QUIET, Anchor, Box, Canvas, Point
from hardware.drawings.symbols import flag, warnings
from hardware.drawings.wires import Kind, draw_legend, draw_wire, tag_wire

_WIDTH = 1900.0
_MODULE = (800.0, 1100.0)
_BLOCK = (330.0, 560.0)
_TOP = 110.0
_STEP = 30.0
_PORT_STEP = 24.0
_GAP = 34.0


@dataclass(frozen=True, slots=True)
class Inlet:
    """A terminal of a block: on a `pin` of a connector, or on the supply that `name` says where `pin` is None."""

    name: str
    kind: Kind
    pin: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """Something beside the module: `inlets` face the module, `field` is what goes out to the pole."""

    title: str
    inlets: tuple[Inlet, ...]
    field: Field
    note: str = ""

    @property
    def height(self) -> float:
        """Height that it needs, with its field."""
        return max(30 + len(self.inlets) * _PORT_STEP + (38 if self.note else 8), field_height(self.field))


def board_drawing(name: str, board: Board) -> Canvas:
    """The drawing of a checked board; `name` is that of its file."""
    canvas = Canvas(f"{board.board.model}: wiring of a node", _WIDTH)
    canvas.text(40, 46, board.board.model, size=26, bold=True)
    where = f"wiring of a node, from hardware/boards/{name}.toml; each wire bears its letters, the legend is below"
    canvas.text(40, 74, where, size=14, colour=QUIET)
    sides = {side: [one for one in board.connectors if one.side == side] for side in ("left", "right")}
    places: dict[str, Point] = {}
    bottom = _TOP
    for side, connectors in sides.items():
        y = _TOP + 40
        for connector in connectors:
            left = side == "left"
            x = _MODULE[0] if left else _MODULE[1]
            label = connector.name if connector.in_order else f"{connector.name}*"
            canvas.text(
                x + 10 if left else x - 10, y - 14, label, size=13, bold=True, anchor="start" if left else "end"
            )
            for pin in connector.pins:
                places[pin] = (x, y + 10)
                y += _STEP
            y += 30
        bottom = max(bottom, y)
    blocks = {side: _blocks(board, side, places) for side in ("left", "right")}
    taken = {inlet.pin for side in blocks.values() for block in side for inlet in block.inlets if inlet.pin}
    module_bottom = _inside(canvas, board, bottom)
    canvas.rect(Box(_MODULE[0], _TOP, _MODULE[1], module_bottom), fill=PAPER, thick=2.4, round_by=10)
    _draw_pins(canvas, board, places, taken)
    below = [module_bottom]
    for side, listed in blocks.items():
        below.append(_draw_side(canvas, listed, places, side == "left"))
    return _foot(canvas, board, blocks, max(below) + 40)


def _blocks(board: Board, side: str, places: dict[str, Point]) -> list[Block]:
    """The blocks of one side, from top to bottom as their first pins are."""
    pins = {connector.gpio(pin): pin for connector in board.connectors for pin in connector.pins}
    blocks = [*_buses(board, pins), *_lamp(board, pins), *_i2c(board, pins), *_inputs(board, pins)]
    if board.supply is not None:
        inlets = (Inlet("+", "plus", board.supply.plus), Inlet("0 V", "gnd", board.supply.minus))
        blocks.append(Block(f"Supply {board.supply.volts}", inlets, Field("supply"), note=""))

    def is_here(block: Block) -> bool:
        return any(inlet.pin and (places[inlet.pin][0] == _MODULE[0]) == (side == "left") for inlet in block.inlets)

    def middle(block: Block) -> float:
        rows = [places[inlet.pin][1] for inlet in block.inlets if inlet.pin]
        return sum(rows) / len(rows)

    return sorted((block for block in blocks if is_here(block)), key=middle)


def _buses(board: Board, pins: dict[int | None, str]) -> list[Block]:
    own = next((one.bus for one in board.connectors if one.bus is not None), None)
    blocks = []
    if own is not None:
        joined = (Inlet("A", "a", own[0]), Inlet("B", "b", own[1]), Inlet("GND", "gnd", own[2]))
        speed = f", {board.pole_bus.max_baud} baud at most" if board.pole_bus.max_baud else ""
        blocks.append(Block("Pole bus", joined, Field("pole_bus"), note=f"transceiver on the board{speed}"))
    else:
        blocks.append(_transceiver("Pole bus: transceiver 3.3 V", board.pole_bus, pins, Field("pole_bus")))
    port = board.sensor_port
    if port.transceiver == "pin":
        blocks.append(_transceiver("Sensor port: transceiver 3.3 V", port, pins, Field("sensor_bus")))
    elif port.transceiver == "none":
        inlets = (
            Inlet("node sends", "send", pins[port.tx]),
            Inlet("node receives", "receive", pins[port.rx]),
            Inlet("3V3", "plus", None),
            Inlet("GND", "gnd", None),
        )
        blocks.append(Block("Sensor port: bare, 3.3 V", inlets, Field("serial")))
    return blocks


def _transceiver(title: str, port: PortSection, pins: dict[int | None, str], field: Field) -> Block:
    assert port.direction is not None
    inlets = [
        Inlet("RO", "receive", pins[port.rx]),
        Inlet("DE + /RE", "direction", pins[port.direction]),
        Inlet("DI", "send", pins[port.tx]),
    ]
    inlets += [Inlet("3V3", "plus", None), Inlet("GND", "gnd", None)]
    return Block(title, tuple(inlets), field, note="10 kilohm from DE + /RE to GND")


def _lamp(board: Board, pins: dict[int | None, str]) -> list[Block]:
    blocks = []
    if board.lamp.dimmer is not None:
        stage = (Inlet("PWM 1 kHz", "dim", pins[board.lamp.dimmer]), Inlet("GND", "gnd", None))
        blocks.append(Block("Lamp: 0-10 V stage", stage, Field("dimmer"), note="no signal = 10 V = full light"))
    if board.lamp.relay is not None:
        inlets = (Inlet("IN", "relay", pins[board.lamp.relay]), Inlet("5 V", "plus", None), Inlet("GND", "gnd", None))
        blocks.append(Block("Lamp: relay", inlets, Field("relay"), note="no power = contact closed = lit"))
    return blocks


def _i2c(board: Board, pins: dict[int | None, str]) -> list[Block]:
    if board.i2c is None:
        return []
    inlets = (
        Inlet("SCL", "scl", pins[board.i2c.scl]),
        Inlet("SDA", "sda", pins[board.i2c.sda]),
        Inlet("3V3", "plus", None),
        Inlet("GND", "gnd", None),
    )
    return [Block("I2C: tilt sensor", inlets, Field("i2c"))]


def free_pins(board: Board) -> list[int]:
    """The inputs that nothing else on the drawing uses."""
    used = {board.lamp.dimmer, board.lamp.relay, board.sensor_port.tx, board.sensor_port.rx}
    if board.i2c is not None:
        used |= {board.i2c.sda, board.i2c.scl}
    return [pin for pin in board.free.inputs if pin not in used]


def _inputs(board: Board, pins: dict[int | None, str]) -> list[Block]:
    """One block of free inputs for each connector that has some."""
    owner = {pin: index for index, one in enumerate(board.connectors) for pin in one.pins}
    free = [(owner[pins[gpio]], gpio) for gpio in free_pins(board) if gpio in pins]
    blocks = []
    for _, group in groupby(sorted(free), key=lambda pair: pair[0]):
        order = list(pins.values())
        gpios = sorted((gpio for _, gpio in group), key=lambda gpio: order.index(pins[gpio]))
        inlets = tuple(Inlet(_input_name(board, gpio), "input", pins[gpio]) for gpio in gpios)
        rows = tuple((f"IN {gpio}", gpio >= 34) for gpio in gpios)
        blocks.append(Block("Free inputs", inlets, Field("inputs", rows)))
    return blocks


def _input_name(board: Board, gpio: int) -> str:
    return f"GPIO{gpio}" + (", 4-20 mA" if gpio in board.free.analog else "")


def _draw_pins(canvas: Canvas, board: Board, places: dict[str, Point], taken: set[str]) -> None:
    for connector in board.connectors:
        left = connector.side == "left"
        for number, pin in enumerate(connector.pins, 1):
            x, y = places[pin]
            ground = "#ffe9a8" if pin in taken else FILL
            canvas.rect(Box(x - 11, y - 9, x + 11, y + 9), fill=ground, thick=1.2, round_by=2)
            gpio = connector.gpio(pin)
            name = pin.strip()
            if gpio is not None and name not in (f"IO{gpio}", f"GPIO{gpio}"):
                name += f" = GPIO{gpio}"
            if connector.in_order:
                canvas.text(x, y + 4, str(number), size=11, anchor="middle", colour=QUIET)
            colour = INK if pin in taken else QUIET
            anchor: Anchor = "start" if left else "end"
            at = x + 18 if left else x - 18
            canvas.text(at, y + 5, name, size=13, bold=pin in taken, anchor=anchor, colour=colour)


def _inside(canvas: Canvas, board: Board, y: float) -> float:
    """What is wired on the board itself, between the rows of pins; returns the y below it."""
    left, width = _MODULE[0] + 16, _MODULE[1] - _MODULE[0] - 32
    middle = left + width / 2
    module = f"ESP32-{board.board.module}, board number {board.board.number}"
    canvas.text(middle, y, module, size=13, bold=True, anchor="middle")
    y += 12
    lines = [f"GPIO{one.pin} = {one.level}: {one.what}" for one in board.enable]
    lines += [f"{what}: GPIO {', '.join(map(str, pins))}" for what, pins in board.wired.items()]
    if lines:
        y += 10
        canvas.text(middle, y, "on the board already", size=11.5, anchor="middle", colour=QUIET)
        y += 18
    for line in lines:
        y = canvas.paragraph(left, y, line, width, size=11, colour=QUIET) + 4
    return y + 12


def _draw_side(canvas: Canvas, blocks: list[Block], places: dict[str, Point], left: bool) -> float:
    """Blocks of one side with their wires; returns the y below them."""

    def x_of(x: float) -> float:
        return x if left else _WIDTH - x

    y = _TOP + 10
    runs: list[tuple[Point, Point, Kind]] = []
    for block in blocks:
        edges = sorted((x_of(_BLOCK[0]), x_of(_BLOCK[1])))
        inner, outer = x_of(_BLOCK[1]), x_of(_BLOCK[0])
        canvas.rect(Box(edges[0], y, edges[1], y + block.height))
        canvas.text((edges[0] + edges[1]) / 2, y + 20, block.title, size=13, bold=True, anchor="middle")
        row = y + 44
        for inlet in block.inlets:
            canvas.text(
                inner - 14 if left else inner + 14, row + 4, inlet.name, size=12, anchor="end" if left else "start"
            )
            canvas.dot(inner, row, 3.5, fill=PAPER)
            if inlet.pin is None:
                flag(canvas, inner, row, inlet.name, left=not left, kind=inlet.kind)
            else:
                runs.append((places[inlet.pin], (inner, row), inlet.kind))
            row += _PORT_STEP
        if block.note:
            canvas.paragraph(edges[0] + 10, row + 8, block.note, edges[1] - edges[0] - 20, size=11, colour=QUIET)
        draw_field(canvas, block.field, outer, y, block.height, left=left)
        y += block.height + _GAP
    _draw_runs(canvas, runs, left)
    return y


def _draw_runs(canvas: Canvas, runs: list[tuple[Point, Point, Kind]], left: bool) -> None:
    """Each wire has a lane of its own between module and blocks, so that none lies on another.

    Wires that go down have their lanes nearer to the module the lower they begin, those that go up the other way
    round: so wires of one direction do not cross.
    """
    down = sorted((run for run in runs if run[1][1] > run[0][1]), key=lambda run: -run[0][1])
    rest = sorted((run for run in runs if run[1][1] <= run[0][1]), key=lambda run: run[0][1])
    if not runs:
        return
    room = _MODULE[0] - _BLOCK[1] - 125
    step = room / max(len(runs), 1)
    for index, (start, end, kind) in enumerate([*down, *rest]):
        lane = start[0] - (40 + index * step) * (1 if left else -1)
        begin = (start[0] - 11 if left else start[0] + 11, start[1])
        points = [begin, end] if abs(start[1] - end[1]) < 0.5 else [begin, (lane, start[1]), (lane, end[1]), end]
        draw_wire(canvas, kind, points, tag=False)
        tag_wire(canvas, kind, end[0] + (26 if left else -26), end[1])


def _foot(canvas: Canvas, board: Board, blocks: dict[str, list[Block]], y: float) -> Canvas:
    """Warnings and legend."""
    kinds: list[Kind] = ["a", "b", "gnd", "plus"]
    fields = {block.field.what for side in blocks.values() for block in side}
    for side in blocks.values():
        for block in side:
            kinds += [inlet.kind for inlet in block.inlets]
    if "relay" in fields:
        kinds.append("l")
    texts = _warnings(board, fields)
    y = warnings(canvas, 40, y, _WIDTH - 80, texts) + 40
    y = draw_legend(canvas, 40, y, list(dict.fromkeys(kinds)), 4, 460)
    if any(not one.in_order for one in board.connectors):
        canvas.text(40, y + 16, "* a list, not the order on the board: go by the print beside the terminals", size=12)
        y += 24
    canvas.height = y + 30
    return canvas


def _warnings(board: Board, fields: set[What]) -> list[tuple[str, list[str]]]:
    texts = []
    if "relay" in fields or "dimmer" in fields:
        lines = [
            "The lamp goes to the contact that is CLOSED AT REST: the node pulls the relay to darken.",
            "The 0-10 V stage gives 10 V without a signal. A dead node, a broken wire: full light.",
        ]
        texts.append(("No signal is full light", lines))
    lines = [
        "120 ohm between A and B at both ends of a cable and nowhere else; one pair of bias resistors a bus.",
        "Daisy chain, no star. GND of all stations joined. Some makers swap the names A and B.",
    ]
    texts.append(("RS-485", lines))
    if board.supply is not None:
        lines = [f"{board.supply.plus.strip()} takes {board.supply.volts}. {board.supply.remark}"]
        lines.append("Mains only by an electrician, with the pole switched off.")
        texts.append(("Supply", lines))
    return texts
