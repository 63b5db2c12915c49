"""A desk at which boards are flashed one after the other: the technician's hands, and what the boards really became.

The hands do what `gatepost flash --batch` says: they plug boards in holding BOOT, press the buttons they are told to,
put a cable in again that came out, and take the next board when the last is done. Then it is looked into each flash.
"""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from hardware.flash.batch import Tally, admission
from hardware.flash.batch_run import run_batch, run_one
from hardware.flash.esptool_words import HOLD_BOOT
from hardware.flash.file_system import node_files
from hardware.flash.identity import KEY, NAMESPACE, factory_bytes
from hardware.flash.images import FirmwareImage
from hardware.flash.layout import read_back
from hardware.flash.orders import Job, OrderBook
from hardware.flash.plugged import Plugged
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import FlashResult, past_of
from hardware.flash.session import PRESS_EN, Settings, Watcher
from hardware.rig.esp32.board import Application
from hardware.rig.esp32.in_thread import BoardThread
from tests.faults._flash_defects import Board, draw_board

_SETTLE_S = 0.0


@dataclass(slots=True)
class Count:
    """What came of some boards. `orders` are those that were to be done, `done` those that are, on a board that is
    good; `doubled` stand on two boards that passed."""  # fmt: skip

    boards: int = 0
    right: int = 0
    orders: int = 0
    done: int = 0
    doubled: int = 0
    failures_found: int = 0
    failures_missed: int = 0
    wrongly_passed: int = 0
    wrongly_failed: int = 0
    told_otherwise: int = 0
    mended: int = 0
    turned_away: int = 0
    amiss: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Tried:
    """A board and what was said of it, try by try."""

    board: Board
    results: list[FlashResult] = field(default_factory=list)


