"""What to do with a modem that gives no service: wait, radio off and on, its own reset, power key, supply rail.

Each failure climbs one rung, with a wait before it that doubles; a day has only so many rungs that disturb modem or
network, for networks ban who registers too often and flash wears out. What was done and why is kept over restarts.
"""

import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from gateway_agent.clock import Clock
from gateway_agent.modem.cause import Trouble
from gateway_agent.modem.kept_state import Climb, KeptState

_LOG = logging.getLogger("gatepost.modem")

Rung = Literal["wait", "radio", "reset", "power-key", "supply"]

RUNGS: tuple[Rung, ...] = ("wait", "radio", "reset", "power-key", "supply")
_HELPS: dict[Trouble, tuple[Rung, ...]] = {
    "absent": ("power-key", "supply"),
    "silent": ("wait", "wait", "power-key", "supply"),
    "no-sim": ("wait", "reset", "power-key", "supply"),
    "sim-dead": ("wait", "reset", "power-key", "supply"),
    "pin": ("wait",),
    "searching": ("radio", "reset", "power-key", "supply"),
    "denied": ("wait", "radio", "reset"),
    "no-data": ("wait", "radio", "reset", "power-key", "supply"),
    "no-socket": ("radio", "reset", "power-key", "supply"),
    "unanswered": ("radio", "reset", "power-key", "supply"),
    "rebooting": ("wait", "power-key", "supply"),
}
"""Which rungs can help at all, each tried in turn. A refusal by the network is none of the modem's faults; a locked SIM
has no rung; who was looked for as long as a registration may take was waited for already."""

_FIRST_WAIT_S = 5.0
_LONGEST_WAIT_S = 3600.0
_LONGEST_LOOK_S = 300.0
_SLOW: dict[Trouble, float] = {
    "absent": 60.0,
    "denied": 60.0,
    "no-sim": 30.0,
    "sim-dead": 60.0,
    "pin": 60.0,
    "unanswered": 120.0,
    "searching": 15.0,
}
_NEEDS_ANSWER: frozenset[Trouble] = frozenset({"no-socket", "unanswered"})
"""Troubles that come with a data connection, so that one is no sign that they are over."""
_HARMLESS: frozenset[Trouble] = frozenset({"absent", "silent", "no-sim", "sim-dead", "pin"})
"""Troubles in which another look disturbs nobody, so that a mended modem is found soon."""
_DAY_MS = 86_400_000
_HOUR_MS = 3_600_000
_LAST_CLIMBS = 20


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next, after a wait; `reason` tells why in words."""

    rung: Rung
    wait_s: float
    reason: str


class Ladder:
    """Chooses the next rung. `rungs` are those that this modem has, `daily_cap` the most in a day that disturb."""

    def __init__(
        self,
        rungs: Sequence[Rung],
        kept: KeptState,
        clock: Clock,
        *,
        daily_cap: int = 24,
        chance: random.Random | None = None,
    ) -> None:
        self.climbed: dict[Rung, int] = dict.fromkeys(RUNGS, 0)
        self._rungs = frozenset(rungs)
        self._kept = kept
        self._clock = clock
        self._daily_cap = daily_cap
        self._chance = chance or random.Random()

    def next(self, trouble: Trouble, why: str) -> Step:
        """The rung for a trouble that `why` tells in words; it counts as taken, and is written down."""
        helpful: list[Rung] = [rung for rung in _HELPS[trouble] if rung in self._rungs] or ["wait"]
        level = self._kept.level
        rung = helpful[min(level, len(helpful) - 1)]
        reason = why
        if rung != "wait" and self.disturbances() >= self._daily_cap:
            used_up = f"; the {self._daily_cap} attempts of a day to mend it are used up" if self._daily_cap else ""
            rung, reason = "wait", why + used_up
        first_s = _SLOW.get(trouble, _FIRST_WAIT_S)
        longest_s = _LONGEST_LOOK_S if rung == "wait" and trouble in _HARMLESS else _LONGEST_WAIT_S
        wait_s = min(first_s * 2 ** min(level, 16), longest_s) * self._chance.uniform(0.75, 1.25)
        self._kept.level += 1
        self._kept.awaits_answer = trouble in _NEEDS_ANSWER
        self._kept.climbs.append(Climb(self._clock.unix_ms(), rung, reason))
        self._forget_old()
        self._save()
        self.climbed[rung] += 1
        return Step(rung, wait_s, reason)

    def settled(self) -> None:
        """There is a connection again: the next trouble begins at the lowest rung.

        After a trouble that leaves the connection as it is, it takes an answer too.
        """
        if self._kept.level and not self._kept.awaits_answer:
            self._kept.level = 0
            self._save()

    def answered(self) -> None:
        """The platform has answered: that is service, and is remembered to the hour."""
        now_ms = self._clock.unix_ms()
        before_ms, self._kept.answered_ms = self._kept.answered_ms, now_ms
        awaited, self._kept.awaits_answer = self._kept.awaits_answer, False
        if awaited or before_ms is None or now_ms // _HOUR_MS != before_ms // _HOUR_MS:
            self._save()

    def _save(self) -> None:
        """Write it down; a disk that does not take it is no reason to leave the modem alone."""
        try:
            self._kept.save()
        except OSError as problem:
            _LOG.error("what was done with the modem cannot be written down (%s)", problem)

    def disturbances(self) -> int:
        """Rungs of the last day that disturbed modem or network. A clock that was set makes old ones no younger."""
        return sum(self._is_counted(climb) for climb in self._kept.climbs)

    def _is_counted(self, climb: Climb) -> bool:
        return climb.rung != "wait" and abs(self._clock.unix_ms() - climb.unix_ms) < _DAY_MS

    def _forget_old(self) -> None:
        """Keep the last climbs, for people, and those that the day's count needs."""
        last = len(self._kept.climbs) - _LAST_CLIMBS
        climbs = enumerate(self._kept.climbs)
        self._kept.climbs[:] = [climb for at, climb in climbs if at >= last or self._is_counted(climb)]
