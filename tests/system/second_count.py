"""A second count of a run of the demo's pole, from its kept files alone, written apart from `hardware/rig/count.py`."""

import sqlite3
from pathlib import Path
from typing import NamedTuple


class Counted(NamedTuple):
    """Readings at the platform, the figures of windows among them, and those that the truth does not give."""

    total: int
    figures: int
    wrong: int


def count_again(kept: Path) -> Counted:
    """The count of a run in the folder `kept`."""
    with sqlite3.connect(kept / "platform.sqlite") as database:
        database.execute("ATTACH ? AS rig", (str(kept / "truth.sqlite"),))
        (total,) = database.execute("SELECT count(*) FROM readings").fetchone()
        (wrong_samples,) = database.execute(
            """
            SELECT count(*) FROM readings AS r WHERE r.kind = 'sample' AND NOT EXISTS (
                SELECT 1 FROM rig.held AS h
                WHERE h.point = r.point AND h.value = r.value AND h.exponent = r.exponent
                AND h.from_ms <= r.time_ms + iif(r.time_ms % :every_ms = 0, 1000, 0) AND r.time_ms < h.to_ms
            )
            """,
            {"every_ms": 2_000},
        ).fetchone()
        figures = database.execute(WINDOW_FIGURES, {"window_ms": 10_000}).fetchall()
    return Counted(total, len(figures), wrong_samples + sum(not is_right(*figure) for figure in figures))


# Each window figure beside the least, the greatest and the time-weighted mean of what its point held in the window.
WINDOW_FIGURES = """
    SELECT r.kind, r.value, r.exponent, h.exponent, min(h.value), max(h.value),
           sum(h.value * (min(h.to_ms, r.time_ms + :window_ms) - max(h.from_ms, r.time_ms))) * 1.0 / :window_ms
    FROM readings AS r JOIN rig.held AS h
    ON h.point = r.point AND h.from_ms < r.time_ms + :window_ms AND h.to_ms > r.time_ms
    WHERE r.kind != 'sample' GROUP BY r.rowid
"""


def is_right(kind, value, exponent, held_exponent, least, greatest, mean) -> bool:
    """Whether a window figure is what the held values give; the mean within half of its last digit."""
    if kind == "mean":
        return abs(value - mean * 10 ** (held_exponent - exponent)) <= 0.5 + 1e-6
    return (value, exponent) == (least if kind == "min" else greatest, held_exponent)
