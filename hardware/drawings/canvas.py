"""An SVG drawing that remembers where its texts and wires are, so that a test can see that none lies on another.

Lengths are user units (pixels at 100 %), y runs down. Plain SVG 1.1: no scripts, no styles, no outside fonts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise
from typing import Literal

from hardware.drawings.text_width import text_width, wrapped

INK = "#1b1f24"
QUIET = "#5c6670"
PAPER = "#ffffff"
FILL = "#f4f6f8"
Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]

_ASCENT, _DESCENT = 0.76, 0.24
_FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle by its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        """Whether both share more than an edge."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def contains(self, other: "Box") -> bool:
        """Whether the other lies wholly within."""
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )


@dataclass(frozen=True, slots=True)
class PlacedText:
    """A text with the box it fills; `has_ground` where it stands on a patch of paper, so that a wire may end there."""

    text: str
    box: Box
    has_ground: bool


@dataclass
class Canvas:
    """One drawing. `title` is what a reader of the file, or of the screen, is told that it is."""

    title: str
    width: float
    height: float = 0
    texts: list[PlacedText] = field(default_factory=list)
    wires: list[tuple[Point, Point]] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    _under: list[str] = field(default_factory=list)
    _lines: list[str] = field(default_factory=list)
    _over: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 14,
        bold: bool = False,
        anchor: Anchor = "start",
        colour: str = INK,
        ground: str | None = None,
    ) -> None:
        """One line of text on the base line `y`; `ground` is the colour of a patch under it."""
        width = text_width(text, size, bold=bold)
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = Box(left, y - _ASCENT * size, left + width, y + _DESCENT * size)
        self.texts.append(PlacedText(text, box, ground is not None))
        self._reach(box.bottom)
        if ground is not None:
            self._over.append(
                f'<rect x="{left - 2:.1f}" y="{box.top - 1:.1f}" width="{width + 4:.1f}" '
                f'height="{size + 2:.1f}" fill="{ground}"/>'
            )
        weight = ' font-weight="bold"' if bold else ""
        self._over.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.4g}" fill="{colour}" text-anchor="{anchor}"{weight}>'
            f"{escape(text, quote=False)}</text>"
        )

    def paragraph(
        self,
        x: float,
        y: float,
        text: str,
        width: float,
        *,
        size: float = 13,
        bold: bool = False,
        colour: str = INK,
        anchor: Anchor = "start",
    ) -> float:
        """Lines no wider than `width`, the first on the base line `y`; returns the base line for what follows."""
        for line in wrapped(text, width, size, bold=bold):
            self.text(x, y, line, size=size, bold=bold, colour=colour, anchor=anchor)
            y += size * 1.3
        return y

    def wire(self, points: Sequence[Point], colour: str, *, thick: float = 2.2, dash: str = "") -> None:
        """A line through `points`."""
        self.wires += pairwise(points)
        self._stroke(points, colour, thick, dash)

    def mark(self, points: Sequence[Point], colour: str = INK, *, thick: float = 1.6, dash: str = "") -> None:
        """A line that is part of a symbol and not of a wire."""
        self._stroke(points, colour, thick, dash)

    def rect(
        self, box: Box, *, fill: str = FILL, colour: str = INK, thick: float = 1.6, round_by: float = 4, dash: str = ""
    ) -> None:
        """A rectangle under everything else."""
        self.boxes.append(box)
        self._reach(box.bottom)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._under.append(
            f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{box.right - box.left:.1f}" '
            f'height="{box.bottom - box.top:.1f}" rx="{round_by:g}" fill="{fill}" stroke="{colour}" '
            f'stroke-width="{thick:g}"{dashes}/>'
        )

    def patch(self, box: Box, *, fill: str = PAPER, colour: str = INK, thick: float = 1.4) -> None:
        """A small rectangle above the wires: a resistor, a tag."""
        self._reach(box.bottom)
        self._over.append(
            f'<rect x="{box.left:.1f}" y="{box.top:.1f}" width="{box.right - box.left:.1f}" '
            f'height="{box.bottom - box.top:.1f}" fill="{fill}" stroke="{colour}" stroke-width="{thick:g}"/>'
        )

    def dot(self, x: float, y: float, radius: float = 4, *, fill: str = INK, colour: str = INK) -> None:
        """A circle above the wires: a joint where it is full, a terminal where it is open."""
        self._reach(y + radius)
        self._over.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}" stroke="{colour}" stroke-width="1.4"/>'
        )

    def render(self) -> str:
        """The whole file."""
        size = f'width="{self.width:.0f}" height="{self.height:.0f}" viewBox="0 0 {self.width:.0f} {self.height:.0f}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="{_FONTS}">'
        ground = f'<rect width="{self.width:.0f}" height="{self.height:.0f}" fill="{PAPER}"/>'
        title = f"<title>{escape(self.title, quote=False)}</title>"
        return "\n".join((head, title, ground, *self._under, *self._lines, *self._over, "</svg>", ""))

    def _stroke(self, points: Sequence[Point], colour: str, thick: float, dash: str) -> None:
        self._reach(max(y for _, y in points))
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self._lines.append(
            f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="{thick:g}" '
            f'stroke-linejoin="round"{dashes}/>'
        )

    def _reach(self, y: float) -> None:
        self.height = max(self.height, y)
