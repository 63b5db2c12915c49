"""Whether one device alone answers on an id: the same question several times, with time for a second answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from gateway_agent.scan.findings import Standing
from gateway_agent.scan.question import Kind, Question, Verdict
from protocols import modbus

Ask = Callable[[Question], Awaitable[Verdict]]

_NOT_NOW = (5, modbus.SERVER_DEVICE_BUSY)
"""Refusals that say "later": an acknowledge, which we have no use for otherwise, and busy; MB section 7."""
_TRIES = 4
_MORE_TRIES = 8


@dataclass(frozen=True, slots=True)
class Count:
    """What came of the questions: how many were put, how many answers were damaged, and what that means."""

    standing: Standing
    asked: int
    damaged: int


async def look(ask: Ask, question: Question) -> Count | None:
    """Who answers on the id of `question`; None when nobody does any more.

    Two answers to one question are two devices. So are answers that differ in kind from one time to the next, and
    answers that never once come whole: two devices that begin at the same moment damage each other every time, a bad
    line lets some through. Damage now and then without one whole answer is nobody. `ask` waits the whole reply timeout
    each time.
    """
    verdicts = [await ask(question) for _ in range(_TRIES)]
    if any(verdict.kind is Kind.DAMAGED or verdict.noise for verdict in verdicts):
        verdicts += [await ask(question) for _ in range(_MORE_TRIES - _TRIES)]
    kinds = {verdict.kind for verdict in verdicts}
    if kinds == {Kind.SILENT}:
        return None
    damaged = sum(verdict.kind is Kind.DAMAGED for verdict in verdicts)
    answers = sum(verdict.kind.is_answer for verdict in verdicts)
    settled = {verdict.kind for verdict in verdicts if verdict.refusal not in _NOT_NOW}
    has_two = Kind.TWO in kinds or {Kind.GOOD, Kind.REFUSED} <= settled
    if has_two or (not answers and damaged >= _TRIES) or _is_crowded(verdicts):
        standing = Standing.TWO
    elif answers:
        standing = Standing.DAMAGED if damaged else Standing.ONE
    else:
        # A few spoilt bytes and never a whole answer: a device at another rate that our question woke by chance.
        return None
    return Count(standing, len(verdicts), damaged)


def _is_crowded(verdicts: list[Verdict]) -> bool:
    """Whether whole answers come with the rest of another one behind them, nearly every time."""
    crowded = sum(verdict.kind.is_answer and len(verdict.noise) > 1 for verdict in verdicts)
    return crowded > len(verdicts) // 2
