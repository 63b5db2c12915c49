"""Flashing one board, or one after the other, with whoever shows it: the way from `flash_node` to the results file."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from hardware.flash.batch import Dealer, Tally
from hardware.flash.orders import Job, OrderBook
from hardware.flash.plugged import Plugged
from hardware.flash.problem import Kind
from hardware.flash.results import FlashResult, Past, keep, past_of
from hardware.flash.session import Settings, Watcher, check_node, flash_node

_OF_NO_BOARD = frozenset({Kind.NO_PORT, Kind.PORT_TAKEN, Kind.TOOL, Kind.TWICE})


class Show(Protocol):
    """Who shows it."""

    def watcher(self) -> AbstractContextManager[Watcher]:
        """Who shows the way of one board."""
        ...

    def next_board(self, job: Job, still_open: int) -> None:
        """The next board is waited for; it is offered `job`."""
        ...

    def result(self, result: FlashResult) -> None:
        """What came of a board."""
        ...

    def tally(self, tally: Tally, still_open: int) -> None:
        """How a batch stands."""
        ...

    def end(self, tally: Tally, still_open: tuple[str, ...], file: Path) -> None:
        """How a batch ended."""
        ...


def run_one(job: Job, settings: Settings, past: Past, file: Path, show: Show) -> FlashResult:
    """Flash one board, keep and show what came of it. What says nothing of a board is shown, but not kept.

    A board on which writing began is always kept, were its port taken or gone afterwards: it may carry the identity.
    That it begins is kept before: whatever happens to this computer, nobody else gets the order.
    """
    with show.watcher() as watcher:
        result = flash_node(job, replace(settings, begins=lambda begun: keep(begun, file)), watcher)
        if result.is_written or result.problem is None or result.problem.kind not in _OF_NO_BOARD:
            keep(result, file)
            past.add(result.record())
    show.result(result)
    return result


def run_check(job: Job, settings: Settings, past: Past, file: Path, show: Show) -> FlashResult:
    """Ask a node that runs already, keep and show what came of it."""
    boards = past.written_on(job.order.terminal)
    with show.watcher() as watcher:
        result = check_node(job, settings, watcher, boards[-1] if boards else "")
    keep(result, file)
    past.add(result.record())
    show.result(result)
    return result


def run_batch(
    book: OrderBook,
    settings: Settings,
    plugged: Plugged,
    file: Path,
    show: Show,
    *,
    first: str | None = None,
    may_repeat: bool = False,
) -> Tally:
    """Flash boards as they are plugged in until every order is done, or Ctrl-C. `first`, `may_repeat`: see Dealer."""
    past = past_of(file)
    tally = Tally()
    dealer = Dealer(book, past, first=first, may_repeat=may_repeat)
    try:
        while (job := dealer.next_job()) is not None:
            show.next_board(job, len(dealer.open_terminals()))
            port = plugged.next_port()
            result = run_one(job, replace(settings, port=port, choose=dealer.choose), past, file, show)
            tally.add(result)
            show.tally(tally, len(dealer.open_terminals()))
            if result.problem is not None and result.problem.kind is Kind.STOPPED:
                break
    except KeyboardInterrupt:
        show.tally(tally, len(dealer.open_terminals()))
    tally.still_open = len(dealer.open_terminals())
    show.end(tally, dealer.open_terminals(), file)
    return tally
