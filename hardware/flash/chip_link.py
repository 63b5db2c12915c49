"""The chip in its loader: who it is, writing to it, and reading back what was written. A few runs of esptool.

Where the port can reset the chip, each run that matters begins with a reset; where it cannot, or where a hand holds
BOOT, the runs follow each other without one, so that the hand is needed once.
"""

import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.flash import efuses, esptool_words
from hardware.flash.esptool_run import FIRST_BAUD, Esptool, EsptoolProblem, no_progress
from hardware.flash.esptool_words import HOLD_BOOT, Chip
from hardware.flash.layout import Piece
from hardware.flash.ports import has_lines
from hardware.flash.problem import FlashProblem, Kind

RATES = (921600, 460800, 230400, FIRST_BAUD)
"""Rates to write at, fast first: every known USB bridge has them; bad cables and old drivers stop at one of them."""
_SHORT_S, _BOOT_WAIT_S = 60.0, 60.0
_TRIES = 3
_ERASE_S_PER_MB = 40.0
_BLANK_SHARE = 0.02
"""How much longer a byte that compresses to nothing takes, against one that crosses the line: erasing, programming."""

Say = Callable[[str], None]


@dataclass(slots=True)
class ChipLink:
    """One chip on a port.

    `advise` says what a person has to do, `tell` what happens; `boot_wait_s` is how long a hand may take for the button
    BOOT, 0 where there is none.
    """

    tool: Esptool
    advise: Say
    tell: Say
    boot_wait_s: float = _BOOT_WAIT_S
    is_by_hand: bool = False
    has_lines: bool = True
    """Whether the port has been seen to have lines that can reset the chip."""

    def identify(self) -> Chip:
        """Bring the chip into its loader and return who it is. Raises FlashProblem.

        Where it does not answer, a person is told to hold BOOT, and it is asked until it answers.
        """
        self.has_lines = has_lines(self.tool.port)
        output = self._bring_in()
        chip = esptool_words.read_chip(output)
        if chip is None:
            raise FlashProblem(Kind.TOOL, "esptool did not tell which chip it is", "run this again")
        return chip

    def read_security(self, *, is_last: bool = False) -> efuses.Security:
        """Whether the chip is locked; where nothing follows (`is_last`) it is started again. Raises FlashProblem."""
        with tempfile.TemporaryDirectory() as folder:
            block = Path(folder, "efuses")
            command = ["dump-mem", hex(efuses.ADDRESS), str(efuses.BYTES), str(block)]
            self._steady(command, "no-reset", "hard-reset" if is_last else "no-reset-stub", _SHORT_S)
            return efuses.security_of(block.read_bytes())

    def let_go(self, advice: str) -> None:
        """Start again a chip that is not to be written; where the port cannot, `advice` tells a person to.

        It may be a working node, whose lamp is dark while it waits in its loader.
        """
        if self.has_lines:
            try:
                self.tool.run(["flash-id"], chip="auto", before="no-reset", after="hard-reset", timeout_s=_SHORT_S)
                return
            except FlashProblem:
                self.tell("it could not be started again")
        self.advise(advice)

    def write(self, pieces: tuple[Piece, ...], first_baud: int, on_progress: Callable[[float], None]) -> int:
        """Write all pieces in one pass, each checked by its MD5, and return the rate at which it went.

        A line that damages data is tried again at a lower rate. Raises FlashProblem.
        """
        rates = [first_baud, *(rate for rate in RATES if rate < first_baud)]
        before = "no-reset" if self.is_by_hand else "default-reset"
        with tempfile.TemporaryDirectory() as folder:
            words = ["write-flash", "--flash-size", "keep", *_files(Path(folder), pieces)]
            bar = _Bar(pieces, on_progress)
            for rate in rates:
                try:
                    self.tool.run(
                        words,
                        before=before,
                        after="no-reset",
                        baud=rate,
                        timeout_s=_SHORT_S + _seconds(pieces, rate, self.tool.use_stub),
                        on_progress=bar.update,
                    )
                    return rate
                except FlashProblem as problem:
                    if problem.kind not in (Kind.LINE, Kind.SILENT) or rate == rates[-1] or not self._can_again():
                        raise
                    self.tell(f"it does not work at {rate} baud: going on slower")
                    before = self._again()
        raise AssertionError("the last rate returns or raises")

    def verify(self, pieces: tuple[Piece, ...]) -> None:
        """Have the chip read all pieces back, after all were written, then start the node.

        Raises FlashProblem(SMALL_FLASH) for a flash that holds less than it says, whose end has been written over its
        beginning, and FlashProblem(BAD_FLASH).
        """
        with tempfile.TemporaryDirectory() as folder:
            words = ["verify-flash", "--flash-size", "keep", *_files(Path(folder), pieces)]
            size_s = _seconds(pieces, FIRST_BAUD, True)
            before = "no-reset" if self.is_by_hand else "default-reset"
            try:
                self._steady(words, before, "hard-reset", _SHORT_S + size_s)
            except EsptoolProblem as problem:
                if problem.kind is Kind.BAD_FLASH and pieces[0].offset in esptool_words.differing(problem.output):
                    raise FlashProblem(
                        Kind.SMALL_FLASH,
                        "the flash holds less than its id says: its end was written over its beginning",
                        "take another module; this one is a fake or broken",
                    ) from problem
                raise

    def _bring_in(self) -> str:
        """What esptool tells of the chip, once it is in its loader; a damaged answer is asked for again."""
        by_hand = False
        for left in reversed(range(_TRIES)):
            try:
                output = self._ask_by_hand() if by_hand else self._ask(4 if self.has_lines else 1, _SHORT_S)
                self._learn(output)
                return output
            except EsptoolProblem as problem:
                self._learn(problem.output)
                can_go_on = left > 0 and (problem.kind is Kind.LINE or (problem.kind is Kind.SILENT and not by_hand))
                by_hand = by_hand or self.is_by_hand or problem.kind is Kind.SILENT
                if not can_go_on or (by_hand and self.boot_wait_s <= 0):
                    raise
        raise AssertionError("the last try returns or raises")

    def _again(self) -> str:
        """Get the chip into its loader once more, and return the reset before the next run."""
        if not self.is_by_hand:
            return "default-reset"
        self._ask_by_hand()
        return "no-reset"

    def _steady(self, command: list[str], before: str, after: str, timeout_s: float) -> None:
        """Run a command that may be repeated, again when the line has damaged it."""
        for left in reversed(range(_TRIES)):
            try:
                self.tool.run(command, before=before, after=after, timeout_s=timeout_s)
                return
            except FlashProblem as problem:
                if problem.kind not in (Kind.LINE, Kind.SILENT) or not left or not self._can_again():
                    raise
                self.tell("the line damages data: once more")
                before = self._again()

    def _can_again(self) -> bool:
        return not self.is_by_hand or self.boot_wait_s > 0

    def _ask_by_hand(self) -> str:
        """Have a person hold BOOT, and ask until the chip answers. Where the port has lines they do the rest."""
        self.is_by_hand = True
        self.advise(HOLD_BOOT)
        return self._ask(attempts=0, timeout_s=self.boot_wait_s)

    def _ask(self, attempts: int, timeout_s: float) -> str:
        return self.tool.run(
            ["flash-id"],
            chip="auto",
            before="default-reset" if self.has_lines else "no-reset",
            after="no-reset-stub",
            attempts=attempts,
            timeout_s=timeout_s,
            on_progress=no_progress,
        )

    def _learn(self, output: str) -> None:
        if esptool_words.has_no_lines(output):
            self.has_lines = False
        if not self.has_lines:
            self.is_by_hand = True


