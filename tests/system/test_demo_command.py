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

from tests.system.second_count import count_again

GATEPOST = [sys.executable, "-m", "gateway_agent"]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `gatepost demo` with these words."""
    return subprocess.run([*GATEPOST, "demo", *words], capture_output=True, text=True, timeout=180, check=False)


def test_an_agent_that_is_killed_in_the_middle_loses_and_doubles_nothing(tmp_path):
    ended = demo("--seconds", "28", "--json", "--seed", "7", "--kill-agent-at", "9", "--keep", str(tmp_path / "kept"))
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[-1])
    readings = figures["readings"]
    assert figures["agent_starts"] == 2
    assert (readings["lost"], readings["duplicated"], readings["wrong"]) == (0, 0, 0)
    assert readings["measured"] >= readings["journaled"] == readings["delivered"] > 100
    assert figures["alarms"]["raised"] == figures["alarms"]["delivered"] == 1
    assert figures["commands"]["sent"] == figures["commands"]["confirmed"] == 1
    assert figures["bytes_per_reading"] == pytest.approx(figures["bytes_on_air"] / readings["delivered"], abs=0.01)
    # How many whole windows there are is not counted here: one in which a busy computer missed a poll has no figures.
    counted = count_again(tmp_path / "kept")
    assert (counted.total, counted.wrong) == (readings["delivered"], 0)


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
