"""Reads the recordings of this folder; README.md tells the format."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
MARKS = (">>", "<<", "~~", ">", "<", "~", "@")
_VALUE = re.compile(r"\{([a-z0-9]+)\}")
_ANY = "..."


@dataclass(frozen=True)
class Step:
    """One line of a recording: its place in the file, its mark, and what stands after it."""

    line: int
    mark: str
    text: str

    @property
    def data(self) -> bytes:
        """The bytes of a `>>`, `<<` or `~~` line."""
        return bytes.fromhex(self.text)


@dataclass(frozen=True)
class Transcript:
    """A recording: the models that speak so, and its steps."""

    name: str
    models: tuple[str, ...]
    steps: tuple[Step, ...]


def read(path: Path) -> Transcript:
    """Read one recording; ValueError with the line where it is not in the format."""
    models: tuple[str, ...] = ()
    steps = []
    for number, line in enumerate(path.read_text(encoding="ascii").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith("model:"):
            models = tuple(line.partition(":")[2].split())
            continue
        mark, _, text = line.partition(" ")
        if mark not in MARKS:
            raise ValueError(f"{path.name}:{number}: a line begins with one of {' '.join(MARKS)}, not with {mark!r}")
        steps.append(Step(number, mark, text))
    if not models or not steps:
        raise ValueError(f"{path.name}: a recording names its models and has steps")
    return Transcript(path.stem, models, tuple(steps))


def read_all() -> list[Transcript]:
    """All recordings, in the order of their names."""
    return [read(path) for path in sorted(FOLDER.glob("*.txt"))]


def plain(text: str) -> str:
    """A line without what modems of one family differ in: spaces and quotation marks."""
    return text.replace(" ", "").replace('"', "")


def filled(text: str, values: dict[str, str]) -> str:
    """A line to send, with the values that are known by now; KeyError for one that is not."""
    return _VALUE.sub(lambda match: values[match[1]], text)


def matches(recorded: str, heard: str, values: dict[str, str]) -> bool:
    """Whether a line from the modem is the recorded one; new values are noted in `values`."""
    pattern, fresh, position = "", [], 0
    recorded = plain(recorded)
    for match in _VALUE.finditer(recorded):
        pattern += re.escape(recorded[position : match.start()])
        name = match[1]
        if name in values:
            pattern += re.escape(plain(values[name]))
        elif name in fresh:
            pattern += rf"(?P={name})"
        else:
            fresh.append(name)
            pattern += rf"(?P<{name}>[^,\r\n]*)"
        position = match.end()
    pattern += re.escape(recorded[position:]).replace(re.escape(_ANY), ".*")
    found = re.fullmatch(pattern, plain(heard), re.IGNORECASE if _is_hexadecimal(recorded) else 0)
    if found is None:
        return False
    values.update({name: found[name] for name in fresh})
    return True


def _is_hexadecimal(recorded: str) -> bool:
    return re.search(r"[0-9A-F]{8}", recorded) is not None