class Desk:
    """One lot of boards for the orders of `book`; `image` is what they all get, `start_on` gives a board's application.
    """  # fmt: skip

    def __init__(
        self,
        folder: Path,
        book: OrderBook,
        image: FirmwareImage,
        random: Random,
        first: int,
        start_on: Callable[[Board, Path], Application],
    ) -> None:
        self._folder = folder
        self._book = book
        self._image = image
        self._random = random
        self._number = first
        self._start_on = start_on
        self._port = folder / "ttyESP"
        self._tried: list[_Tried] = []
        self._thread: BoardThread | None = None
        self._left = 0
        self._is_over = False

    def work(self) -> Count:
        """Flash boards until every order was offered to one, then replace those that are broken; then look at all."""
        settings = Settings(str(self._port), start_wait_s=12.0, bus_wait_s=8.0, boot_wait_s=8.0)
        file = self._folder / "results.gpresults"
        self._left = len(self._book.terminals)
        try:
            self._take_next()
            run_batch(self._book, settings, Plugged(str(self._port), self._wait, _SETTLE_S), file, self)
            self._replace_broken(settings, file)
        finally:
            self._put_away()
        return self._count()

    def watcher(self) -> AbstractContextManager[Watcher]:
        """The technician's eyes."""
        return nullcontext(_Hands(self))

    def next_board(self, job: Job, still_open: int) -> None:
        """The batch waits; the board is there already."""

    def result(self, result: FlashResult) -> None:
        """A board is done: plug it in again where that may help, or take the next one."""
        tried = self._tried[-1]
        tried.results.append(result)
        self._unplug()
        if self._comes_again(tried):
            self._plug()
        else:
            self._take_next()

    def tally(self, tally: Tally, still_open: int) -> None:
        """Nobody reads it."""

    def end(self, tally: Tally, still_open: tuple[str, ...], file: Path) -> None:
        """Nobody reads it."""

    @property
    def number(self) -> int:
        """Which board lies there."""
        return self._number

    def advise(self, text: str, number: int) -> None:
        """Press the buttons that are named on board `number`."""
        if self._thread is None or number != self._number:
            return  # the board was put away meanwhile
        board = self._tried[-1].board
        if text.startswith(HOLD_BOOT[:20]):
            if not self._thread.do(lambda: self._thread.board.is_plugged):  # type: ignore[union-attr]
                self._plug()
            self._thread.do(self._thread.board.enter_loader_by_hand)
        elif text == PRESS_EN:
            if board.spoil is not None and not board.starts:
                board.spoil(board.chip)
            self._thread.do(self._thread.board.press_reset)

    def _comes_again(self, tried: _Tried) -> bool:
        """A technician tries a board that failed once more, and may forget which one passed."""
        tries = len(tried.results)
        return tries == 1 and (tried.board.comes_twice or not tried.results[0].is_passed)

    def _take_next(self) -> None:
        self._put_away()
        if not self._left:
            self._is_over = True
            return
        self._left -= 1
        self._lay_down(draw_board(self._random, self._number, self._image.content))

    def _lay_down(self, board: Board) -> None:
        self._number += 1
        self._tried.append(_Tried(board))
        application = self._start_on(board, self._folder / f"node-{self._number}")
        self._thread = BoardThread(board.chip, self._port, application=application, plugged=False).__enter__()
        self._plug()

    def _put_away(self) -> None:
        if self._thread is not None:
            self._thread.__exit__(None, None, None)
            self._thread = None

    def _plug(self) -> None:
        """Hold BOOT while the cable goes in: this port has no lines to do it."""
        thread = self._thread
        assert thread is not None

        def plug() -> None:
            thread.board.press_boot()
            thread.board.plug()
            thread.board.release_boot()

        thread.do(plug)

    def _unplug(self) -> None:
        assert self._thread is not None
        self._thread.do(self._thread.board.unplug)

    def _wait(self, seconds: float) -> None:
        """Nobody presses Ctrl-C before the box is empty."""
        if self._is_over:
            raise KeyboardInterrupt
        threading.Event().wait(min(seconds, 0.02))

    def _replace_broken(self, settings: Settings, file: Path) -> None:
        """Each order that stands nowhere, or on a board that is broken, goes to a new board, as its technician says."""
        past = past_of(file)
        for terminal in self._book.terminals:
            if past.done_on(terminal) is None:
                self._lay_down(draw_board(Random(0), self._number, self._image.content, share=0.0))
                told = replace(settings, choose=admission(past, lambda sentence: True))
                run_one(self._book.job(terminal), told, past, file, self)

    def _count(self) -> Count:
        count = Count(boards=len(self._tried), orders=len(self._book.terminals))
        holders: dict[str, int] = {}
        for tried in self._tried:
            self._judge(tried, count, holders)
        count.done = sum(terminal in holders for terminal in self._book.terminals)
        count.doubled = sum(boards > 1 for boards in holders.values())
        return count

    def _judge(self, tried: _Tried, count: Count, holders: dict[str, int]) -> None:
        board = tried.board
        passed = [result for result in tried.results if result.is_passed]
        tries = [result for result in tried.results if not _is_turned_away(result)]
        count.turned_away += len(tried.results) - len(tries)
        is_really_good = bool(passed) and self._holds(board, passed[-1].terminal)
        is_right = bool(passed) == board.is_good
        if passed and not (board.is_good and is_really_good):
            count.wrongly_passed += 1
        if passed and is_really_good:
            holders[passed[-1].terminal] = holders.get(passed[-1].terminal, 0) + 1
        if board.is_good and not passed:
            count.wrongly_failed += 1
        if board.has_to_fail:
            first = tries[0].problem if tries else None
            if first is None:
                count.failures_missed += 1
            else:
                count.failures_found += 1
                if first.kind not in board.told:
                    count.told_otherwise += 1
                    is_right = False
            count.mended += bool(board.is_mended_by_again and passed)
        if board.comes_twice and len(tries) == len(tried.results):
            is_right = False
        count.right += is_right and (not passed or is_really_good)
        if not is_right or (passed and not is_really_good):
            said = " | ".join("passed" if one.problem is None else f"{one.problem.kind}" for one in tried.results)
            count.amiss.append(f"{board.defect}: {said}")

    def _holds(self, board: Board, terminal: str) -> bool:
        """Whether what is in the flash is what was ordered, bit by bit, and it was started from that."""
        job = self._book.job(terminal)
        try:
            found = read_back(bytes(board.chip.memory.content))
        except FlashProblem:
            return False
        whole = bytes(board.chip.memory.content)
        is_same = all(whole[piece.offset : piece.end] == piece.content for piece in job.plan.pieces)
        files = found.files == node_files(job.order, job.application)
        return is_same and files and found.nvs.get((NAMESPACE, KEY)) == factory_bytes(job.order) and board.starts > 0


class _Hands:
    """Hears what a technician is told, and has the desk do it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def step(self, name: str) -> None:
        """Nothing to do."""

    def progress(self, done: float) -> None:
        """Nothing to do."""

    def tell(self, text: str) -> None:
        """Nothing to do."""

    def advise(self, text: str) -> None:
        """Do it, a moment later, as hands do."""
        timer = threading.Timer(0.05, self._desk.advise, (text, self._desk.number))
        timer.daemon = True
        timer.start()

    def tool_text(self, line: str) -> None:
        """Nothing to do."""


def _is_turned_away(result: FlashResult) -> bool:
    return result.problem is not None and result.problem.kind is Kind.TWICE
