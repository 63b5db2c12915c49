"""The demo as people start it: its own process, real serial ports, the agent a process that can be killed."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

GATEPOST = [sys.executable, "-m", "gateway_agent"]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `gatepost demo` with these words."""
    return subprocess.run([*GATEPOST, "demo", *words], capture_output=True, text=True, timeout=180, check=False)


def test_an_agent_that_is_killed_in_the_middle_loses_and_doubles_nothing(tmp_path):
    ended = demo("--seconds", "34", "--json", "--seed", "7", "--kill-agent-at", "11", "--keep", str(tmp_path / "kept"))
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    readings = figures["readings"]
    assert figures["agent_starts"] == 2
    assert (readings["lost"], readings["duplicated"], readings["wrong"]) == (0, 0, 0)
    assert readings["measured"] >= readings["journaled"] == readings["delivered"] > 100
    assert figures["alarms"]["raised"] == figures["alarms"]["delivered"] == 1
    assert figures["commands"]["sent"] == figures["commands"]["confirmed"] == 1
    assert figures["bytes_per_reading"] == pytest.approx(figures["bytes_on_air"] / readings["delivered"], abs=0.01)
    assert count_again(tmp_path / "kept") == (readings["delivered"], 0)


def count_again(kept) -> tuple[int, int]:
    """(readings at the platform, those that the truth does not give), from the kept files alone."""
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
    assert len(figures) > 20
    return total, wrong_samples + sum(not is_right(*figure) for figure in figures)


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


def test_ctrl_c_ends_in_order_and_counts(tmp_path):
    """At a terminal Ctrl-C goes to the whole group of processes at once."""
    words = [*GATEPOST, "demo", "--json", "--keep", str(tmp_path / "kept")]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            wait_until(lambda: (tmp_path / "kept/journal.sqlite").exists())
            wait_until(lambda: rows_in(tmp_path / "kept/platform.sqlite") > 20)
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=90)
        finally:
            process.kill()
    assert process.returncode == 0, err
    readings = json.loads(out.splitlines()[-1])["readings"]
    assert readings["delivered"] == readings["journaled"] > 20
    assert "Traceback" not in err


def wait_until(is_so, within_s: float = 60) -> None:
    """Look ten times a second; AssertionError when it is not so in time."""
    end = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end
        threading.Event().wait(0.1)


def rows_in(path) -> int:
    """Readings that a platform's database holds so far."""
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        return database.execute("SELECT count(*) FROM readings").fetchone()[0]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--seconds", "20", "--kill-agent-at", "30"], "must be less"),
        (["--fast"], "needs --seconds"),
        (["--seconds", "soon"], "unable to parse"),
    ],
)
def test_words_that_are_off_are_told_and_end_with_2(words, hint):
    ended = demo(*words)
    assert ended.returncode == 2
    assert hint in " ".join(ended.stderr.replace("│", " ").split())


def test_a_folder_that_is_in_use_is_not_written_to(tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    ended = demo("--seconds", "20", "--keep", str(tmp_path))
    assert ended.returncode == 2
    assert "is not an empty folder" in " ".join(ended.stderr.replace("│", " ").split())
    assert [item.name for item in tmp_path.iterdir()] == ["letter.txt"]
