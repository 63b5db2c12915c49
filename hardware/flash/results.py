"""What came of each board: a try, its line in the results file (hardware/kit/results_lines.py), and what is past."""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hardware.flash.problem import FlashProblem, Kind
from hardware.kit.results_lines import DONE, FAILED, Record, append_record, read_results
from hardware.kit.sealed_file import SealedFileError

DEFAULT_FILE = Path("flash.gpresults")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was asked: whether it `is_right`, what was `told`, and the `mend` where it is not."""

    name: str
    is_right: bool
    told: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class FlashResult:
    """One try on one board.

    `problem` is why it failed, None where the node works. `mac` is empty where the chip did not answer. `is_written`
    tells that writing began, or that it was asked and has it, so that the board may carry this identity. `at` is the
    time in UTC as 2026-11-28T13:05:00Z, `seconds` how long it took; `report` is what the node said of itself; `kit` the
    id of the kit.
    """

    terminal: str
    board: str
    problem: FlashProblem | None
    mac: str
    chip: str
    flash_bytes: int
    security: str
    port: str
    baud: int
    is_written: bool
    at: str
    seconds: float
    image: str
    image_sha256: str
    application: str
    table: str
    checks: tuple[Check, ...]
    report: dict[str, str]
    kit: str | None = None

    @property
    def is_passed(self) -> bool:
        """Whether the node works."""
        return self.problem is None

    def record(self) -> Record:
        """The line that is kept of it."""
        problem = self.problem
        return Record(
            self.terminal,
            DONE if problem is None else FAILED,
            self.kit,
            self.mac or None,
            self.board,
            None if problem is None else str(problem.kind),
            None if problem is None else problem.what,
            None if problem is None else problem.mend,
            self.at,
            more=self._more(),
        )

    def plain(self) -> dict[str, Any]:
        """All of it, for JSON."""
        told = asdict(self.record())
        return {**{name: value for name, value in told.items() if name != "more"}, **self._more()}

    def _more(self) -> dict[str, Any]:
        return {
            "chip": self.chip,
            "flash_bytes": self.flash_bytes,
            "security": self.security,
            "port": self.port,
            "baud": self.baud,
            "is_written": self.is_written,
            "seconds": self.seconds,
            "image": self.image,
            "image_sha256": self.image_sha256,
            "application": self.application,
            "table": self.table,
            "checks": [asdict(check) for check in self.checks],
            "report": self.report,
        }


def keep(result: FlashResult, path: Path) -> None:
    """Add the line of a result, on the disk when this returns. Raises FlashProblem(FILES)."""
    try:
        append_record(path, result.record())
    except OSError as error:
        raise FlashProblem(
            Kind.FILES,
            f"{path} cannot be written ({error.strerror}), so the result is kept nowhere",
            "name a file that can be with --results",
        ) from error


@contextmanager
def held(path: Path) -> Iterator[None]:
    """A results file that this process alone keeps results in; that it can be is seen before a board is touched.

    Two that flash from one file would give one order to two boards. Raises FlashProblem(FILES).
    """
    try:
        file = path.open("ab")
    except OSError as error:
        raise FlashProblem(
            Kind.FILES, f"{path} cannot be written ({error.strerror})", "name a file for the results with --results"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FlashProblem(
                Kind.FILES,
                f"another gatepost flash keeps its results in {path}, and both would give out the same orders",
                "let it end first; to work at two ports at once, make a kit for each",
            ) from error
        yield


def past_of(path: Path) -> "Past":
    """What a results file tells; nothing where there is none. Raises FlashProblem(FILES) for a file that is no such."""
    try:
        return Past(read_results(path).records.values() if path.exists() else ())
    except SealedFileError as error:
        raise FlashProblem(Kind.FILES, str(error), "or name another file with --results") from error


class Past:
    """What earlier tries say about boards and orders."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = list(records)

    def add(self, record: Record) -> None:
        """Remember one more."""
        self._records.append(record)

    def done_on(self, terminal: str) -> str | None:
        """The MAC of the board on which an order was done last, and which is still that."""
        holders = {one.mac: one for one in self._records if one.mac and _is_written(one)}
        found = [mac for mac, one in holders.items() if one.terminal == terminal and one.is_done]
        return found[-1] if found else None

    def written_on(self, terminal: str) -> tuple[str, ...]:
        """The MACs of the boards that may carry the identity of an order, and were not made another one since."""
        carried = {one.mac: one.terminal for one in self._records if one.mac and _is_written(one)}
        return tuple(mac for mac, name in carried.items() if name == terminal)

    def carried_by(self, mac: str) -> str | None:
        """The terminal whose identity a board may carry."""
        carried = [one.terminal for one in self._records if one.mac == mac and _is_written(one)]
        return carried[-1] if carried else None

    def is_done(self, mac: str) -> bool:
        """Whether a board was found right after it was last written; a try that ended before writing takes nothing."""
        tries = [one for one in self._records if one.mac == mac and _is_written(one)]
        return bool(tries) and tries[-1].is_done


def _is_written(record: Record) -> bool:
    return record.is_done or record.more.get("is_written") is True
