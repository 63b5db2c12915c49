"""The work order: a CSV file with a line for each terminal, as the integrator has it. docs/kit.md, "The work order".

Only its own shape is checked here: columns, codes, what stands twice. What it says about poles is checked by
`planning`.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from gateway_agent.toml_source import Problem
from gateway_agent.toml_wording import nearest
from hardware.flash.node_file import TERMINAL_MEND, terminal_fault
from hardware.kit.problems import KitProblems

COLUMNS = ("terminal", "type", "pole", "node", "board", "mount", "settings", "note")
REQUIRED = ("terminal", "pole")
SETTINGS = ("unit", "bus", "baud", "table", "guard")
"""What the column `settings` may say of a node; all of it must be so in the pole.toml."""
_DELIMITERS = (",", ";", "\t")
_MOST_CHARACTERS = 200
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MADE_A_NUMBER = re.compile(r"\d([.,]\d+)?[Ee]\+\d+")
_MAX_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class OrderLine:
    """One line: what is written in its columns, empty where nothing is. `line` counts from 1 in the file.

    `pole` is the path of the pole.toml as it was written; `settings` are its pairs.
    """

    line: int
    terminal: str
    pole: str
    type: str = ""
    node: str = ""
    board: str = ""
    mount: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class WorkOrder:
    """A work order that was read: its `path`, its `content` as it was, and its `lines` in order."""

    path: Path
    content: bytes
    lines: tuple[OrderLine, ...]

    def problem(self, line: int | None, what: str, mend: str) -> Problem:
        """A problem with this file's name."""
        return Problem(str(self.path), line, what, mend)


def read_work_order(path: Path) -> WorkOrder:
    """Read a work order. Raises KitProblems with the line and the mend of everything that is wrong with it."""
    content = _content(path)
    rows = list(_rows(path, _text(path, content)))
    if not rows:
        raise KitProblems([Problem(str(path), None, "the file is empty", f"write a line of column names: {_known()}")])
    problems: list[Problem] = []
    lines: list[OrderLine] = []
    columns = _columns(path, *rows[0])
    seen: dict[str, int] = {}
    for number, cells in rows[1:]:
        line, faults = _line(number, columns, cells)
        problems += [Problem(str(path), number, what, mend) for what, mend in faults]
        if line is None:
            continue
        if line.terminal in seen:
            what = f"terminal {line.terminal} stands on line {seen[line.terminal]} already"
            problems.append(Problem(str(path), number, what, "each terminal has one line: remove or mend one of them"))
        seen.setdefault(line.terminal, number)
        lines.append(line)
    if not lines and not problems:
        problems.append(Problem(str(path), None, "there is no line below the column names", "write one a terminal"))
    if problems:
        raise KitProblems(problems)
    return WorkOrder(path, content, tuple(lines))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        is_absent = isinstance(error, FileNotFoundError)
        reason = "there is no such file" if is_absent else f"cannot be read ({error.strerror})"
        raise KitProblems([Problem(str(path), None, reason, "check the path of the work order")]) from error
    if len(content) > _MAX_BYTES:
        what = f"larger than {_MAX_BYTES >> 20} MB"
        raise KitProblems([Problem(str(path), None, what, "name a work order, a CSV file with a line a terminal")])
    return content


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        mend = "save it as UTF-8: in Excel, Save As, CSV UTF-8 (Comma delimited)"
        raise KitProblems([Problem(str(path), line, "this is not UTF-8 text", mend)]) from error


def _rows(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line on which it begins; empty lines and those that begin with `#` are passed over."""
    lines = re.split(r"\r\n|\r|\n", text)  # and at nothing else: a note may hold other separators
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = max(_DELIMITERS, key=first.count)
    kept = "\n".join("" if line.startswith("#") else line for line in lines)
    reader = csv.reader(StringIO(kept), delimiter=delimiter, strict=True, skipinitialspace=True)
    begins = 1
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield begins, cells
            begins = reader.line_num + 1
    except csv.Error as error:
        mend = 'mend the quotes: a cell that has a comma, a quote or a line end stands in "...", a quote in it twice'
        raise KitProblems([Problem(str(path), begins, f"this is not CSV ({error})", mend)]) from error


def _columns(path: Path, number: int, cells: Sequence[str]) -> list[str]:
    names = [cell.lower() for cell in cells]
    while names and not names[-1]:
        names.pop()
    problems: list[Problem] = []
    guesses = set()
    for name in dict.fromkeys(names):
        if name not in COLUMNS:
            guess = nearest(name, [column for column in COLUMNS if column not in names])
            guesses.add(guess)
            mend = f"did you mean {guess}?" if guess else f"remove it; the columns are {_known()}"
            problems.append(Problem(str(path), number, f"there is no column {name or 'without a name'}", mend))
        elif names.count(name) > 1:
            problems.append(Problem(str(path), number, f"the column {name} stands twice", "remove one of them"))
    for name in REQUIRED:
        if name not in names and name not in guesses:
            what = f"the column {name} is missing"
            problems.append(Problem(str(path), number, what, f"the first line names the columns: {_known()}"))
    if problems:
        raise KitProblems(problems)
    return names


def _line(number: int, columns: Sequence[str], cells: Sequence[str]) -> tuple[OrderLine | None, list[tuple[str, str]]]:
    """The line, None where it cannot be used at all, and what is wrong with it."""
    extra = [cell for cell in cells[len(columns) :] if cell]
    if extra:
        what = f"there are {len(cells)} cells for {len(columns)} columns"
        return None, [(what, f'a cell with a comma in it stands in quotes; the last one here is "{extra[-1]}"')]
    told = dict(zip(columns, cells))
    faults = list(_text_faults(told))
    terminal = told.get("terminal", "")
    if _MADE_A_NUMBER.fullmatch(terminal):
        mend = "the table program has made a number of the code: set the column to text, enter it again, export again"
        faults.append((f"{terminal} is no terminal code", mend))
    elif fault := terminal_fault(terminal):
        faults.append((fault, TERMINAL_MEND))
    if not told.get("pole"):
        faults.append(("no pole is named", "write the path of its pole.toml, seen from the work order's folder"))
    settings, more = _settings(told.get("settings", ""))
    if faults or more:
        return None, faults + more
    texts = {name: told.get(name, "") for name in COLUMNS if name != "settings"}
    return OrderLine(line=number, settings=settings, **texts), []


def _text_faults(told: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, text in told.items():
        if len(text) > _MOST_CHARACTERS:
            yield f"{name} has {len(text)} characters", f"it takes up to {_MOST_CHARACTERS}"
        if _CONTROL.search(text):
            yield f"{name} has a line end or another control character in it", "write it on one line"


def _settings(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The pairs of a cell such as `unit=17 baud=9600`, and what is wrong with it."""
    settings: dict[str, str] = {}
    faults = []
    for word in text.replace(",", " ").replace(";", " ").split():
        name, equals, value = word.partition("=")
        if not equals or not name or not value:
            faults.append((f"settings has {word}", "write pairs with blanks between them: unit=17 baud=9600"))
        elif name not in SETTINGS:
            guess = nearest(name, SETTINGS)
            mend = f"did you mean {guess}?" if guess else f"it may say {', '.join(SETTINGS)}"
            faults.append((f"settings knows no {name}", f"{mend}; all else stands in the pole.toml"))
        elif name in settings:
            faults.append((f"settings says {name} twice", "remove one of them"))
        else:
            settings[name] = value
    return settings, faults


def _known() -> str:
    return ", ".join(COLUMNS)