class _Bar:
    """How far all pieces together are: each weighs as much as it takes on the line and in the flash."""

    def __init__(self, pieces: tuple[Piece, ...], on_progress: Callable[[float], None]) -> None:
        self._weights = [len(zlib.compress(one.content, 1)) + _BLANK_SHARE * len(one.content) for one in pieces]
        self._on_progress = on_progress

    def update(self, file: str, done: float) -> None:
        """Piece `file`, as `_files` names it, is written to the share `done`."""
        number = int(Path(file).name.partition("-")[0])
        so_far = sum(self._weights[:number]) + done * self._weights[number]
        self._on_progress(so_far / sum(self._weights))


def _files(folder: Path, pieces: tuple[Piece, ...]) -> list[str]:
    """Put the pieces into files, and return offsets and names as esptool takes them."""
    words: list[str] = []
    for number, piece in enumerate(pieces):
        path = folder / f"{number}-{piece.name.replace(' ', '-')}"
        path.write_bytes(piece.content)
        words += [hex(piece.offset), str(path)]
    return words


def _seconds(pieces: tuple[Piece, ...], baud: int, is_compressed: bool) -> float:
    """The longest that writing may take."""
    raw = sum(len(piece.content) for piece in pieces)
    on_line = raw if not is_compressed else raw * 0.75
    return on_line * 14 / baud + raw / 1e6 * _ERASE_S_PER_MB
