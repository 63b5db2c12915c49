"""What `gatepost check` tells of bytes: the table, the plan, and what to change where it does not last."""

import json
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gateway_agent.cli import main
from gateway_agent.commands.check_bytes import bytes_a_day, plan_sentences, tell_forecast
from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.uplink.forecast import uplink_forecast

EXAMPLE = Path(__file__).parents[3] / "hardware" / "poles" / "example.toml"


def pole(folder: Path, more: str) -> PoleConfig:
    path = folder / "pole.toml"
    path.write_text(EXAMPLE.read_text() + more)
    return load_pole(path)


def told(one: PoleConfig) -> list[str]:
    return list(plan_sentences(one, one.uplink.ways[0], uplink_forecast(one)))


def test_a_plan_that_lasts_needs_no_advice(tmp_path: Path) -> None:
    one = pole(tmp_path, 'bearer = "nb-iot"\nplan_mib_per_month = 4\nplan_begins_day = 5\n')
    assert [line.partition(":")[0] for line in told(one)] == ["plan 4 MiB a month, from day 5 on"]


def test_without_a_plan_nothing_is_said_of_one(tmp_path: Path) -> None:
    one = pole(tmp_path, "")
    assert told(one) == []
    assert bytes_a_day(one)["plan_share"] is None


def test_what_would_save_most_is_told_first_and_is_true(tmp_path: Path) -> None:
    one = pole(tmp_path, 'bearer = "cat1"\nformat = "senml"\nplan_mib_per_month = 6\n')
    assert "will not last" in told(one)[1]
    savings = bytes_a_day(one)["savings"]
    assert [what.partition(" = ")[0] for what in savings] == ["format", "command_delay_s"]
    assert list(savings.values()) == sorted(savings.values(), reverse=True)
    changed = pole(tmp_path, 'bearer = "cat1"\nplan_mib_per_month = 6\n')
    assert uplink_forecast(one).total[1] - uplink_forecast(changed).total[1] == next(iter(savings.values()))


def test_a_mailbox_that_alone_is_more_than_the_plan_is_told(tmp_path: Path) -> None:
    one = pole(tmp_path, 'bearer = "cat1"\nplan_mib_per_month = 2\n')
    assert "without any telemetry" in told(one)[1]
    assert "command_delay_s = 3600" in told(one)[2]


def test_the_table_tells_every_kind_and_the_sum(tmp_path: Path) -> None:
    one = pole(tmp_path, 'bearer = "nb-iot"\nplan_mib_per_month = 4\n')
    out = StringIO()
    tell_forecast(one, Console(file=out, width=120))
    found = uplink_forecast(one)
    rows = [line for line in out.getvalue().splitlines() if "│" in line]
    for name, (least, most) in (("telemetry", found.telemetry), ("answers", found.answers), ("all", found.total)):
        row = next(line for line in rows if line.split("│")[1].strip() == name)
        assert f"{least:,} to {most:,}" in row or (least == most and f"{least:,}" in row)
    kinds = (found.alarms, found.events, found.mailbox, found.security, found.greeting)
    assert found.total[1] == found.telemetry[1] + found.answers[1] + sum(kinds)


@pytest.mark.parametrize(
    ("more", "place", "mend"),
    [
        ('bearer = "nb-iot"\ncommand_delay_s = 60\n', "command_delay_s", "let a command take 3600 s"),
        ("plan_begins_day = 3\n", "plan_begins_day", "plan_mib_per_month"),
        ('plan_overrun = "hold"\n', "plan_overrun", "plan_mib_per_month"),
    ],
)
def test_what_is_unwise_is_told_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: str, place: str, mend: str
) -> None:
    pole(tmp_path, more)
    path = tmp_path / "pole.toml"
    lines = path.read_text().splitlines()
    with pytest.raises(SystemExit) as ended:
        main(["check", str(path), "--json"])
    assert not ended.value.code
    advice = json.loads(capsys.readouterr().out)["advice"]
    (own,) = [one for one in advice if lines[one["line"] - 1].startswith(place)]
    assert mend in own["mend"]
