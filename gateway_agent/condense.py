"""Condensing: which samples travel, and which become the mean, least and greatest of a window.

A point is reported in one of two ways. On change: a sample travels when it differs from the last one that travelled by
at least `change`, and the first sample of every stretch of `every_ms` of unix time travels in any case. Or by windows,
aligned to unix time: when a window is whole, its figures travel in the samples' place; otherwise its samples travel as
samples, so that no figure claims more than was measured. Whole means that each poll slot of the window gave exactly
one good sample, all at the same place in their slots give or take an eighth of the period: a node that has just
started and is not in step with unix time yet has other gaps. A sample that carries its slot was taken somewhere within
a second of it, so it may have been beside one that came a little later. A point with neither reports every sample.

Equal input gives equal output: there is no clock in here, `tick` is told the time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway_agent.collect.slots import ON_TIME_MS
from gateway_agent.records import Reading

WINDOW_GRACE_MS = 3_000
"""How long after its end a window is kept open: a sample may be older than the exchange that brought it."""
_EVENNESS = 8
_STAMPS_DIFFER_MS = 1_100
"""Two stamps of one sample differ by less: one may carry its slot (a second), and a node's ages have a grain."""


@dataclass(frozen=True, slots=True)
class ReportRule:
    """How one point is reported; times in milliseconds, `change` in counts of the point's exponent.

    `period_ms` is how often the point is measured, `phase_ms` how long after a multiple of it. `figures` are of mean,
    min, max and last.
    """

    period_ms: int
    change: int | None = None
    every_ms: int | None = None
    window_ms: int | None = None
    figures: tuple[str, ...] = ("mean", "min", "max")
    phase_ms: int = 0


def rounded_mean(values: Sequence[int]) -> int:
    """Ten times the mean of the values, rounded half to even: the mean with one more decimal digit."""
    return rounded_tenths(sum(values), len(values))


def rounded_tenths(total: int, count: int) -> int:
    """Ten times total / count, rounded half to even."""
    quotient, remainder = divmod(10 * total, count)
    if 2 * remainder > count or (2 * remainder == count and quotient % 2):
        return quotient + 1
    return quotient


class Condenser:
    """Condenses the samples of a whole pole. `rules` by full point name; a point without a rule reports every sample.

    `last_sample_ms` says, per point, when the newest sample was taken that an earlier run has already kept: a node that
    is read again after a restart of the agent still shows it. While `has_windows` is false all samples of windows
    travel as samples.
    """

    def __init__(self, rules: Mapping[str, ReportRule], last_sample_ms: Mapping[str, int] | None = None) -> None:
        self.has_windows = True
        self._rules = rules
        self._kept_ms = dict(last_sample_ms or {})
        self._reported: dict[str, Reading] = {}
        self._windows: dict[str, _Window] = {}
        self._closed_ms: dict[str, int] = {}

    def add(self, samples: Iterable[Reading]) -> list[Reading]:
        """Take samples of one poll and return what is to be kept of them now."""
        kept: list[Reading] = []
        for sample in samples:
            if self._is_known(sample):
                continue
            rule = self._rules.get(sample.point)
            if rule is None:
                kept.append(sample)
            elif rule.window_ms is not None:
                kept.extend(self._into_window(sample, rule, rule.window_ms))
            elif self._is_worth_reporting(sample, rule):
                self._reported[sample.point] = sample
                kept.append(sample)
        return kept

    def tick(self, now_ms: int) -> list[Reading]:
        """Close the windows that ended `WINDOW_GRACE_MS` ago and return what they give."""
        ended = [point for point, window in self._windows.items() if now_ms >= window.end_ms + WINDOW_GRACE_MS]
        return [reading for point in ended for reading in self._close(point)]

    def flush(self) -> list[Reading]:
        """Give up all open windows: their samples travel as samples. For the end of the agent or of an era."""
        kept = [sample for window in self._windows.values() for sample in window.samples]
        self._windows.clear()
        self._closed_ms.clear()
        return kept

    def _is_known(self, sample: Reading) -> bool:
        """Whether an earlier run has kept this sample. Only the first sample of a point can be such a one."""
        kept_ms = self._kept_ms.pop(sample.point, None)
        if kept_ms is None:
            return False
        rule = self._rules.get(sample.point)
        differ_ms = _STAMPS_DIFFER_MS if rule is None else min(_STAMPS_DIFFER_MS, rule.period_ms // 2)
        return abs(sample.time_ms - kept_ms) < differ_ms

    def _is_worth_reporting(self, sample: Reading, rule: ReportRule) -> bool:
        last = self._reported.get(sample.point)
        if last is None or (rule.change is None and rule.every_ms is None):
            return True
        if rule.change is not None and abs(sample.value - last.value) >= rule.change:
            return True
        return rule.every_ms is not None and sample.time_ms // rule.every_ms != last.time_ms // rule.every_ms

    def _into_window(self, sample: Reading, rule: ReportRule, window_ms: int) -> list[Reading]:
        if not self.has_windows:
            return [sample]
        start_ms = sample.time_ms - sample.time_ms % window_ms
        closed_ms = self._closed_ms.get(sample.point)
        if closed_ms is not None and start_ms <= closed_ms:
            return [sample]
        kept: list[Reading] = []
        window = self._windows.get(sample.point)
        if window is not None and start_ms < window.start_ms:
            return [sample]
        if window is not None and start_ms > window.start_ms:
            kept = self._close(sample.point)
            window = None
        if window is None:
            window = self._windows[sample.point] = _Window(start_ms, rule)
        window.samples.append(sample)
        if window.is_whole():
            kept = kept + self._close(sample.point)
        return kept

    def _close(self, point: str) -> list[Reading]:
        window = self._windows.pop(point)
        self._closed_ms[point] = window.start_ms
        return window.figures() if window.is_whole() else window.samples


class _Window:
    """The samples of one point in one window."""

    def __init__(self, start_ms: int, rule: ReportRule) -> None:
        self.start_ms = start_ms
        self.end_ms = start_ms + (rule.window_ms or 0)
        self.samples: list[Reading] = []
        self._rule = rule

    def is_whole(self) -> bool:
        """Whether each poll slot of the window has given exactly one sample, at even distances."""
        period_ms = self._rule.period_ms
        expected = (self.end_ms - self.start_ms) // period_ms
        if len(self.samples) != expected:
            return False
        if len({sample.time_ms // period_ms for sample in self.samples}) != expected:
            return False
        places = [(sample.time_ms - self._rule.phase_ms) % period_ms for sample in self.samples]
        own = [place for place in places if place]
        if not own:
            return True
        carried_until_ms = period_ms if len(own) == len(places) else min(ON_TIME_MS, period_ms // 2)
        return max(own) - min(*own, carried_until_ms) <= period_ms // _EVENNESS

    def figures(self) -> list[Reading]:
        """The figures of the window, in the order of the rule."""
        values = [sample.value for sample in self.samples]
        last = max(self.samples, key=lambda sample: sample.time_ms)
        given: list[Reading] = []
        for figure in self._rule.figures:
            if figure == "last":
                given.append(last)
            elif figure == "mean":
                mean = rounded_mean(values)
                given.append(replace(last, time_ms=self.start_ms, value=mean, exponent=last.exponent - 1, kind="mean"))
            else:
                value = min(values) if figure == "min" else max(values)
                given.append(replace(last, time_ms=self.start_ms, value=value, kind=figure))
        return given
