"""A terminal's page as SVG: text that can be read and copied, no outside fonts."""

from html import escape
from itertools import groupby

from tests.screens.terminal import Cell, Style, Terminal

_PAPER, _INK = "#11161c", "#d8dee6"
_COLOURS = {
    "black": "#3b4450",
    "red": "#e0606a",
    "green": "#7cc37c",
    "yellow": "#e0b85a",
    "blue": "#6fa8e8",
    "magenta": "#c58be0",
    "cyan": "#5fc3c9",
    "white": "#d8dee6",
}
_GROUNDS = {"green": "#2f7d46", "red": "#b03a44", "yellow": "#8a6a16", "blue": "#2f5f9e"}
"""Darker than the letters, which are white on them."""
_WIDE, _HIGH, _SIZE = 8.4, 18.0, 14
_MARGIN, _BAR = 14.0, 30.0


def picture(terminal: Terminal, title: str) -> str:
    """The page with `title`, the command that made it, in a bar above."""
    rows = terminal.shown()
    width = terminal.columns * _WIDE + 2 * _MARGIN
    height = len(rows) * _HIGH + 2 * _MARGIN + _BAR
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-size="{_SIZE}" '
        'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">',
        f"<title>{escape(title, quote=False)}</title>",
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="{_PAPER}"/>',
        f'<text x="{_MARGIN}" y="21" fill="#8a95a3">$ {escape(title, quote=False)}</text>',
        f'<line x1="0" y1="{_BAR}" x2="{width:.0f}" y2="{_BAR}" stroke="#2a333d"/>',
    ]
    for index, row in enumerate(rows):
        lines += _row(row, _BAR + _MARGIN + index * _HIGH)
    return "\n".join([*lines, "</svg>", ""])


def _row(row: list[Cell], top: float) -> list[str]:
    lines, column = [], 0
    for style, group in groupby(row, key=lambda cell: cell[1]):
        text = "".join(character for character, _ in group)
        x, width = _MARGIN + column * _WIDE, len(text) * _WIDE
        colour, ground = _colours(style)
        if ground is not None:
            lines.append(f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_HIGH:g}" fill="{ground}"/>')
        if text.strip():
            looks = ' font-weight="bold"' if style.bold else ""
            looks += ' font-style="italic"' if style.italic else ""
            looks += ' text-decoration="underline"' if style.underline else ""
            looks += ' opacity="0.6"' if style.dim else ""
            lines.append(
                f'<text x="{x:.1f}" y="{top + 14:.1f}" fill="{colour}" textLength="{width:.1f}" '
                f'xml:space="preserve"{looks}>{escape(text, quote=False)}</text>'
            )
        column += len(text)
    return lines


def _colours(style: Style) -> tuple[str, str | None]:
    colour = _hue(style.colour) or _INK
    ground = _GROUNDS.get((style.ground or "").removeprefix("bright "), _hue(style.ground))
    return (ground or _PAPER, colour) if style.reverse else (colour, ground)


def _hue(name: str | None) -> str | None:
    if name is None or name.startswith("#"):
        return name
    return _COLOURS[name.removeprefix("bright ")]
