"""Short names in the place of long ones: what is left does the same, and what others use keeps its name."""

import ast
import re

from hardware.bundle.firmware_files import STUBS, sources
from hardware.bundle.inline_constants import inline_constants
from hardware.bundle.short_names import micropython_names, short_names

LEVEL = '''"""Levels."""


class OddLevelError(Exception):
    """Not a level."""


def half_of(whole_level, *, rounding=0):
    half = whole_level // 2
    return half + rounding
'''
USER = '''"""Uses them."""

import gc

from protocols import level


class Lamp:
    def __init__(self, brightness):
        self.brightness = brightness
        self.collect = gc.collect

    def dim(self):
        self.brightness = level.half_of(self.brightness, rounding=1)
        return self.brightness
'''


def renamed(*beside: str) -> dict[str, str]:
    """Both modules under short names."""
    return short_names({"node/user.py": USER, "protocols/level.py": LEVEL}, STUBS, beside)


def test_a_name_is_the_same_in_every_module_and_lines_stay() -> None:
    made = renamed()
    assert not re.search("half_of|whole_level|brightness|rounding|Lamp", "".join(made.values()))
    short = re.search(r"level\.(\w+)\(", made["node/user.py"])
    assert short is not None
    assert f"def {short[1]}(" in made["protocols/level.py"]
    assert [text.count("\n") for text in made.values()] == [USER.count("\n"), LEVEL.count("\n")]


def test_what_micropython_has_keeps_its_name_and_so_do_modules_and_exceptions() -> None:
    made = renamed()
    assert "self.collect = gc.collect" in made["node/user.py"]
    assert "from protocols import level" in made["node/user.py"]
    assert "class OddLevelError(Exception)" in made["protocols/level.py"]
    assert "def __init__(self, " in made["node/user.py"]


def test_what_a_program_beside_the_slot_names_keeps_its_name() -> None:
    made = renamed("from node import user\nuser.Lamp(3).dim()\n")
    assert "class Lamp:" in made["node/user.py"]
    assert "def dim(self)" in made["node/user.py"]
    assert "brightness" not in made["node/user.py"]


def test_what_is_left_does_the_same() -> None:
    spaces: list[dict[str, object]] = []
    for text in (LEVEL, renamed("half_of")["protocols/level.py"]):
        space: dict[str, object] = {}
        exec(compile(text, "level", "exec"), space)
        spaces.append(space)
    assert [space["half_of"](9) for space in spaces] == [4, 4]  # type: ignore[operator]


def test_no_short_name_of_the_firmware_is_one_that_somebody_has() -> None:
    before = inline_constants(sources())
    after = short_names(before, STUBS)
    taken = micropython_names(STUBS) | {name for text in before.values() for name in re.findall(r"\w+", text)}
    fresh = {node.id for text in after.values() for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    fresh -= taken
    assert len(fresh) > 300
    assert max(len(name) for name in fresh) == 2
