"""At which pace telemetry goes, so that what is left of a plan lasts: how far batches are apart, and as which windows.

A step is chosen by what it costs, not by its place in a row: windows with least, greatest and sum take more bytes than
the readings of a few minutes, so that a shorter look at the data is not always the cheaper one. What a step costs
beside the present one is what was seen when one was taken after the other; what has not been seen is reckoned by
figures that the day of `make bench ARGS=wire` gave (docs/budget.md has them).
"""

from collections.abc import Sequence
from dataclasses import dataclass

DAY_MS = 86_400_000
LOOK_MS = DAY_MS
"""How long a step is looked at: a lamp's night costs other bytes than its day."""
EARLY_MS = 3 * 3_600_000
"""So long where it costs far more than there is; it must have shown three of its batches too."""
FAR = 2.0
"""How many times what there is that is."""
SETTLING = 2.5
"""After so many batches a step shows what it costs: the first ones carry what was left of the step before."""
LONGEST_S = 3600.0
"""Batches are not further apart than this, unless `batch_s` is longer by itself or the plan is used up."""
ROOM = 0.8
"""A finer step is taken when it would need no more than this share of what is left; so the steps do not swing."""
_KNOWN_MS = 7 * DAY_MS
"""What a step costs beside others is believed so long; then it is tried again where it may fit."""
_FACTORS = (1, 2, 4, 8, 16)
_WINDOWS_S = (900, 3600)
_SHARE = {None: 1.0, 900: 0.92, 3600: 0.45}
"""Payload of windows, as a share of the payload of the readings (compact batches, points that are read each minute;
SenML saves more, which is seen once such a step is taken)."""
_DATAGRAM_BYTES, _DATAGRAM_PAYLOAD = 80, 1000
"""A batch beside its payload, with its share of answers; and what one takes at most."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How telemetry goes: `batch_factor` times `batch_s` apart, `least_s` at least; as windows of `window_s` where that
    is not None; or not at all."""

    batch_factor: int = 1
    window_s: int | None = None
    least_s: float = 0.0
    may_send_telemetry: bool = True

    def apart_s(self, batch_s: float, longest_s: float = LONGEST_S) -> float:
        """How far batches are apart that usually are `batch_s`, where they may be `longest_s`."""
        return max(batch_s, min(batch_s * self.batch_factor, longest_s), self.least_s)


@dataclass(frozen=True, slots=True)
class Spent:
    """Bytes on the air since some beginning: of telemetry, with the datagrams that were sent for it, and of the rest
    that comes day by day."""

    telemetry_bytes: int = 0
    datagrams: int = 0
    rest_bytes: int = 0


def steps(batch_s: float, longest_s: float = LONGEST_S) -> list[Pace]:
    """The paces from fine to coarse: longer batches as far as they may be, then windows in the longest of them."""
    found: list[Pace] = []
    for factor in _FACTORS:
        pace = Pace(factor)
        if not found or pace.apart_s(batch_s, longest_s) > found[-1].apart_s(batch_s, longest_s):
            found.append(pace)
    return found + [Pace(found[-1].batch_factor, window_s) for window_s in _WINDOWS_S]


