"""A pole.toml against the boards of its nodes: pins, pulls, lines."""

from pathlib import Path

import pytest

from gateway_agent.boards import board_names, load_board
from gateway_agent.config import advice, check_source, load_pole
from gateway_agent.toml_source import ConfigError, parse_toml
from tests.gateway_agent.config.test_pole_toml import POLE, line_number

PIN_PROFILE = """# Source: none; a contact of the tests.
[device]
model = "Contact"
kind = "contact"
[points.open]
title = "Open"
pin = { number = NUMBER, active = "high", pull = "PULL", debounce_ms = 50 }
unit = "bool"
alarm = true
report = { every_s = 3600, change = 1 }
"""


def on_board(board: str) -> str:
    """The pole of the tests with its node on `board`."""
    return POLE.replace("unit = 17\n", f'unit = 17\nboard = "{board}"\n')


def told(text: str) -> list[str]:
    """What is refused about a pole.toml."""
    try:
        check_source(parse_toml(text, Path("/etc/gatepost/pole.toml")))
    except ConfigError as error:
        return [str(problem) for problem in error.problems]
    return []


def contact_on(folder: Path, number: int, pull: str) -> list[str]:
    """What is refused about a contact at a pin of a DevKitC."""
    (folder / "contact.toml").write_text(PIN_PROFILE.replace("NUMBER", str(number)).replace("PULL", pull))
    (folder / "pole.toml").write_text(POLE.replace('"generic-door-switch"', '"./contact.toml"'))
    try:
        load_pole(folder / "pole.toml")
    except ConfigError as error:
        return [problem.what for problem in error.problems]
    return []


def test_a_board_that_there_is_not_is_told_with_the_nearest() -> None:
    text = on_board("kc868-a61")
    (problem,) = told(text)
    assert f":{line_number(text, 'board =')}:" in problem
    assert "there is no board kc868-a61; did you mean kc868-a16?" in problem


def test_a_pin_that_the_board_needs_for_itself_is_told_with_the_free_ones() -> None:
    (problem,) = told(on_board("kc868-a16"))
    assert "cover needs GPIO32 as an input, not free on a kc868-a16; its free ones are 14, 34, 35, 36, 39" in problem


@pytest.mark.parametrize(
    ("number", "pull", "what"), [(34, "up", "no resistor"), (4, "none", "not free"), (34, "none", "")]
)
def test_a_pull_needs_a_pin_that_has_one(tmp_path: Path, number: int, pull: str, what: str) -> None:
    found = contact_on(tmp_path, number, pull)
    assert len(found) == bool(what)
    assert all(what in one for one in found)


def test_a_pole_bus_faster_than_its_transceiver_is_refused() -> None:
    text = on_board("kc868-a16").replace("baud = 19200", "baud = 38400")
    said = "its pole bus runs at 38400 baud, the transceiver of a kc868-a16 carries 19200"
    assert any(said in one for one in told(text))
    assert not any("transceiver" in one for one in told(on_board("kc868-a16")))


@pytest.mark.parametrize("board", board_names())
def test_a_sensor_bus_without_a_transceiver_is_advised_against(board: str) -> None:
    text = on_board(board).replace(
        '[[nodes.devices]]\nname = "cover"\nprofile = "generic-door-switch"\nevery_s = 2\n', ""
    )
    source = parse_toml(text, Path("/etc/gatepost/pole.toml"))
    found = [str(problem) for problem in advice(check_source(source), source)]
    has_none = load_board(board).sensor_port.transceiver == "none"
    assert has_none == any(f"the one transceiver of a {board} is the pole bus" in one for one in found), found
