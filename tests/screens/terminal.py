"""A small terminal: bytes of a program in, rows of coloured cells out.

It knows what rich writes (ECMA-48: SGR, cursor moves, erasing) and what a shell's program may: tabs, backspace, CR, LF.
The page grows downwards without end; what scrolls off a real screen stays here, so that a picture shows the whole run.
Anything else that begins with ESC is passed over.
"""

import codecs
import re
from dataclasses import dataclass, field, replace

_SEQUENCE = re.compile(r"\x1b(?:\[([?>=]?)([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][0-9A-Za-z]|[ -/]*[0-~])")
_INCOMPLETE = re.compile(r"\x1b(?:\[[?>=]?[0-9;:]*|\][^\x07\x1b]*\x1b?|[()]|[ -/]*)?$")
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_LEVELS = (0, 95, 135, 175, 215, 255)


@dataclass(frozen=True, slots=True)
class Style:
    """How a cell looks. A colour is a name of the sixteen (`red`, `bright red`), `#rrggbb`, or None for the default."""

    colour: str | None = None
    ground: str | None = None
    bold: bool = False
    dim: bool = False
    italic: bool = False
    underline: bool = False
    reverse: bool = False


PLAIN = Style()
Cell = tuple[str, Style]


@dataclass
class Terminal:
    """A page `columns` wide with a window of `lines`, beyond which the cursor cannot go up; `feed` it bytes."""

    columns: int
    lines: int
    rows: list[list[Cell]] = field(default_factory=lambda: [[]])
    _row: int = 0
    _column: int = 0
    _style: Style = PLAIN
    _rest: str = ""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )

    def feed(self, data: bytes) -> None:
        """Take bytes as they come; sequences and characters may be cut anywhere."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        at = 0
        while at < len(text):
            if text[at] != "\x1b":
                self._take(text[at])
                at += 1
                continue
            if _INCOMPLETE.match(text, at):
                self._rest = text[at:]
                return
            found = _SEQUENCE.match(text, at)
            if found is None:
                at += 1
                continue
            if found[3] and not found[1]:
                self._obey(found[3], found[2])
            at = found.end()

    def text(self) -> str:
        """The page without colours, without blanks at the ends of lines."""
        return "\n".join("".join(character for character, _ in row).rstrip() for row in self.shown())

    def shown(self) -> list[list[Cell]]:
        """The rows down to the last that has something on it."""
        last = len(self.rows)
        while last and not any(character.strip() for character, _ in self.rows[last - 1]):
            last -= 1
        return self.rows[:last]

    def _take(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character in "\n\v\f":
            self._move_to(self._row + 1)
        elif character == "\b":
            self._column = max(0, self._column - 1)
        elif character == "\t":
            self._column = min(self.columns - 1, self._column // 8 * 8 + 8)
        elif character >= " " and character != "\x7f":
            if self._column >= self.columns:
                self._column = 0
                self._move_to(self._row + 1)
            row = self.rows[self._row]
            row += [(" ", PLAIN)] * (self._column + 1 - len(row))
            row[self._column] = (character, self._style)
            self._column += 1

    def _obey(self, final: str, text: str) -> None:
        numbers = [int(part) if part else 0 for part in re.split("[;:]", text)]
        count = numbers[0] or 1
        if final == "m":
            self._style = _styled(self._style, numbers)
        elif final in "AF":
            self._row = max(len(self.rows) - self.lines, 0, self._row - count)
        elif final in "BE":
            self._move_to(self._row + count)
        elif final == "C":
            self._column = min(self.columns - 1, self._column + count)
        elif final == "D":
            self._column = max(0, self._column - count)
        elif final == "G":
            self._column = min(self.columns, count) - 1
        elif final in "Hf":
            top = max(0, len(self.rows) - self.lines)
            self._move_to(top + count - 1)
            self._column = (numbers[1] if len(numbers) > 1 and numbers[1] else 1) - 1
        elif final == "K":
            self._erase_line(numbers[0])
        elif final == "J":
            self._erase_page(numbers[0])
        if final in "EF":
            self._column = 0

    def _move_to(self, row: int) -> None:
        while len(self.rows) <= row:
            self.rows.append([])
        self._row = row

    def _erase_line(self, how: int) -> None:
        row = self.rows[self._row]
        if how == 0:
            del row[self._column :]
        else:
            kept = [] if how == 2 else row[self._column + 1 :]
            blank = [(" ", PLAIN)] * min(self._column + 1, len(row)) if kept else []
            self.rows[self._row] = [*blank, *kept]

    def _erase_page(self, how: int) -> None:
        first = max(0, len(self.rows) - self.lines)
        if how == 0:
            self._erase_line(0)
            del self.rows[self._row + 1 :]
        else:
            for index in range(first, len(self.rows) if how == 2 else self._row + 1):
                self.rows[index] = []


def _styled(style: Style, numbers: list[int]) -> Style:
    rest = list(numbers)
    while rest:
        number = rest.pop(0)
        if number == 0:
            style = PLAIN
        elif number in _SWITCHES:
            style = replace(style, **_SWITCHES[number])
        elif 30 <= number <= 37 or 90 <= number <= 97:
            style = replace(style, colour=_name(number % 10, number >= 90))
        elif 40 <= number <= 47 or 100 <= number <= 107:
            style = replace(style, ground=_name(number % 10, number >= 100))
        elif number in (38, 48):
            colour = _long_colour(rest)
            style = replace(style, **{"colour" if number == 38 else "ground": colour})
        elif number == 39:
            style = replace(style, colour=None)
        elif number == 49:
            style = replace(style, ground=None)
    return style


_SWITCHES: dict[int, dict[str, bool]] = {
    1: {"bold": True},
    2: {"dim": True},
    3: {"italic": True},
    4: {"underline": True},
    7: {"reverse": True},
    22: {"bold": False, "dim": False},
    23: {"italic": False},
    24: {"underline": False},
    27: {"reverse": False},
}


def _name(index: int, is_bright: bool) -> str:
    return f"bright {_NAMES[index]}" if is_bright else _NAMES[index]


def _long_colour(rest: list[int]) -> str | None:
    """The colour of 38;5;N or 38;2;R;G;B, whose numbers are taken from `rest`."""
    if rest[:1] == [2] and len(rest) >= 4:
        red, green, blue = rest[1:4]
        del rest[:4]
        return f"#{red & 255:02x}{green & 255:02x}{blue & 255:02x}"
    if rest[:1] == [5] and len(rest) >= 2:
        number = rest[1]
        del rest[:2]
        if number < 16:
            return _name(number % 8, number >= 8)
        if number < 232:
            parts = [_LEVELS[(number - 16) // step % 6] for step in (36, 6, 1)]
            return "#" + "".join(f"{part:02x}" for part in parts)
        return "#" + f"{8 + (number - 232) * 10:02x}" * 3
    rest.clear()
    return None