class Pacer:
    """Chooses the step. `step` may be set to go on from an earlier run; times are monotonic milliseconds."""

    def __init__(self, batch_s: float, longest_s: float = LONGEST_S) -> None:
        self.steps: Sequence[Pace] = steps(batch_s, longest_s)
        self.step = 0
        self._batch_s = batch_s
        self._longest_s = longest_s
        self._since: tuple[int, Spent] | None = None
        self._telemetry: float | None = None
        self._datagrams = 0.0
        self._rest: float | None = None
        self._so_far: float | None = None
        self._settled_ms = -1
        self._left: tuple[int, float] | None = None
        self._worth: dict[int, tuple[float, int]] = {}

    @property
    def pace(self) -> Pace:
        """How telemetry goes at this step."""
        return self.steps[self.step]

    @property
    def bytes_a_day(self) -> float | None:
        """What goes on at this step, None while nobody knows yet."""
        return self._so_far if self._telemetry is None else self._telemetry + (self._rest or 0.0)

    def begin(self) -> None:
        """Take no notice of what went until now."""
        self._since = None

    def look(self, now_ms: int, spent: Spent, left_bytes: float, left_ms: int) -> bool:
        """See what went since the last look, and take the finest step that lasts; whether it is another one.

        Does nothing before this step has shown what it costs.
        """
        if now_ms < self._settled_ms:
            return False
        if self._since is None:
            self._since = now_ms, spent
            return False
        begun_ms, before = self._since
        gone_ms = now_ms - begun_ms
        a_day = left_bytes * DAY_MS / max(1, left_ms)
        if gone_ms < LOOK_MS:
            if gone_ms < max(EARLY_MS, 3000 * self._apart_s(self.step)):
                return False
            rate = (spent.telemetry_bytes - before.telemetry_bytes) * DAY_MS / gone_ms
            self._so_far = rate + (spent.rest_bytes - before.rest_bytes) * DAY_MS / gone_ms
            if rate <= FAR * (a_day - (self._rest or 0.0)):
                return False
        self._learn(now_ms, gone_ms, before, spent)
        chosen = self._choose(now_ms, a_day)
        if chosen == self.step:
            self._since = now_ms, spent
            return False
        # The next look must not take the former step's figures for this one's.
        self._left = self.step, self._telemetry or 0.0
        self._telemetry = self._expected(chosen, now_ms)
        self.step = chosen
        self._since = None
        self._settled_ms = now_ms + round(1000 * SETTLING * self._apart_s(chosen))
        return True

    def _learn(self, now_ms: int, gone_ms: int, before: Spent, after: Spent) -> None:
        a_day = DAY_MS / gone_ms
        self._telemetry = (after.telemetry_bytes - before.telemetry_bytes) * a_day
        self._datagrams = (after.datagrams - before.datagrams) * a_day
        self._rest = (after.rest_bytes - before.rest_bytes) * a_day
        self._compare(self._telemetry, now_ms)
        self._left = None

    def _compare(self, telemetry: float, now_ms: int) -> None:
        """Note what this step costs beside the one that was left for it, whatever both cost by now: loads change."""
        if self._left is None:
            return
        left, cost = self._left
        if cost > 0 and telemetry > 0:
            worth = self._worth.get(left, (1.0, 0))[0]
            self._worth[left] = worth, now_ms
            self._worth[self.step] = worth * telemetry / cost, now_ms

    def _choose(self, now_ms: int, bytes_a_day: float) -> int:
        """The finest step that fits what there is a day; the cheapest where none does."""
        may_spend = bytes_a_day - (self._rest or 0.0)
        expected = [self._expected(step, now_ms) for step in range(len(self.steps))]
        for step, needed in enumerate(expected):
            if needed <= may_spend * (ROOM if step < self.step else 1.0):
                return step
        return expected.index(min(expected))

    def _expected(self, step: int, now_ms: int) -> float:
        """Bytes of telemetry a day at a step."""
        seen = self._telemetry or 0.0
        known, own = self._worth.get(step), self._worth.get(self.step)
        if step == self.step:
            return seen
        if known is not None and own is not None and now_ms - known[1] <= _KNOWN_MS:
            return seen * known[0] / own[0]
        here = self.pace
        payload = max(0.0, seen - _DATAGRAM_BYTES * self._datagrams)
        payload *= _SHARE[self.steps[step].window_s] / _SHARE[here.window_s]
        batches = DAY_MS / 1000 / self._apart_s(step)
        return payload + _DATAGRAM_BYTES * max(batches, payload / _DATAGRAM_PAYLOAD)

    def _apart_s(self, step: int) -> float:
        return self.steps[step].apart_s(self._batch_s, self._longest_s)
