"""Board files: the three that there are keep the rules, and each broken rule is told with its line."""

from pathlib import Path

import pytest

from gateway_agent.boards import UnknownBoardError, board_directory, board_names, load_board
from gateway_agent.boards.load import board_of
from gateway_agent.boards.rules import CONSOLE, FLASH, INPUT_ONLY, PULSE_AT_BOOT, STRAPPING
from gateway_agent.toml_source import ConfigError, parse_toml

GOOD = (board_directory() / "esp32-devkitc.toml").read_text(encoding="utf-8")


def problems(text: str) -> list[str]:
    """What is told about a board file, `line: what`."""
    try:
        board_of(parse_toml(text, Path("board.toml")))
    except ConfigError as error:
        return [f"{problem.line}: {problem.what}" for problem in error.problems]
    return []


def line_of(text: str, part: str) -> int:
    """The line on which `part` stands last."""
    return text[: text.rindex(part)].count("\n") + 1


@pytest.mark.parametrize("name", board_names())
def test_the_pins_of_every_board_keep_the_rules(name: str) -> None:
    board = load_board(name)
    excused = {(item.pin, item.rule) for item in board.exceptions}
    used = {pin for loc, pin in [*board.fixed_pins(), *board.chosen_pins()] if loc[0] != "wired"}
    assert not used & FLASH
    assert {(pin, "strapping") for pin in used & STRAPPING} | {(pin, "console") for pin in used & CONSOLE} == excused
    outputs = {board.pole_bus.tx, board.sensor_port.tx, *board.free.outputs, *(item.pin for item in board.enable)}
    assert not outputs & INPUT_ONLY
    directions = {board.pole_bus.direction, board.sensor_port.direction} - {None}
    assert not directions & (PULSE_AT_BOOT | STRAPPING | INPUT_ONLY)


def test_numbers_of_boards_are_never_given_twice() -> None:
    numbers = [load_board(name).board.number for name in board_names()]
    assert len(set(numbers)) == len(numbers) == 3


def test_the_kc868_tells_why_it_uses_gpio5() -> None:
    excuse = load_board("kc868-a16").exceptions[0]
    assert (excuse.pin, excuse.rule) == (5, "strapping")
    assert len(excuse.reason) > 40


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("tx = 17", "tx = 12", "GPIO12 decides at reset how the chip starts"),
        ("tx = 17", "tx = 9", "GPIO9 belongs to the flash"),
        ("tx = 17", "tx = 34", "GPIO34 is an input only"),
        ("rx = 26", "rx = 3", "GPIO3 belongs to the console on UART0"),
        ("rx = 26", "rx = 24", "an ESP32 has no GPIO24"),
        (
            "direction = 27",
            "direction = 14",
            "GPIO14 pulses while the chip starts, which would drive the line or the lamp",
        ),
        ("direction = 27", "direction = 4", "GPIO4 is pole_bus.direction already"),
        ("direction = 27", "", "no pin turns the transceiver round"),
        ('module = "WROOM"', 'module = "WROVER"', "GPIO17 belongs to the PSRAM of a WROVER"),
        ("uart = 1", "uart = 2", "both ports have the same UART"),
        ("analog = [32,", "analog = [13,", "GPIO13 is no pin of ADC1"),
        ("inputs = [13,", "inputs = [4,", "GPIO4 is pole_bus.direction"),
        ("relay = 19", "relay = 14", "GPIO14 pulses while the chip starts, which would drive the line or the lamp"),
        ("number = 1 ", "number = 0 ", "number is 0"),
        ("relay = 19", "buzzer = 19", "lamp has no key named buzzer"),
    ],
    ids=lambda item: str(item)[:24],
)
def test_a_broken_rule_is_told_with_its_line(old: str, new: str, what: str) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    found = problems(text)
    print(found)
    assert any(what in problem for problem in found)
    if new and "module" not in new and "uart" not in new:
        assert any(problem.startswith(f"{line_of(text, new)}:") for problem in found)


def test_an_exception_needs_a_reason_and_a_broken_rule() -> None:
    broken = GOOD.replace("tx = 17", "tx = 5", 1)
    short = broken + '\n[[exceptions]]\npin = 5\nrule = "strapping"\nreason = "so"\n'
    good = broken + '\n[[exceptions]]\npin = 5\nrule = "strapping"\nreason = "the carrier holds it high at reset"\n'
    idle = GOOD + '\n[[exceptions]]\npin = 5\nrule = "strapping"\nreason = "the carrier holds it high at reset"\n'
    assert problems(good) == []
    assert any("reason" in problem for problem in problems(short))
    assert any("does not break the rule" in problem for problem in problems(idle))


def test_an_unknown_board_is_named_with_the_nearest_known() -> None:
    with pytest.raises(UnknownBoardError, match="did you mean esp32-devkitc"):
        load_board("esp32-devkit")
