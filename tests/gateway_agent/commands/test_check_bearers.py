"""What `gatepost check` tells of a pole with several bearers."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gateway_agent.cli import main
from gateway_agent.commands.check_bytes import bytes_a_day, tell_forecast
from gateway_agent.config import PoleConfig, load_pole

EXAMPLE = Path(__file__).parents[3] / "hardware" / "poles" / "example.toml"
BEARERS = """
[[uplink.bearers]]
name = "fibre"
kind = "wired"
interface = "eth0"
[[uplink.bearers]]
name = "radio"
kind = "nb-iot"
command_delay_s = 60
plan_overrun = "hold"
"""


def pole(folder: Path) -> PoleConfig:
    (folder / "pole.toml").write_text(EXAMPLE.read_text() + BEARERS)
    return load_pole(folder / "pole.toml")


def test_each_bearer_has_its_forecast(tmp_path: Path) -> None:
    found = bytes_a_day(pole(tmp_path))
    assert list(found["bearers"]) == ["fibre", "radio"]
    assert found["bearers"]["fibre"]["total"] == found["total"]
    out = StringIO()
    tell_forecast(pole(tmp_path), Console(file=out, width=120))
    assert "over fibre, when all goes that way" in out.getvalue()
    assert "over radio, when all goes that way" in out.getvalue()


def test_what_is_unwise_of_a_bearer_is_told_with_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pole(tmp_path)
    lines = (tmp_path / "pole.toml").read_text().splitlines()
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path / "pole.toml"), "--json"])
    assert not ended.value.code
    places = {lines[one["line"] - 1] for one in json.loads(capsys.readouterr().out)["advice"]}
    assert {"command_delay_s = 60", 'plan_overrun = "hold"'} <= places
