"""Counts a run: what was journaled, what the platform has, and whether every figure is what the rig's truth gives.

Lost is a reading that the journal committed and the platform lacks; duplicated is one that the platform has twice;
wrong is one whose value differs from the truth. A sample must equal what the point held at its time, or, where its time
is its slot, within `CARRIED_MS` of it (decision 0104); a window's mean, min and max are worked out again from what the
point held in the middle of each poll slot of the window. `EDGE_MS` forgives a stamp that is late by the time an answer
takes (decision 0103), nothing else.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway_agent.journal import ALARM, TELEMETRY
from gateway_agent.journal.inspect import stored_records
from gateway_agent.records import Event
from hardware.rig.truth import Truth

EDGE_MS = 50
CARRIED_MS = 1_000

Row = tuple[str, int, int, int, str]
"""point, time_ms, value, exponent, kind: one reading as the platform stores it."""


@dataclass(frozen=True, slots=True)
class Period:
    """How a point is measured: its poll period, its window (0 when it has none) and its phase, in milliseconds."""

    every_ms: int
    window_ms: int
    phase_ms: int = 0


@dataclass(frozen=True, slots=True)
class Tally:
    """The readings of a run. `wrong_rows` names the first few that are wrong, with what the truth gives."""

    journaled: int
    delivered: int
    lost: int
    duplicated: int
    wrong: int
    wrong_rows: tuple[str, ...]


def tally(journaled: Iterable[Row], delivered: Iterable[Row], truth: Truth, periods: Mapping[str, Period]) -> Tally:
    """Compare what the journal committed, what the platform stored and what the points really held."""
    in_journal = Counter(journaled)
    at_platform = Counter(delivered)
    wrong = [found for row in at_platform if (found := _fault(row, truth, periods.get(row[0])))]
    return Tally(
        journaled=in_journal.total(),
        delivered=at_platform.total(),
        lost=(in_journal - at_platform).total(),
        duplicated=sum(count - 1 for count in _by_identity(at_platform).values()),
        wrong=len(wrong),
        wrong_rows=tuple(sorted(wrong)[:10]),
    )


def platform_rows(path: Path, gateway: str) -> Iterator[Row]:
    """Yield the readings of one gateway in `platform.sqlite`."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        yield from database.execute(
            "SELECT point, time_ms, value, exponent, kind FROM readings WHERE gateway = ?", (gateway,)
        )


def journal_rows(path: Path) -> Iterator[Row]:
    """Yield every reading that a journal has committed; it must have kept what was acknowledged."""
    for record in stored_records(path, TELEMETRY):
        if isinstance(record.content, tuple):
            yield from ((item.point, item.time_ms, item.value, item.exponent, item.kind) for item in record.content)


def alarms_in_journal(path: Path) -> list[str]:
    """Return the name of each alarm that a journal has committed as raised."""
    contents = [record.content for record in stored_records(path, ALARM)]
    return [content.name for content in contents if isinstance(content, Event) and content.state]


def _by_identity(rows: Counter[Row]) -> Counter[tuple[str, int, str]]:
    identities: Counter[tuple[str, int, str]] = Counter()
    for (point, time_ms, _value, _exponent, kind), count in rows.items():
        identities[point, time_ms, kind] += count
    return identities


def _fault(row: Row, truth: Truth, period: Period | None) -> str | None:
    point, time_ms, value, exponent, kind = row
    if kind == "sample":
        is_slot = period is not None and (time_ms - period.phase_ms) % period.every_ms == 0
        until_ms = time_ms + (CARRIED_MS if is_slot else 0) + 1
        expected = {held for _from, _to, held in truth.values_between(point, time_ms - EDGE_MS, until_ms)}
        right = value in expected
    else:
        expected = _window_figure(point, time_ms, kind, truth, period)
        right = value in expected
    if right:
        return None
    return f"{point} {kind} at {time_ms}: delivered {value}e{exponent}, the truth gives {sorted(expected) or 'nothing'}"


def _window_figure(point: str, start_ms: int, kind: str, truth: Truth, period: Period | None) -> set[int]:
    if period is None or not period.window_ms:
        return set()
    middles = range(start_ms + period.every_ms // 2, start_ms + period.window_ms, period.every_ms)
    held = [truth.value_at(point, middle) for middle in middles]
    values = [value for value in held if value is not None]
    if not values or len(values) != len(held):
        return set()
    if kind == "mean":
        return {_tenths_of_mean(values)}
    return {min(values) if kind == "min" else max(values)}


def _tenths_of_mean(values: list[int]) -> int:
    """Ten times the mean, rounded half to even; written apart from the agent's own arithmetic on purpose."""
    doubled, rest = divmod(20 * sum(values), len(values))
    low, odd = divmod(doubled, 2)
    if not odd:
        return low
    return low + 1 if rest or low % 2 else low
