"""Which batch asks for an answer: one in N, by the loss that was seen and by how long a command may take to arrive.

A batch that goes without an answer costs half the bytes of the headers. It is not safe at the platform until a later
answer has said so, and the journal keeps it until then; and only an answer brings commands. So N is small where much
is lost, and never so large that answers are further apart than `command_delay_s`.
"""

from collections.abc import Callable

from gateway_agent.clock import Clock

LONGEST = 16
"""The most batches that one answer acknowledges."""
_STEPS = ((0.02, LONGEST), (0.05, 8), (0.10, 4), (0.20, 2))
"""Up to which share of lost datagrams one batch in how many is confirmed; above, each is."""
_MEMORY = 0.9
"""What is left of the weight of a batch when sixteen more were counted."""
_FIRST_GUESS = 8.0
"""Batches that count as sent and not lost before any was."""
_PUNCTUAL = 0.95
"""Batches of a schedule come a little late or early; an answer that is late by this much of a distance is in time."""
LOSSY = 0.03
"""From this share of lost datagrams on a batch had better refer only to what is known to have arrived."""


class Confirmation:
    """Counts what was lost, and says whether the next batch must be confirmed."""

    def __init__(self, answers_within_s: Callable[[], float], clock: Clock) -> None:
        """`answers_within_s` tells how far apart answers may be now."""
        self._answers_within_s = answers_within_s
        self._clock = clock
        self._answered_ms: int | None = None
        self._sent = _FIRST_GUESS
        self._lost = 0.0

    @property
    def loss(self) -> float:
        """Share of the batches that were lost lately, 0 to 1."""
        return self._lost / self._sent

    @property
    def is_lossy(self) -> bool:
        """Whether so much is lost that a batch should not build on one that nobody has acknowledged."""
        return self.loss >= LOSSY

    @property
    def every(self) -> int:
        """N: one batch in how many is confirmed, by the loss alone."""
        return next((every for up_to, every in _STEPS if self.loss <= up_to), 1)

    @property
    def silence_s(self) -> float:
        """How long ago the platform has answered; 0 when it never has."""
        return 0.0 if self._answered_ms is None else (self._clock.monotonic_ms() - self._answered_ms) / 1000

    def must_confirm(self, unconfirmed: int, next_in_s: float) -> bool:
        """Whether a batch that goes now must be confirmed: `unconfirmed` went without since the last answer, and the
        next one goes in `next_in_s`."""
        if self._answered_ms is None or unconfirmed + 1 >= self.every:
            return True
        next_ms = self._clock.monotonic_ms() + round(1000 * _PUNCTUAL * next_in_s)
        return next_ms > self._answered_ms + 1000 * self._answers_within_s()

    def answered(self) -> None:
        """The platform has answered."""
        self._answered_ms = self._clock.monotonic_ms()

    def counted(self, sent: int, lost: int) -> None:
        """Of so many batches that were sent, repetitions included, so many did not arrive or were not answered."""
        keep = _MEMORY ** (sent / 16)
        self._sent = self._sent * keep + sent
        self._lost = self._lost * keep + lost
