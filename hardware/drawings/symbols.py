"""What is drawn again and again: terminals, resistors, ground and supply marks, a contact that is closed at rest."""

from hardware.drawings.canvas import INK, PAPER, Box, Canvas
from hardware.drawings.text_width import wrapped
from hardware.drawings.wires import WIRES, Kind


def resistor(canvas: Canvas, x: float, top: float, bottom: float, colour: str = INK) -> None:
    """An upright resistor (IEC box) between two level wires, with a joint on each."""
    middle, half = (top + bottom) / 2, min(14.0, (bottom - top) / 2 - 4)
    canvas.mark([(x, top), (x, bottom)], colour)
    canvas.patch(Box(x - 5, middle - half, x + 5, middle + half), colour=colour)
    canvas.dot(x, top, 3)
    canvas.dot(x, bottom, 3)


def terminal(canvas: Canvas, x: float, y: float, label: str, *, left: bool, kind: Kind) -> None:
    """A screw terminal; the label stands on its `left` or its right."""
    canvas.dot(x, y, 6, fill=PAPER, colour=WIRES[kind].colour)
    canvas.text(x - 12 if left else x + 12, y + 5, label, size=13, bold=True, anchor="end" if left else "start")


def ground(canvas: Canvas, x: float, y: float) -> None:
    """The mark of ground hanging below a point."""
    canvas.mark([(x, y), (x, y + 8)])
    for width, drop in ((9, 8), (6, 12), (3, 16)):
        canvas.mark([(x - width, y + drop), (x + width, y + drop)])


def flag(canvas: Canvas, x: float, y: float, label: str, *, left: bool, kind: Kind = "plus") -> None:
    """A short wire that ends in the name of a supply; all flags of one name are joined."""
    end = x - 16 if left else x + 16
    canvas.mark([(x, y), (end, y)], WIRES[kind].colour, thick=2.2)
    canvas.text(
        end - 5 if left else end + 5,
        y + 4,
        label,
        size=12,
        bold=True,
        anchor="end" if left else "start",
        colour=WIRES[kind].colour,
    )


def contact_closed_at_rest(canvas: Canvas, x0: float, x1: float, y: float, colour: str) -> None:
    """A contact in a level wire that opens when its coil is pulled (IEC 60617, break contact)."""
    middle = (x0 + x1) / 2
    canvas.mark([(x0, y), (middle - 20, y)], colour, thick=3)
    canvas.mark([(middle - 20, y), (middle + 22, y - 9)], colour, thick=3)
    canvas.mark([(middle + 20, y - 14), (middle + 20, y), (x1, y)], colour, thick=3)


def warnings(canvas: Canvas, x: float, y: float, width: float, texts: list[tuple[str, list[str]]]) -> float:
    """Warnings side by side, each a heading and its lines, all as high as the highest; returns the y below them."""
    each = (width - 30 * (len(texts) - 1)) / len(texts)
    rows = [sum(len(list(wrapped(line, each - 54, 12.5))) * 16.25 + 3 for line in lines) for _, lines in texts]
    height = 40 + max(rows) + 6
    for index, (heading, lines) in enumerate(texts):
        left = x + index * (each + 30)
        _warning(canvas, Box(left, y, left + each, y + height), heading, lines)
    return y + height


def _warning(canvas: Canvas, box: Box, heading: str, lines: list[str]) -> None:
    canvas.rect(box, fill="#fff6e0", colour="#b36b00", thick=2.2)
    x, y = box.left + 44, box.top + 24
    top, left = box.top + 12, box.left + 12
    canvas.mark([(left + 12, top), (left + 24, top + 22), (left, top + 22), (left + 12, top)], "#b36b00", thick=2)
    canvas.text(left + 12, top + 19, "!", size=15, bold=True, anchor="middle", colour="#b36b00")
    canvas.text(x, y, heading, size=14, bold=True)
    y += 20
    for line in lines:
        y = canvas.paragraph(x, y, line, box.right - x - 10, size=12.5) + 3
