"""The pins of the board against the rules of a classic ESP32 (DOMAIN: strapping, flash, input-only, boot pulses)."""

import ast
from pathlib import Path

STRAPPING = {0, 2, 5, 12, 15}
FLASH = set(range(6, 12))
CONSOLE = {1, 3}
INPUT_ONLY = set(range(34, 40))
PULSE_AT_BOOT = {1, 3, 5, 14, 15}
ALL = set(range(6)) | set(range(12, 24)) | {25, 26, 27} | set(range(32, 40)) | FLASH


def constants() -> dict[str, int | tuple[int, ...]]:
    """The numbers that stand in firmware/node/board.py."""
    tree = ast.parse((Path(__file__).parents[2] / "firmware/node/board.py").read_text())
    found: dict[str, int | tuple[int, ...]] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            value = statement.value
            found[statement.targets[0].id] = ast.literal_eval(value.args[0] if isinstance(value, ast.Call) else value)
    return found


def pins(*endings: str) -> list[int]:
    """The pins of both UARTs whose names end so."""
    return [value for name, value in constants().items() if name.endswith(endings) and isinstance(value, int)]


def test_no_pin_of_the_board_breaks_a_rule() -> None:
    inputs = constants()["INPUT_PINS"]
    assert isinstance(inputs, tuple)
    used = pins("_TX", "_RX", "_DIRECTION")
    assert len(used) == 6
    assert len({*used, *inputs}) == len(used) + len(inputs)
    assert {*used, *inputs} <= ALL - STRAPPING - FLASH - CONSOLE


def test_outputs_are_pins_that_can_drive_and_stay_quiet_at_boot() -> None:
    assert not set(pins("_TX", "_DIRECTION")) & INPUT_ONLY
    assert not set(pins("_DIRECTION")) & PULSE_AT_BOOT
