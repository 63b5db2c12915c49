"""pole.toml: what is right is understood, what is wrong is told with line and mend."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from gateway_agent.cli import main
from gateway_agent.config import LineSettings, PoleConfig, advice, check_source, devices_of, lighting, load_pole, schema
from gateway_agent.config.devices import line_of
from gateway_agent.config.forecast import forecast
from gateway_agent.reporting import limits, report_rules, units
from gateway_agent.toml_source import ConfigError, parse_toml, validate

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

CASES = tomllib.loads((Path(__file__).parent / "wrong_poles.toml").read_text())["cases"]
MODELS: list[type[BaseModel]] = [
    model
    for model in vars(schema).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model.__module__.startswith("gateway_agent.config.")
]


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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["new"].replace("\n", " "))
def test_all_that_is_told_is_what_is_wrong_with_its_line_and_the_mend(case: dict[str, str]) -> None:
    assert POLE.count(case["old"]) >= 1
    told = problems(POLE.replace(case["old"], case["new"], 1))
    assert told == [f"/etc/gatepost/pole.toml:{line}" for line in case["told"].splitlines()]


@pytest.mark.parametrize(
    ("buses", "told"),
    [
        (
            '[buses]\nname = "pole"\nport = "/dev/a"\n',
            "1: buses is one table, but must be a list of tables; write [[buses]] with two brackets",
        ),
        ("buses = []\n", "1: buses has 0 elements; add a table [[buses]] with the keys name and port"),
        (
            "buses = 5\n",
            "1: buses is 5, but must be an array; write it as a table [[buses]] with the keys name and port",
        ),
        ("", "1: the file has no table buses; add a table [[buses]] with the keys name and port"),
        (
            '[[buses]]\nname = "pole"\nport = "/dev/a"\nlatency_ms = 501\n',
            "4: buses[1].latency_ms is 501; it must be at most 500",
        ),
        (
            '[[buses]]\nname = "pole"\n',
            '1: buses[1] has no key port; add port = "/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A5"',
        ),
    ],
)
def test_buses_that_are_not_a_list_of_tables_are_told_once(buses: str, told: str) -> None:
    rest = POLE[: POLE.index("[[buses]]")] + POLE[POLE.index("[[nodes]]") :]
    assert problems(buses + rest) == [f"/etc/gatepost/pole.toml:{told}"]


def test_every_example_of_a_mend_is_one_that_the_key_accepts() -> None:
    tried = 0
    for model in MODELS:
        for wrong in (float("nan"), [], {}):
            for key, field in model.model_fields.items():
                source = parse_toml("", Path("x.toml"))
                if errors_at(model, {key: wrong}, key) == []:
                    continue
                with pytest.raises(ConfigError) as caught:
                    validate(model, replace(source, data={key: wrong}))
                mends = [one.mend for one in caught.value.problems if one.what.startswith(f"{key} is")]
                for mend in mends:
                    if not mend.startswith("write for example "):
                        continue
                    data = tomllib.loads(mend.removeprefix("write for example "))
                    tried += 1
                    assert errors_at(model, data, key) == [], (model, field, mend)
    assert tried > 60


def errors_at(model: type[BaseModel], data: dict[str, object], key: str) -> list[object]:
    try:
        model.model_validate(data)
    except ValidationError as error:
        return [details for details in error.errors() if details["loc"][0] == key and details["type"] != "missing"]
    return []


def test_the_line_that_is_named_is_the_line_that_is_wrong() -> None:
    text = POLE.replace("unit = 17", "unti = 17")
    wrong = f"/etc/gatepost/pole.toml:{line_number(text, 'unti')}: nodes[1] has no key named unti; did you mean unit?"
    assert problems(text) == [wrong]


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


def test_a_bus_that_cannot_carry_its_load_is_refused_and_a_full_one_advised_against() -> None:
    slow = POLE.replace("baud = 19200", "baud = 1200")
    assert any("bus pole would need" in told and "ask less often" in told for told in problems(slow))
    seldom = slow.replace("every_s = 2\nsensor_bus", "every_s = 2\nevents_every_s = 1\nsensor_bus")
    source = parse_toml(seldom, Path("pole.toml"))
    assert any("bus pole will be busy" in str(problem) for problem in advice(check_source(source), source))


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
    assert capsys.readouterr().out == f"{file}:14: nodes[1] has no key named unti; did you mean unit?\n"


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
    told = f"{tmp_path}/none.toml: there is no such file; check the path, or write the file first\n"
    assert capsys.readouterr().out == told
    with pytest.raises(SystemExit):
        main(["check", "--json", str(tmp_path)])
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem["line"] is None


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


def test_a_modem_on_a_port_whose_name_changes_is_advised_against() -> None:
    bearer = '[[uplink.bearers]]\nname = "radio"\nkind = "cat1"\nmodem = "ec800"\nport = "/dev/ttyUSB2"\n'
    source = parse_toml(POLE + bearer, Path("/etc/gatepost/pole.toml"))
    told = [str(problem) for problem in advice(check_source(source), source)]
    assert (
        "/etc/gatepost/pole.toml:50: bearer radio: /dev/ttyUSB2 may become another adapter's name when one is plugged "
        "in; give it a name by udev (docs/modems.md)"
    ) in told
