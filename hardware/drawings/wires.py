"""Which wire has which colour and which letter, so that a drawing can be read in colour and in black and white.

Colours of low voltage are ours, for who wires a pole anew; those of the mains are IEC 60445. A device's own cable has
the colours of its maker, told at its terminals.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from hardware.drawings.canvas import INK, Canvas, Point

Kind = Literal["a", "b", "gnd", "plus", "send", "receive", "direction", "sda", "scl", "dim", "relay", "input", "l", "n"]


@dataclass(frozen=True, slots=True)
class Wire:
    """One function of a wire: the letters on it, its colour on the page and by name, what it carries."""

    letters: str
    colour: str
    colour_name: str
    carries: str


WIRES: dict[Kind, Wire] = {
    "a": Wire("A", "#e07b00", "orange", "RS-485 A (D+)"),
    "b": Wire("B", "#7b3fb5", "violet", "RS-485 B (D-)"),
    "gnd": Wire("G", "#1b1f24", "black", "ground, 0 V, common to all"),
    "plus": Wire("+", "#d0211c", "red", "supply, its voltage stands beside it"),
    "send": Wire("T", "#1f8a3b", "green", "serial, the node sends"),
    "receive": Wire("R", "#a88600", "yellow", "serial, the node receives"),
    "direction": Wire("D", "#6b7580", "grey", "direction of the transceiver, high = send"),
    "sda": Wire("SD", "#00838f", "turquoise", "I2C data"),
    "scl": Wire("SC", "#5d8aa8", "grey-blue", "I2C clock"),
    "dim": Wire("0-10", "#c2185b", "pink", "dimming"),
    "relay": Wire("K", "#ad6f3b", "tan", "relay, pulled = dark"),
    "input": Wire("IN", "#4a6a00", "olive", "input of a contact, pulses or current"),
    "l": Wire("L", "#6d3b1a", "brown", "mains 230 V, live: electricians only"),
    "n": Wire("N", "#1668c9", "blue", "mains 230 V, neutral"),
}


def draw_wire(canvas: Canvas, kind: Kind, points: list[Point], *, tag: bool = True) -> None:
    """A wire through `points`, its letters on the longest piece that lies level."""
    wire = WIRES[kind]
    canvas.wire(points, wire.colour, thick=3 if kind in ("l", "n") else 2.2)
    level = [(a, b) for a, b in pairwise(points) if a[1] == b[1]]
    if tag and level:
        (x0, y), (x1, _) = max(level, key=lambda piece: abs(piece[1][0] - piece[0][0]))
        tag_wire(canvas, kind, (x0 + x1) / 2, y)


def tag_wire(canvas: Canvas, kind: Kind, x: float, y: float) -> None:
    """The letters of a wire on it."""
    wire = WIRES[kind]
    canvas.text(x, y + 4, wire.letters, size=11, bold=True, anchor="middle", colour=wire.colour, ground="#ffffff")


def draw_legend(canvas: Canvas, x: float, y: float, kinds: list[Kind], columns: int, column_width: float) -> float:
    """The legend in columns, the heading on the base line `y`; returns the y below it."""
    canvas.text(x, y, "Wires", size=15, bold=True, colour=INK)
    for index, kind in enumerate(kinds):
        wire = WIRES[kind]
        left, row = x + index % columns * column_width, y + 24 + index // columns * 22
        canvas.mark([(left, row - 4), (left + 54, row - 4)], wire.colour, thick=3)
        tag_wire(canvas, kind, left + 27, row - 4)
        canvas.text(left + 64, row, f"{wire.colour_name}: {wire.carries}", size=12)
    return y + 24 + -(-len(kinds) // columns) * 22
