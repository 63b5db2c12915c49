"""How long the way back to us stays open without traffic: found by letting the platform speak after a silence.

Somewhere on the way a NAT or a firewall forgets us after some idle time, which nobody tells (RFC 4787 asks for two
minutes at least, radio networks were seen to give 30 s to 60 s, fixed ones hours). The platform says a word after as
much silence as it was told, `wait_s`. When that arrives, the way stays open so long, and a longer silence is tried;
when it does not, the shorter one that worked is kept, and what lies between is tried once a day.
"""

from gateway_agent.clock import Clock

FIRST_S, SHORTEST_S, LONGEST_S = 25.0, 10.0, 4 * 3600.0
GOOD_IN_A_ROW = 2
"""Words that must arrive after a silence before a longer one is tried."""
GROWTH = 1.5
CLOSE_ENOUGH = 1.15
"""When what fails is less than this much longer than what works, nothing between is tried."""
TRY_AGAIN_S = 86_400.0


class IdleTime:
    """`wait_s` is the silence to ask for."""

    def __init__(self, clock: Clock) -> None:
        self.wait_s = FIRST_S
        self._clock = clock
        self._works_s = SHORTEST_S
        self._fails_s: float | None = None
        self._failed_ms = 0
        self._in_a_row = 0

    def heard(self) -> bool:
        """The platform was heard after `wait_s` of silence; whether `wait_s` has changed by that."""
        self._works_s = max(self._works_s, self.wait_s)
        self._in_a_row += 1
        if self._in_a_row < GOOD_IN_A_ROW:
            return False
        longer_s = self._longer()
        if longer_s <= self.wait_s:
            return False
        self.wait_s, self._in_a_row = longer_s, 0
        return True

    def missed(self) -> None:
        """Nothing was heard after `wait_s` of silence, although the platform is there."""
        self._fails_s, self._failed_ms, self._in_a_row = self.wait_s, self._clock.monotonic_ms(), 0
        if self._works_s >= self.wait_s:
            self._works_s = SHORTEST_S
        self.wait_s = max(SHORTEST_S, min(self._works_s, self.wait_s / GROWTH))

    def _longer(self) -> float:
        if self._fails_s is None:
            return min(self.wait_s * GROWTH, LONGEST_S)
        if self._clock.monotonic_ms() - self._failed_ms < 1000 * TRY_AGAIN_S:
            return self.wait_s
        if self._fails_s <= self.wait_s * CLOSE_ENOUGH:
            return self.wait_s
        return (self.wait_s + self._fails_s) / 2
