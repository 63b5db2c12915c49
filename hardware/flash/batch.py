"""One board after the other: which order each gets, and the tally.

An order is given to one board. A board that failed in the middle gets its own order again when it comes back; it may
carry that identity already, so no other board gets the order without being told (`--terminal`, or `--yes`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.flash.orders import Job, OrderBook
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import FlashResult, Past


@dataclass(slots=True)
class Tally:
    """What came of a batch so far: results in their sequence, boards that came although they were done, open orders."""

    results: list[FlashResult] = field(default_factory=list)
    again: int = 0
    still_open: int = 0

    def add(self, result: FlashResult) -> None:
        """Count a result."""
        if result.problem is not None and result.problem.kind is Kind.TWICE:
            self.again += 1
        else:
            self.results.append(result)

    @property
    def passed(self) -> int:
        """Boards that work."""
        return sum(result.is_passed for result in self.results)

    @property
    def is_well(self) -> bool:
        """Whether no board failed, and something was done or nothing is left to do."""
        return not self.failed and (bool(self.results) or not self.still_open)

    @property
    def failed(self) -> int:
        """Tries that failed."""
        return len(self.results) - self.passed


class Dealer:
    """Gives out the orders of a book, one to a board, as the past allows.

    `first` is the order with which to begin. With `may_repeat` an order goes to another board although a board that
    failed may carry it.
    """

    def __init__(self, book: OrderBook, past: Past, *, first: str | None = None, may_repeat: bool = False) -> None:
        self._book = book
        self._past = past
        self._may_repeat = may_repeat
        self._first = None if first is None else book.job(first)

    def open_terminals(self) -> tuple[str, ...]:
        """The orders that are not done, in their sequence."""
        return tuple(one for one in self._book.terminals if self._past.done_on(one) is None)

    def free_terminals(self) -> tuple[str, ...]:
        """Those of them that no board may carry yet."""
        return tuple(one for one in self.open_terminals() if self._may_repeat or not self._past.written_on(one))

    def next_job(self) -> Job | None:
        """What the next new board is offered; None when every order is done.

        Where all that are open stand on boards that failed, one of them: `choose` tells then.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        offered = self.free_terminals() or self.open_terminals()
        return self._book.job(offered[0]) if offered else None

    def choose(self, mac: str, proposed: Job) -> Job:
        """Which order this board gets. Raises FlashProblem(TWICE) for one that is done."""
        carried = self._past.carried_by(mac)
        if carried is not None and self._past.is_done(mac):
            raise FlashProblem(
                Kind.TWICE,
                f"this board is {carried} already, and it works; nothing was written",
                "unplug it and plug in the next one",
            )
        if carried is not None and carried in self.open_terminals():
            return self._book.job(carried)
        if self._past.written_on(proposed.order.terminal) and not self._may_repeat:
            raise FlashProblem(
                Kind.TWICE,
                f"{proposed.order.terminal} stands on another board that failed; nothing was written",
                "bring that board again, or give its order to this one with --terminal and --yes",
            )
        return proposed


def admission(past: Past, confirm: Callable[[str], bool]) -> Callable[[str, Job], Job]:
    """For a single board: what would make one node twice, or another node of a board, is done only when confirmed."""

    def choose(mac: str, job: Job) -> Job:
        terminal = job.order.terminal
        carried = past.carried_by(mac)
        others = tuple(other for other in past.written_on(terminal) if other != mac)
        doubt = None
        if carried not in (None, terminal):
            doubt = f"This board (MAC {mac}) is {carried} already. Make it {terminal}?"
        elif others:
            doubt = f"{terminal} stands on another board already (MAC {', '.join(others)}). Is that one out of use?"
        if doubt is not None and not confirm(doubt):
            raise FlashProblem(
                Kind.TWICE, doubt.partition(". ")[0] + "; nothing was written", "take another board, or add --yes"
            )
        return job

    return choose
