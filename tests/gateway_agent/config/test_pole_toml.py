"""pole.toml: what is right is understood, what is wrong is told with line and mend."""

import json
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway_agent.cli import main
from gateway_agent.config import LineSettings, PoleConfig, advice, check_source, devices_of, lighting, load_pole, schema
from gateway_agent.config.devices import line_of
from gateway_agent.config.forecast import forecast
from gateway_agent.reporting import limits, report_rules, units
from gateway_agent.toml_source import ConfigError, parse_toml

EXAMPLE = Path(__file__).parents[3] / "hardware" / "poles" / "example.toml"
POLE = """
[pole]
gateway = "gp-1"
[[buses]]
name = "pole"
port = "/dev/serial/by-id/a"
baud = 19200
[[buses]]
name = "cabinet"
port = "/dev/serial/by-id/b"
[[nodes]]
name = "lamp_node"
bus = "pole"
unit = 17
every_s = 2
sensor_bus = { baud = 9600 }
[[nodes.devices]]
name = "lamp"
profile = "ecodim-dali-gw2"
unit = 1
every_s = 2
[[nodes.devices]]
name = "gas"
profile = "4mz-hh4"
unit = 10
every_s = 2
[[nodes.devices]]
name = "cover"
profile = "generic-door-switch"
every_s = 2
[[devices]]
name = "meter"
bus = "cabinet"
profile = "peacefair-pzem-016"
unit = 1
every_s = 2
report = { power = { window_s = 10 } }
[[alarms]]
point = "gas/ch4"
above = 20
[journal]
path = "journal.sqlite"
[uplink]
url = "coap://127.0.0.1:5683"
security = "clear"
"""


def pole(text: str = POLE) -> PoleConfig:
    return check_source(parse_toml(text, Path("/etc/gatepost/pole.toml")))


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as failed:
        pole(text)
    return [str(problem) for problem in failed.value.problems]


def line_number(text: str, piece: str) -> int:
    return text[: text.index(piece)].count("\n") + 1


def test_the_example_is_a_right_pole() -> None:
    found = load_pole(EXAMPLE)
    assert sum(len(device.profile.points) for device in devices_of(found)) > 40
    assert all(one.load < 0.2 for one in forecast(found))
    assert len(limits(found)) == len(found.alarms)
    assert report_rules(found).keys() == units(found).keys()


def test_relative_paths_are_taken_from_the_folder_of_the_file() -> None:
    assert pole().journal.path == "/etc/gatepost/journal.sqlite"


