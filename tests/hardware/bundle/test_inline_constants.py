"""Numbers in the place of constants: what is left does the same."""

from hardware.bundle.firmware_files import compile_source, sources
from hardware.bundle.inline_constants import inline_constants, module_name

CODES = '"""Codes."""\n\nFIRST = 1\n"""One."""\nNEXT = FIRST + 1\nLEAST = -5\nWORDS = ("a", "b")\n'


def modules(user: str, codes: str = CODES) -> dict[str, str]:
    """A module of `node` that uses one of `protocols`."""
    return {
        "node/__init__.py": "",
        "node/user.py": user,
        "protocols/__init__.py": "",
        "protocols/codes.py": codes,
    }


def test_a_module_of_numbers_alone_is_gone() -> None:
    codes = CODES.replace('WORDS = ("a", "b")\n', "")
    left = inline_constants(modules("from protocols import codes\n\nprint(codes.NEXT, codes.LEAST)\n", codes))
    assert set(left) == {"node/__init__.py", "node/user.py"}
    assert left["node/user.py"] == "pass\n\nprint(2, (-5))\n"


def test_what_is_no_number_keeps_its_module() -> None:
    left = inline_constants(modules("from protocols import codes as words\n\nprint(words.WORDS, words.FIRST)\n"))
    assert left["node/user.py"] == "from protocols import codes as words\n\nprint(words.WORDS, 1)\n"
    assert "FIRST = 1" not in left["protocols/codes.py"]
    assert "WORDS" in left["protocols/codes.py"]


def test_a_name_that_is_imported_by_itself_stays() -> None:
    left = inline_constants(modules("from protocols.codes import FIRST\n\nprint(FIRST)\n"))
    assert "FIRST = 1" in left["protocols/codes.py"]


def test_a_shadowed_module_is_left_alone() -> None:
    user = "from protocols import codes\n\n\ndef of(codes):\n    return codes.FIRST\n\n\nprint(codes.NEXT)\n"
    left = inline_constants(modules(user))
    assert left["node/user.py"] == user
    assert "FIRST = 1" in left["protocols/codes.py"]


def test_a_name_that_changes_is_no_constant() -> None:
    codes = "COUNT = 0\n\n\ndef up():\n    global COUNT\n    COUNT = COUNT + 1\n"
    user = "from protocols import codes\n\ncodes.up()\nprint(codes.COUNT)\n"
    left = inline_constants(modules(user, codes))
    assert (left["node/user.py"], left["protocols/codes.py"]) == (user, codes)


def test_an_import_for_annotations_alone_is_dropped_and_lines_stay() -> None:
    user = "from protocols import (\n    codes,\n)\n\n\ndef of(one: codes.Thing) -> 'codes.Thing':\n    return one\n"
    left = inline_constants(modules(user))
    assert "protocols/codes.py" not in left
    assert left["node/user.py"].count("\n") == user.count("\n")
    assert left["node/user.py"].startswith("pass\n")


def test_the_whole_firmware_becomes_smaller_and_compiles() -> None:
    before = sources()
    after = inline_constants(before)
    assert set(after) <= set(before)
    sizes = [sum(len(compile_source(text, name)) for name, text in all_.items()) for all_ in (before, after)]
    print(f"{len(before)} modules of {sizes[0]} bytes, {len(after)} of {sizes[1]} with numbers in place")
    assert sizes[1] < 0.85 * sizes[0]
    assert module_name("protocols/node_map.py") == "protocols.node_map"
    assert "protocols/node_map.py" not in after
