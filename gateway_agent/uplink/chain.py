"""The gateway's end of chained compact batches: which state the next batch refers to.

A batch refers to a state that the platform has: the last one that it acknowledged, or, while hardly anything is lost,
the one after the last batch that was sent, which is shorter. Where the platform says that it lacks a state, or nobody
answers, the next batch refers to an older one, and in the end to none.
"""

from gateway_agent.compact import State


class Chain:
    """One row of batches, each built on one before it. States belong to one epoch of the journal."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._acknowledged: State | None = None
        self._latest: State | None = None

    def reference(self, epoch: int, *, is_lossy: bool) -> State | None:
        """What a batch of that epoch refers to that goes now; None: to nothing."""
        if epoch != self._epoch:
            return None
        return self._acknowledged if is_lossy else self._latest

    def sent(self, epoch: int, state: State) -> None:
        """A batch has gone that leaves the platform with `state`, and nobody has acknowledged it yet."""
        if epoch != self._epoch:
            self._epoch, self._acknowledged = epoch, None
        self._latest = state

    def acknowledged(self, epoch: int, state: State) -> None:
        """The platform has the state after this batch."""
        self._epoch, self._acknowledged, self._latest = epoch, state, state

    def lacks(self, reference: State | None) -> None:
        """The platform does not have the state that a batch referred to."""
        if reference is None or self._acknowledged is None or reference.id == self._acknowledged.id:
            self._acknowledged = self._latest = None
        else:
            self._latest = self._acknowledged

    def in_doubt(self) -> None:
        """Nobody knows whether what was sent last has arrived."""
        self._latest = self._acknowledged
