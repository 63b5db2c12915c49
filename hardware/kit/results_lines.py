"""The results file of `gatepost flash`: one line of JSON for each try, the file that goes back to the integrator.

Each line carries its `number` in the file and a `check`, the beginning of the SHA-256 of the line without it: a line
that was changed, or lost from the middle, is told. Power may fail while a line is written: a last line without its
end is no record, and the next one takes its place. docs/kit.md, "The results file".
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway_agent.whole_file import write_at
from hardware.kit.sealed_file import SealedFileError, read_bounded

FORMAT = 1
ENDING = ".gpresults"
DONE, FAILED = "done", "failed"
_CHECK_DIGITS = 16
_CHECK = "check"
_BEGINNING = b'{"format": '


@dataclass(frozen=True, slots=True)
class Record:
    """One try at one terminal.

    `result` is "done" (written, verified, started, asked, and found right) or "failed", then with `kind`, `what` and
    `mend` of the problem. `kit` is the id of the kit it was done from, None without one; `mac` is the board's, None
    where it was not reached; `at` is the laptop's clock, UTC as 2026-11-28T13:05:00Z; `more` is whatever else the line
    tells, such as the node's own report.
    """

    terminal: str
    result: str
    kit: str | None = None
    mac: str | None = None
    board: str | None = None
    kind: str | None = None
    what: str | None = None
    mend: str | None = None
    at: str | None = None
    by: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether the node was found right at the end."""
        return self.result == DONE


@dataclass(frozen=True, slots=True)
class ResultsFile:
    """A results file that was read: its whole `records` by line, and what is wrong with the rest, a sentence each."""

    path: Path
    records: Mapping[int, Record]
    damage: tuple[str, ...]
    is_torn: bool


def results_beside(kit: Path) -> Path:
    """Where the results of a kit are kept when nobody says where: beside it, under its name."""
    return kit.with_suffix(ENDING)


def append_record(path: Path, record: Record) -> None:
    """Put a record at the end of a results file, on the disk when this returns; it is made where there is none.

    Raises OSError.
    """
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640), "r+b") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        number = content.count(b"\n", 0, end) + 1
        line = line_of(record, number)
        write_at(file.fileno(), line, end)
        os.ftruncate(file.fileno(), end + len(line))
        os.fsync(file.fileno())


def line_of(record: Record, number: int) -> bytes:
    """The line of a record that is the `number`th of its file, counted from 1.

    ValueError where `more` has a name that the line itself uses.
    """
    taken = {*_NAMES, "format", "number", _CHECK} & {*record.more}
    if taken:
        raise ValueError(f"a record tells {', '.join(sorted(taken))} itself")
    named = {name: getattr(record, name) for name in _NAMES}
    told = {"format": FORMAT, "number": number, **named, **record.more}
    text = _text(told)
    return (text[:-1] + f', "{_CHECK}": "{_check(text)}"}}\n').encode("utf-8")


def read_results(path: Path) -> ResultsFile:
    """Read a results file. Raises SealedFileError where it is none at all, or of a newer format."""
    data = read_bounded(path)
    lines = data.split(b"\n")
    is_torn = bool(lines.pop())
    records: dict[int, Record] = {}
    damage: list[str] = []
    newer = 0
    for number, line in enumerate(lines, 1):
        told = _told(line)
        if told is None:
            damage.append(f"{path}:{number}: the line is damaged and does not count")
        elif told["format"] > FORMAT:
            newer = max(newer, told["format"])
        elif told["number"] != number:
            damage.append(f"{path}:{number}: line {told['number']} of the file stands here: lines are missing or twice")
            records[number] = _record(told)
        else:
            records[number] = _record(told)
    if newer:
        what = f"{path} has lines of format {newer}; this Gatepost reads up to {FORMAT}"
        raise SealedFileError(what, "install a newer Gatepost")
    if not records and (damage or (is_torn and not _is_begun(data))):
        raise SealedFileError(f"{path} has no whole line of a results file", "name the file that gatepost flash wrote")
    return ResultsFile(path, records, tuple(damage), is_torn)


_NAMES = ("terminal", "result", "kit", "mac", "board", "kind", "what", "mend", "at", "by")


def _is_begun(data: bytes) -> bool:
    """Whether these bytes may be the beginning of a first line, or the zeros that a power cut leaves of one."""
    return data.startswith(_BEGINNING[: len(data)]) or not data.strip(b"\0")


def _told(line: bytes) -> dict[str, Any] | None:
    """What a line tells, None for one that is not as it was written."""
    try:
        told = json.loads(line.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(told, dict) or not isinstance(told.get(_CHECK), str):
        return None
    check = told.pop(_CHECK)
    if line != (_text(told)[:-1] + f', "{_CHECK}": "{check}"}}').encode("utf-8") or check != _check(_text(told)):
        return None
    is_right = isinstance(told.get("format"), int) and isinstance(told.get("number"), int)
    if told.get("format", 0) != FORMAT:
        return told if is_right else None
    texts = all(told.get(name) is None or isinstance(told[name], str) for name in _NAMES)
    return told if is_right and texts and told.get("terminal") and told.get("result") in (DONE, FAILED) else None


def _record(told: dict[str, Any]) -> Record:
    more = {name: value for name, value in told.items() if name not in (*_NAMES, "format", "number")}
    named: dict[str, Any] = {name: told.get(name) for name in _NAMES}
    return Record(**named, more=more)


def _text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _check(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:_CHECK_DIGITS]
