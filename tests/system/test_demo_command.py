"""The demo as people start it: its own process, real serial ports, the agent a process that can be killed."""

import json
import sqlite3
import subprocess
import sys

import pytest

GATEPOST = [sys.executable, "-m", "gateway_agent"]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `gatepost demo` with these words."""
    return subprocess.run([*GATEPOST, "demo", *words], capture_output=True, text=True, timeout=180, check=False)


def test_an_agent_that_is_killed_in_the_middle_loses_and_doubles_nothing(tmp_path):
    ended = demo("--seconds", "24", "--json", "--seed", "7", "--kill-agent-at", "11", "--keep", str(tmp_path / "kept"))
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
    """(readings at the platform, samples that no point held at their time), from the kept files alone."""
    with sqlite3.connect(kept / "platform.sqlite") as database:
        database.execute("ATTACH ? AS rig", (str(kept / "truth.sqlite"),))
        (total,) = database.execute("SELECT count(*) FROM readings").fetchone()
        (wrong,) = database.execute(
            """
            SELECT count(*) FROM readings AS r WHERE r.kind = 'sample' AND NOT EXISTS (
                SELECT 1 FROM rig.held AS h
                WHERE h.point = r.point AND h.value = r.value AND h.exponent = r.exponent
                AND h.from_ms <= r.time_ms AND r.time_ms - 250 < h.to_ms
            )
            """
        ).fetchone()
    return total, wrong


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
    assert "is not empty" in " ".join(ended.stderr.replace("│", " ").split())
    assert [item.name for item in tmp_path.iterdir()] == ["letter.txt"]
