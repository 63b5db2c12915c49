"""Which bearer is used now: the first of the list that works and whose plan is not used up.

One that fails is left at once for the next. It is tried again after its pause with a question alone, so that no reading
and no alarm waits for it. When all have failed they take turns.
"""

from collections.abc import Iterator, Sequence
from math import inf

from gateway_agent.bearers.bearer import Bearer
from gateway_agent.uplink.coap_message import GREETING


class Bearers:
    """The bearers of a pole, the preferred one first; at least one."""

    def __init__(self, bearers: Sequence[Bearer]) -> None:
        self._bearers = tuple(bearers)

    def __iter__(self) -> Iterator[Bearer]:
        return iter(self._bearers)

    @property
    def current(self) -> Bearer:
        """The one that is used now for everything but a trial."""
        up = [bearer for bearer in self._bearers if bearer.is_up]
        if up:
            return next((bearer for bearer in up if not bearer.is_used_up), up[0])
        return min(self._bearers, key=lambda bearer: bearer.failed_ms)

    @property
    def wants_trial(self) -> bool:
        """Whether a better one than the current has rested long enough to be asked whether it works again."""
        return self._to_try() is not None

    @property
    def next_trial_s(self) -> float:
        """How long until that may be so; infinite where there is nothing better than the current."""
        return min((bearer.rests_s for bearer in self._better_ones()), default=inf)

    def choose(self, kind: str) -> Bearer:
        """The one for a message of that kind (coap_message.py)."""
        trial = self._to_try() if kind == GREETING else None
        return trial or self.current

    def has_other(self, bearer: Bearer) -> bool:
        """Whether another one works, as far as is known."""
        return any(other.is_up and other is not bearer for other in self._bearers)

    def _to_try(self) -> Bearer | None:
        return next((bearer for bearer in self._better_ones() if bearer.rests_s <= 0), None)

    def _better_ones(self) -> list[Bearer]:
        """Those before the current one that are down and would be used if they were up."""
        current = self.current
        if not current.is_up:
            return []  # whatever is sent now is a trial
        before = self._bearers[: self._bearers.index(current)]
        return [bearer for bearer in before if not (bearer.is_up or bearer.is_used_up)]
