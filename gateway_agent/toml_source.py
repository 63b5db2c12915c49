"""Reading TOML so that each complaint names file, line, what is wrong and the mend.

A model derives from `TomlModel`, a file is read by `load_toml` and checked by `validate`. What pydantic cannot see
(one key against another) is a check: a function from the validated model to `Finding`s, given to `validate`.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from gateway_agent.errors import GatepostError
from gateway_agent.toml_lines import Loc, key_lines
from gateway_agent.toml_wording import findings_of


class TomlModel(pydantic.BaseModel):
    """A table of a TOML file: unknown keys are refused, nothing is converted, nan and inf are no numbers, the result
    cannot be changed.

    A field that takes an array as a tuple needs `Annotated[tuple[...], pydantic.Strict(False)]` (see `Pair`).
    """

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a key path: `what` it is and the `mend`, each a phrase without a full stop."""

    loc: Loc
    what: str
    mend: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A finding with its place: `file` as it was named, `line` counted from 1, None where it is the file itself."""

    file: str
    line: int | None
    what: str
    mend: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}; {self.mend}"


class ConfigError(GatepostError):
    """A file that cannot be used; `problems` holds all that was found, in the order of the lines."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(problems, key=lambda problem: problem.line or 0)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True)
class TomlSource:
    """A TOML file that was read: `path` as given, its `text` and its parsed `data`."""

    path: Path
    text: str
    data: Mapping[str, Any]
    _lines: Mapping[Loc, int] = field(repr=False)

    def line_of(self, loc: Loc) -> int:
        """The line of a key path such as `("points", "voltage", "scale")`, or of its nearest ancestor; 1 if none."""
        for length in range(len(loc), 0, -1):
            line = self._lines.get(tuple(loc[:length]))
            if line is not None:
                return line
        return 1

    def problem(self, finding: Finding) -> Problem:
        """The finding with this file's name and line."""
        return Problem(str(self.path), self.line_of(finding.loc), finding.what, finding.mend)


def parse_toml(text: str, path: Path) -> TomlSource:
    """A source from `text`; `path` is only named in messages. Raises ConfigError with the place of a syntax error."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, what = _syntax_place(error, text)
        raise ConfigError([Problem(str(path), line, f"not valid TOML: {what}", _syntax_mend(text, line))]) from error
    return TomlSource(path, text, data, key_lines(text))


def load_toml(path: Path | str) -> TomlSource:
    """Read and parse a TOML file. Raises ConfigError when it is missing, unreadable, not UTF-8 or not TOML.

    The mark with which editors of Windows begin a UTF-8 file is passed over.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise _unreadable(path, "there is no such file", "check the path, or write the file first") from error
    except IsADirectoryError as error:
        raise _unreadable(path, "this is a folder", "give the path of a file in it") from error
    except PermissionError as error:
        mend = "run as a user who may read it, or let all read it: chmod a+r on the file, a+x on its folders"
        raise _unreadable(path, "this user may not read it", mend) from error
    except OSError as error:
        raise _unreadable(path, f"cannot be read ({error.strerror})", "check the path and the disk") from error
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"not UTF-8 text (byte {error.start}, on line {line})"
        raise _unreadable(path, what, "save the file with the encoding UTF-8") from error
    return parse_toml(text.removeprefix("\ufeff"), path)


Model = TypeVar("Model", bound=pydantic.BaseModel)


def validate(
    model: type[Model], source: TomlSource, checks: Sequence[Callable[[Model], Iterable[Finding]]] = ()
) -> Model:
    """The validated `model` of a source. Raises ConfigError with every problem found.

    The `checks` run only when the shape is right; each gives its findings by key path.
    """
    try:
        instance = model.model_validate(source.data)
    except pydantic.ValidationError as error:
        findings = [Finding(*parts) for parts in findings_of(error, model, source.data)]
        raise ConfigError([source.problem(finding) for finding in findings]) from error
    found = [finding for check in checks for finding in check(instance)]
    if found:
        raise ConfigError([source.problem(finding) for finding in found])
    return instance


def _unreadable(path: Path, what: str, mend: str) -> ConfigError:
    return ConfigError([Problem(str(path), None, what, mend)])


def _syntax_mend(text: str, line: int) -> str:
    """The mend of a syntax error, by the kind of line on which it stands."""
    lines = text.split("\n")
    if line <= len(lines) and lines[line - 1].lstrip().startswith("["):
        return "mend the header there: [table] for a table that stands once, [[table]] for each table of a list"
    return "mend the TOML there (a value needs a key, text needs quotes, a key stands once in its table)"


def _syntax_place(error: tomllib.TOMLDecodeError, text: str) -> tuple[int, str]:
    """The line of a syntax error and its wording. Before Python 3.14 the place is only in the text of the error."""
    what, found, place = str(error).rpartition(" (at ")
    if not found:
        return 1, str(error)
    if place.startswith("line "):
        return int(place.split()[1].rstrip(",")), what
    return text.count("\n") + 1, what