@pytest.mark.parametrize(
    ("old", "new", "what", "mend"),
    [
        ('gateway = "gp-1"', 'gatewy = "gp-1"', "has no key named gatewy", "did you mean gateway?"),
        ("baud = 19200", 'baud = "19200"', "buses[1].baud", "19200"),
        ("baud = 19200", "baud = 19201", "buses[1].baud", "19200"),
        ("unit = 17", "unit = 0", "nodes[1].unit is 0", "at least 1"),
        ('name = "meter"', 'name = "Meter"', '"Meter"', "must match"),
        ('name = "meter"', 'name = "lamp"', "the name lamp is used twice", "its own name"),
        ('bus = "cabinet"', 'bus = "cabinets"', "bus cabinets, which does not exist", "did you mean cabinet?"),
        ("/dev/serial/by-id/b", "/dev/serial/by-id/a", "uses the port of bus pole", "a port of its own"),
        ('"peacefair-pzem-016"', '"peacefair-pzem-16"', "no device profile", "did you mean peacefair-pzem-016?"),
        ("unit = 10", "unit = 254", "up to 257", "must not exceed 255"),
        ('profile = "4mz-hh4"\nunit = 10', 'profile = "4mz-hh4"\nunit = 1', "is that of lamp", "another unit id"),
        ('profile = "ecodim-dali-gw2"\nunit = 1', 'profile = "ecodim-dali-gw2"', "has no unit id", "add unit = 1"),
        ("{ power = { window_s = 10 } }", "{ powr = { window_s = 10 } }", "no point powr", "did you mean power?"),
        ("window_s = 10 } }", "window_s = 9 } }", "the window of meter/power", "a multiple of every_s"),
        ("window_s = 10 } }", "window_s = 10, change = 1 } }", "by window and on change", "choose window_s"),
        ("window_s = 10 } }", "} }", "says nothing", "change and every_s"),
        ('point = "gas/ch4"', 'point = "gas/ch5"', "there is no point gas/ch5", "did you mean gas/ch4?"),
        ("above = 20", "above = 20\nbelow = 3", "two limits", "make two rules"),
        ("above = 20", "hold_s = 3", "no limit", "give it above or below"),
        ("above = 20", "above = 20\nclear_below = 21", "clear_below 21", "clear itself"),
        ("above = 20", "above = 20\nclear_above = 21", "goes with below", "write clear_below"),
        ('security = "clear"', "", "has no key security", 'add security = "clear"'),
        ('security = "clear"', 'security = "none"', "security", '"clear"'),
        ("every_s = 2\nsensor_bus", "every_s = 30\nsensor_bus", "is read every 30 s", "to 2 or less"),
        ("every_s = 2\nsensor_bus", "every_s = 2\nphase_s = 2\nsensor_bus", "phase_s 2", "shorter than the period"),
        ("sensor_bus = { baud = 9600 }", "", "has no sensor_bus", "add sensor_bus"),
        ("sensor_bus = { baud = 9600 }", "sensor_bus = { baud = 2400 }", "talks at 9600 8N1", "one setting"),
        ("baud = 19200", 'baud = 19200\nrs485 = "gpio"', "no gpio_line", 'add gpio_line = "GPIO17"'),
        ("baud = 19200", 'baud = 19200\ngpio_line = "GPIO4"', "has a gpio_line", 'rs485 = "gpio"'),
        ('profile = "4mz-hh4"', 'profile = "ecodim-dali-gw2"', "two lamps", "a node drives one lamp"),
        ('profile = "4mz-hh4"', 'profile = "gatepost-node"', "the profile of a node", "[[nodes]]"),
        ('profile = "generic-door-switch"', 'profile = "generic-door-switch"\nunit = 3', "has no unit id", "remove"),
        ("every_s = 2\n[[devices]]", "every_s = 2\noptions = { pin = 99 }\n[[devices]]", "pin cannot be 99", "takes"),
        (
            "every_s = 2\nreport",
            "every_s = 2\nserial = { baud = 2400 }\nreport",
            "the line has baud 2400",
            "really has",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_line_and_the_mend(old: str, new: str, what: str, mend: str) -> None:
    assert POLE.count(old) >= 1
    text = POLE.replace(old, new, 1)
    (told, *_) = [problem for problem in problems(text) if what in problem]
    place, words = told.split(": ", 1)
    assert place.startswith("/etc/gatepost/pole.toml:")
    assert 1 < int(place.rsplit(":", 1)[1]) <= text.count("\n")
    assert mend in words.split("; ", 1)[1]


def test_the_line_that_is_named_is_the_line_that_is_wrong() -> None:
    text = POLE.replace("unit = 17", "unti = 17")
    wrong = f"/etc/gatepost/pole.toml:{line_number(text, 'unti')}: nodes[1] has no key named unti; did you mean unit?"
    assert wrong in problems(text)


def test_all_problems_of_a_file_are_told_at_once() -> None:
    text = POLE.replace("unit = 10", "unit = 1").replace("above = 20", "hold_s = 1").replace("/by-id/b", "/by-id/a")
    assert len(problems(text)) == 3


def test_a_device_takes_the_lines_settings_where_it_can_and_else_keeps_its_own() -> None:
    text = POLE.replace('profile = "peacefair-pzem-016"', 'profile = "eastron-sdm120"')
    text = text.replace("report = { power", "report = { voltage = { every_s = 60 }, power")
    by_baud = {}
    for baud in (9600, 19200, 2400):
        found = pole(text.replace('port = "/dev/serial/by-id/b"', f'port = "/dev/serial/by-id/b"\nbaud = {baud}'))
        (meter,) = (device for device in devices_of(found) if device.name == "meter")
        by_baud[baud] = line_of(meter.config, meter.profile, LineSettings(baud=baud)).baud
    assert by_baud == {9600: 9600, 19200: 2400, 2400: 2400}


def test_an_unstable_port_name_and_mixed_settings_are_advised_against() -> None:
    text = POLE.replace("/dev/serial/by-id/a", "/dev/ttyUSB0").replace('"peacefair-pzem-016"', '"xy-md02"')
    text = text.replace("report = { power = { window_s = 10 } }", "serial = { baud = 19200 }")
    source = parse_toml(text, Path("pole.toml"))
    told = [str(problem) for problem in advice(check_source(source), source)]
    assert any("use its name in /dev/serial/by-id" in one for one in told)
    assert any("meter talks at 19200 8N1, bus cabinet at 9600 8N1" in one for one in told)


def test_rules_count_in_the_points_own_digits() -> None:
    text = POLE.replace("above = 20", "above = 20.05\nclear_below = 14.96")
    (limit,) = limits(pole(text))
    assert (limit.raise_at, limit.clear_at) == (200, 150)
    (plain,) = limits(pole())
    assert (plain.raise_at, plain.clear_at) == (200, 201)
    rule = report_rules(pole())["meter/power"]
    assert (rule.period_ms, rule.window_ms, rule.figures) == (2_000, 10_000, ("mean", "min", "max"))


def test_check_prints_a_summary_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(EXAMPLE)])
    assert ended.value.code == 0
    told = capsys.readouterr().out
    assert "bus cabinet" in told
    assert "busy" in told
    assert "advice: " in told


def test_check_prints_each_problem_and_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pole.toml"
    file.write_text(POLE.replace("unit = 17", "unti = 17"))
    with pytest.raises(SystemExit) as ended:
        main(["check", str(file)])
    assert ended.value.code == 1
    assert f"{file}:14: nodes[1] has no key named unti; did you mean unit?" in capsys.readouterr().out


def test_check_tells_a_program_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pole.toml"
    for text, code in ((POLE, 0), (POLE.replace("above = 20", "hold_s = 1"), 1)):
        file.write_text(text)
        with pytest.raises(SystemExit) as ended:
            main(["check", "--json", str(file)])
        told = json.loads(capsys.readouterr().out)
        assert (ended.value.code, told["ok"]) == (code, code == 0)
    assert told["problems"][0]["line"] == line_number(text, "[[alarms]]")


@pytest.mark.parametrize("words", [["check"], ["check", "a", "b"], ["check", "--jsn", "a"]])
def test_check_with_wrong_words_ends_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["check", str(tmp_path / "none.toml")])
    assert ended.value.code == 1
    assert "there is no such file" in capsys.readouterr().out


def test_the_page_about_pole_toml_tells_every_key() -> None:
    page = (EXAMPLE.parents[2] / "docs" / "pole-toml.md").read_text()
    models = [getattr(module, name) for module in (schema, lighting) for name in dir(module)]
    keys = {
        field.alias or key
        for model in models
        if isinstance(model, type)
        and issubclass(model, BaseModel)
        and model.__module__ in (schema.__name__, lighting.__name__)
        for key, field in model.model_fields.items()
    }
    assert len(keys) > 30
    assert [key for key in sorted(keys) if f"`{key}`" not in page and f"[{key}]" not in page] == []
