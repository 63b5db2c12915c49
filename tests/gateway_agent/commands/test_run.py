"""`gatepost run` says that it has started only when it has."""

import subprocess
import sys
from pathlib import Path

import pytest

POLE = """
[pole]
gateway = "gp-1"
[[buses]]
name = "a"
port = "/dev/none"
[journal]
path = "{journal}"
[uplink]
url = "coap://127.0.0.1:9"
security = "clear"
"""


@pytest.mark.parametrize(
    ("journal", "socket", "cause"),
    [("pole.toml/journal.sqlite", "s", "pole.toml/journal.sqlite"), ("journal.sqlite", "none/s", "status socket")],
)
def test_an_agent_that_cannot_start_does_not_say_that_it_has(
    tmp_path: Path, journal: str, socket: str, cause: str
) -> None:
    file = tmp_path / "pole.toml"
    file.write_text(POLE.format(journal=journal))
    words = [sys.executable, "-m", "gateway_agent", "run", str(file), "--status", str(tmp_path / socket)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert cause in ended.stderr
    assert "started" not in ended.stderr
    assert "Traceback" not in ended.stderr
