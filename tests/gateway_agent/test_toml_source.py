"""TOML that is wrong is told with file, line, what is wrong and the mend."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, Strict

from gateway_agent.toml_lines import key_lines
from gateway_agent.toml_source import ConfigError, Finding, Problem, TomlModel, load_toml, parse_toml, validate
from gateway_agent.toml_wording import key_path, nearest

TEXT = '''# a pole
title = "one"  # [not a table]
"quoted key" = 'x#y'
long = """
[fake]
key = 1
"""
numbers = [
    1,
    2,  # two

    3,
]
[table]
a.b = { c = 1, "d" = [ { e = 2 } ] }
[table.inner]
x = 1979-05-27T07:32:00Z
[[things]]
name = "first"
[[things]]
name = "second"
[things.more]
deep = true
[[things.parts]]
n = 1
[[things.parts]]
n = 2
'''


@pytest.mark.parametrize(
    ("loc", "line"),
    [
        (("title",), 2),
        (("quoted key",), 3),
        (("long",), 4),
        (("numbers",), 8),
        (("numbers", 0), 9),
        (("numbers", 2), 12),
        (("table",), 14),
        (("table", "a", "b", "c"), 15),
        (("table", "a", "b", "d", 0, "e"), 15),
        (("table", "inner", "x"), 17),
        (("things", 0), 18),
        (("things", 0, "name"), 19),
        (("things", 1, "name"), 21),
        (("things", 1, "more", "deep"), 23),
        (("things", 1, "parts", 0, "n"), 25),
        (("things", 1, "parts", 1, "n"), 27),
    ],
)
def test_each_key_is_found_on_its_line(loc: tuple[str | int, ...], line: int) -> None:
    assert parse_toml(TEXT, Path("pole.toml")).line_of(loc) == line


def test_a_missing_key_is_on_the_line_of_its_nearest_ancestor() -> None:
    source = parse_toml(TEXT, Path("pole.toml"))
    assert source.line_of(("things", 1, "nothing", "below")) == 20
    assert source.line_of(("nowhere",)) == 1
    assert source.line_of(()) == 1


def test_windows_line_ends_do_not_move_lines() -> None:
    source = parse_toml("a = 1\r\n\r\n[t]\r\nb = 2\r\n", Path("x"))
    assert source.line_of(("t", "b")) == 4


keys = st.text("abc_-\"'# =\\\u00e9", max_size=4)
values = st.recursive(
    st.integers() | st.booleans() | st.text("ab\"'#[]{}=\\\n,", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)


def toml_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return basic_string(value)
    if isinstance(value, list):
        return "[" + ",\n".join(toml_text(item) for item in value) + "]"
    return "{" + ", ".join(f"{basic_string(key)} = {toml_text(item)}" for key, item in value.items()) + "}"


def basic_string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def paths(value: Any, loc: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else []
    return {loc}.union(*(paths(item, (*loc, key)) for key, item in inner))


@given(st.dictionaries(keys, values, max_size=4))
def test_every_key_of_any_document_has_a_line(document: dict[str, Any]) -> None:
    text = "".join(f"{basic_string(key)} = {toml_text(value)}\n" for key, value in document.items())
    try:
        assert tomllib.loads(text) == document
    except tomllib.TOMLDecodeError:
        return  # tomllib refuses a line break in an inline table
    assert set(key_lines(text)) == paths(document) - {()}
    assert set(key_lines(text).values()) <= set(range(1, text.count("\n") + 2))


class Thing(TomlModel):
    """A thing."""

    name: Annotated[str, Field(pattern="^[a-z]+$", examples=["air"])]
    kind: Literal["meter", "lamp"] = "meter"
    count: Annotated[int, Field(ge=1, le=9, examples=[3])] = 1
    scale: int | str = 0
    pair: Annotated[tuple[float, float], Strict(False)] = (0.0, 1.0)


class Document(TomlModel):
    """A document."""

    things: Annotated[dict[str, Thing], Field(default_factory=dict)]
    more: Annotated[tuple[Thing, ...], Strict(False)] = ()
    on: bool = False


def problems(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ConfigError) as caught:
        validate(Document, parse_toml(text, Path("dir/x.toml")))
    return [(problem.line, problem.what, problem.mend) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "what", "mend"),
    [
        ('[things.a]\nname = "x"\ncuont = 2', 3, "things.a has no key named cuont", "did you mean count?"),
        ('[things.a]\nname = "x"\nzzzzzz = 2', 3, "no key named zzzzzz", "the keys it knows: count, kind, name"),
        ("[things.a]\ncount = 2", 1, "things.a has no key name", 'add name = "air"'),
        ('[things.a]\nname = "x"\ncount = "2"', 3, 'count is "2", but must be a whole number', "count = 3"),
        ('[things.a]\nname = "x"\ncount = true', 3, "count is true, but must be a whole number", "count = "),
        ('[things.a]\nname = "x"\ncount = 0', 3, "things.a.count is 0", "it must be at least 1"),
        ('[things.a]\nname = "x"\ncount = 10', 3, "things.a.count is 10", "it must be at most 9"),
        ('[things.a]\nname = "x"\nkind = "Lamp"', 3, 'not one of "meter" or "lamp"', 'did you mean "lamp"?'),
        ('[things.a]\nname = "x"\nscale = 1.5', 3, "a whole number or text in quotes", 'scale = 9600 or "air"'),
        ('[things.a]\nname = "x"\npair = [1]', 3, "pair has no element 2", "add it"),
        ('[things.a]\nname = "x"\npair = [1, 2, 3]', 3, "things.a.pair has 3 elements", "it takes at most 2"),
        ('[things.a]\nname = "x"\npair = 5', 3, "things.a.pair is 5, but must be an array", "pair = [1, 2]"),
        ('[things.a]\nname = "Ab"', 2, 'things.a.name may not be "Ab"', "it must match ^[a-z]+$"),
        ("things = 4", 1, "things is 4, but must be a table", "things = { key = 1 }"),
        ("[things]\na = 4", 2, "things.a is 4, but must be a table", "a = { key = 1 }"),
        ('[[more]]\nname = "x"\n[[more]]\nnam = "x"', 4, "more[2] has no key named nam", "did you mean name?"),
        ("on = 1", 1, "on is 1, but must be true or false", "on = true"),
    ],
)
def test_a_wrong_key_names_line_fault_and_mend(text: str, line: int, what: str, mend: str) -> None:
    found = problems(text)
    assert [entry for entry in found if entry[0] == line and what in entry[1] and mend in entry[2]], found


def test_all_problems_are_told_at_once_in_the_order_of_their_lines() -> None:
    found = problems('on = 3\n[things.a]\nname = 1\ncount = 0\n[things.b]\nkind = "x"')
    assert [line for line, _, _ in found] == [1, 3, 4, 5, 6]


def test_the_message_is_one_line_for_each_problem() -> None:
    with pytest.raises(ConfigError) as caught:
        validate(Document, parse_toml("on = 3\n", Path("dir/x.toml")))
    assert str(caught.value) == "dir/x.toml:1: on is 3, but must be true or false; write for example on = true"


def test_a_check_runs_only_on_a_document_of_the_right_shape() -> None:
    def check(document: Document) -> list[Finding]:
        return [Finding(("things", name, "kind"), f"{name} is a lamp", "no lamps") for name in document.things]

    source = parse_toml('[things.a]\nname = "x"\nkind = "lamp"\n', Path("x.toml"))
    with pytest.raises(ConfigError) as caught:
        validate(Document, source, [check])
    assert caught.value.problems == [Problem("x.toml", 3, "a is a lamp", "no lamps")]
    assert validate(Document, source).things["a"].name == "x"


@pytest.mark.parametrize(
    ("text", "line"),
    [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("[t\n", 1), ('x = "open\n', 1), ("a = 1\nb = [1,\n2", 3)],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    with pytest.raises(ConfigError, match="not valid TOML") as caught:
        parse_toml(text, Path("x.toml"))
    assert [problem.line for problem in caught.value.problems] == [line]


def test_files_that_cannot_be_read_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_toml(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "Straße"'.encode("latin-1"))
    with pytest.raises(ConfigError, match="byte 12 is not UTF-8"):
        load_toml(tmp_path / "latin.toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_toml(tmp_path)


def test_paths_and_suggestions_read_as_people_write_them() -> None:
    assert key_path(("nodes", 1, "devices", 0, "unit")) == "nodes[2].devices[1].unit"
    assert nearest("voltge", ["voltage", "current"]) == "voltage"
    assert nearest("xyz", ["voltage", "current"]) is None
