"""What goes out from a board's block to the pole: terminals, termination, bias, the lamp's contact."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from hardware.drawings.canvas import QUIET, Canvas
from hardware.drawings.symbols import contact_closed_at_rest, flag, ground, resistor, terminal
from hardware.drawings.wires import WIRES, Kind, draw_wire, tag_wire

What = Literal["pole_bus", "sensor_bus", "serial", "dimmer", "relay", "i2c", "inputs", "supply"]
_Lead = Callable[[Kind, float, str], None]
_Note = Callable[[float, str], None]
_REACH = 230.0
_HEIGHTS: dict[What, float] = {
    "pole_bus": 150,
    "sensor_bus": 190,
    "serial": 150,
    "dimmer": 110,
    "relay": 130,
    "i2c": 150,
    "inputs": 70,
    "supply": 100,
}


@dataclass(frozen=True, slots=True)
class Field:
    """`what` hangs there; `rows` are the inputs: label, and whether the pin has no pull-up of its own."""

    what: What
    rows: tuple[tuple[str, bool], ...] = ()


def field_height(field: Field) -> float:
    """Height that the field needs."""
    return _HEIGHTS[field.what] + 24 * len(field.rows)


def draw_field(canvas: Canvas, field: Field, edge: float, top: float, height: float, *, left: bool) -> None:
    """The field beside a block whose outer edge is at `edge`; `left` says to which side it goes."""
    away = -1 if left else 1
    end = edge + away * _REACH

    def lead(kind: Kind, y: float, label: str) -> None:
        draw_wire(canvas, kind, [(edge, y), (end, y)], tag=False)
        tag_wire(canvas, kind, edge + away * 20, y)
        terminal(canvas, end, y, label, left=left, kind=kind)

    def note(y: float, text: str) -> None:
        canvas.paragraph(min(edge, end) + 8 if not left else end, y, text, _REACH + 30, size=10.5, colour=QUIET)

    if field.what in ("pole_bus", "sensor_bus"):
        _bus(canvas, field.what, edge, top, away, lead, note)
    elif field.what == "serial":
        lead("send", top + 44, "TX")
        lead("receive", top + 68, "RX")
        lead("plus", top + 92, "3V3")
        lead("gnd", top + 116, "GND")
        note(top + 20, "crossed: TX to the sensor's RX")
        note(top + 140, "a serial sensor of 3.3 V, or a transceiver")
    elif field.what == "dimmer":
        lead("dim", top + 44, "DIM+")
        lead("gnd", top + 68, "DIM-")
        note(top + 20, "to the lamp's driver, 0-10 V")
        note(top + 92, "0 % is 0 V, 1 to 10 % are 1 V")
    elif field.what == "relay":
        colour = WIRES["l"].colour
        first, second = edge + away * 20, edge + away * 110
        canvas.wire([(end, top + 84), (first, top + 84), (first, top + 44)], colour, thick=3)
        contact_closed_at_rest(canvas, min(first, second), max(first, second), top + 44, colour)
        canvas.wire([(second, top + 44), (end, top + 44)], colour, thick=3)
        tag_wire(canvas, "l", end - away * 50, top + 44)
        terminal(canvas, end, top + 44, "NC", left=left, kind="l")
        tag_wire(canvas, "l", end - away * 50, top + 84)
        terminal(canvas, end, top + 84, "COM", left=left, kind="l")
        note(top + 20, "230 V: COM from the fuse, NC to the lamp")
        note(top + 112, "drawn at rest: closed, lit")
    elif field.what == "i2c":
        lead("scl", top + 44, "SCL")
        lead("sda", top + 68, "SDA")
        lead("plus", top + 92, "3V3")
        lead("gnd", top + 116, "GND")
        note(top + 20, "short, in the same housing")
        note(top + 140, "pull-ups 4.7 kilohm to 3V3, if none there")
    elif field.what == "inputs":
        y = top + 44
        for label, _ in field.rows:
            lead("input", y, label)
            y += 24
        lead("gnd", y, "GND")
        if any(bare for _, bare in field.rows):
            note(y + 20, "34 to 39 lack pull-ups: 10 kilohm to 3V3")
        note(top + 20, "contact to GND; 4-20 mA: shunt to GND")
    else:
        lead("plus", top + 44, "+")
        lead("gnd", top + 68, "0 V")
        note(top + 92, "from the converter on 24 V")


def _bus(canvas: Canvas, what: What, edge: float, top: float, away: int, lead: _Lead, note: _Note) -> None:
    a, b, common = top + 50, top + 84, top + 118
    lead("a", a, "A")
    lead("b", b, "B")
    lead("gnd", common, "GND")
    resistor(canvas, edge + away * 110, a, b)
    canvas.text(edge + away * 120, (a + b) / 2 + 4, "120", size=11, anchor="end" if away < 0 else "start")
    note(top + 22, "surge protection; shield earthed once")
    if what == "pole_bus":
        note(top + 142, "120 ohm: only at the ends of the cable")
        return
    x = edge + away * 50
    canvas.mark([(x, a), (x, a - 14)])
    flag(canvas, x, a - 14, "680 to 3V3", left=away < 0)
    canvas.dot(x, a, 3)
    x = edge + away * 70
    canvas.mark([(x, b), (x, common + 12)])
    canvas.dot(x, b, 3)
    canvas.text(x + away * 8, common + 26, "680 to GND", size=11, anchor="end" if away < 0 else "start")
    ground(canvas, x, common + 12)
    note(top + 172, "120 ohm: here, and at the last sensor")
