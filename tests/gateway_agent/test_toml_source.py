"""TOML that is wrong is told with file, line, what is wrong and the mend."""

import errno
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, Strict

from gateway_agent.toml_lines import key_lines
from gateway_agent.toml_source import ConfigError, Finding, Problem, TomlModel, load_toml, parse_toml, validate
from gateway_agent.toml_spelling import Spelling
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
    speed: Literal[1200, 2400] = 2400
    digits: Literal["1", "2"] | None = None
    kinds: Annotated[tuple[Literal["meter", "lamp"], ...], Field(min_length=1, strict=False)] = ("lamp",)
    code: Annotated[str, Field(pattern="^[A-Z]+$")] | None = None
    bus: Annotated[str, Spelling("[a-z]+", "a bus has small letters", "pole")] | None = None
    marks: dict[Annotated[str, Spelling("[a-z]+", "a mark has small letters", "red")], int] = Field(
        default_factory=dict
    )
    amount: Annotated[int | float, Field(gt=0.5, le=90)] | None = None


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
        (
            '[things.a]\nname = "x"\nzzzzzz = 2',
            3,
            "things.a has no key named zzzzzz",
            "the keys it knows: amount, bus, code, count, digits, kind, kinds, marks, name, pair, scale, speed",
        ),
        ("[things.a]\ncount = 2", 1, "things.a has no key name", 'add name = "air"'),
        (
            '[things.a]\nname = "x"\ncount = "2"',
            3,
            'things.a.count is "2", but must be a whole number',
            "write count = 2 without quotes",
        ),
        (
            '[things.a]\nname = "x"\ncount = true',
            3,
            "things.a.count is true, but must be a whole number",
            "write for example count = 3",
        ),
        ('[things.a]\nname = "x"\ncount = 0', 3, "things.a.count is 0", "it must be at least 1"),
        ('[things.a]\nname = "x"\ncount = 10', 3, "things.a.count is 10", "it must be at most 9"),
        (
            '[things.a]\nname = "x"\nkind = "Lamp"',
            3,
            'things.a.kind is "Lamp", which is not one of "meter" or "lamp"',
            'did you mean "lamp"?',
        ),
        (
            '[things.a]\nname = "x"\nscale = 1.5',
            3,
            "things.a.scale is 1.5, but must be a whole number or text in quotes",
            "write for example scale = 0",
        ),
        ('[things.a]\nname = "x"\npair = [1]', 3, "things.a.pair has no element 2", "add it"),
        ('[things.a]\nname = "x"\npair = [1, 2, 3]', 3, "things.a.pair has 3 elements", "it takes at most 2"),
        (
            '[things.a]\nname = "x"\npair = 5',
            3,
            "things.a.pair is 5, but must be an array",
            "write for example pair = [0.0, 1.0]",
        ),
        ('[things.a]\nname = "Ab"', 2, 'things.a.name may not be "Ab"', "it must match ^[a-z]+$"),
        ("things = 4", 1, "things is 4, but must be a table", 'write for example things = { text = { name = "air" } }'),
        ("[things]\na = 4", 2, "things.a is 4, but must be a table", 'write for example a = { name = "air" }'),
        ('[[more]]\nname = "x"\n[[more]]\nnam = "x"', 4, "more[2] has no key named nam", "did you mean name?"),
        ("on = 1", 1, "on is 1, but must be true or false", "write for example on = true"),
        (
            '[things.a]\nname = "x"\ncount = nan',
            3,
            "things.a.count is nan, which is not a number that can be used",
            "write for example count = 3",
        ),
        (
            '[things.a]\nname = "x"\ncount = inf',
            3,
            "things.a.count is inf, which is not a number that can be used",
            "write for example count = 3",
        ),
        (
            '[things.a]\nname = "x"\nkind = 5',
            3,
            'things.a.kind is 5, which is not one of "meter" or "lamp"',
            'choose "meter" or "lamp"',
        ),
        (
            '[things.a]\nname = "x"\nspeed = "2400"',
            3,
            'things.a.speed is "2400", which is not one of 1200 or 2400',
            "write speed = 2400 without quotes",
        ),
        (
            '[things.a]\nname = "x"\nspeed = "24O0"',
            3,
            'things.a.speed is "24O0", which is not one of 1200 or 2400',
            "write speed = 2400 without quotes",
        ),
        (
            '[things.a]\nname = "x"\ndigits = 1',
            3,
            'things.a.digits is 1, which is not one of "1" or "2"',
            'write digits = "1" in quotes',
        ),
        (
            '[things.a]\nname = "x"\npair = ["x", 1]',
            3,
            'things.a.pair[1] is "x", but must be a number',
            "write for example 1 in its place",
        ),
        (
            'more = []\n[things]\na = { name = "x", kinds = ["metre"] }',
            3,
            'things.a.kinds[1] is "metre", which is not one of "meter" or "lamp"',
            'did you mean "meter"?',
        ),
        (
            '[more]\nname = "x"',
            1,
            "more is one table, but must be a list of tables",
            "write [[more]] with two brackets",
        ),
        ("more = 5", 1, "more is 5, but must be an array", "write it as a table [[more]] with the key name"),
        ("more = [5]", 1, "more[1] is 5, but must be a table", 'write for example { name = "air" } in its place'),
        (
            '[[things.a]]\nname = "x"',
            1,
            "things.a is a list, but must be one table",
            "write [things.a] with one bracket",
        ),
        ('[things.a]\nname = "x"\ncode = "X-1"', 3, 'things.a.code may not be "X-1"', "it must match ^[A-Z]+$"),
        (
            '[things.a]\nname = "x"\n[things.a.marks]\nX = 1',
            4,
            'things.a.marks has a key "X", but a mark has small letters',
            "write for example red = ...",
        ),
        ('[things.a]\nname = "x"\nkinds = []', 3, "things.a.kinds has 0 elements", "it takes at least 1"),
        (
            '[things.a]\nname = "x"\nmarks = 3',
            3,
            "things.a.marks is 3, but must be a table",
            "write for example marks = { red = 1 }",
        ),
        ('[things.a]\nname = "x"\namount = 0.0', 3, "things.a.amount is 0.0", "it must be greater than 0.5"),
        ('[things.a]\nname = "x"\namount = 90.5', 3, "things.a.amount is 90.5", "it must be at most 90"),
        (
            '[things.a]\nname = "x"\namount = true',
            3,
            "things.a.amount is true, but must be a number",
            "write for example amount = 1.5",
        ),
        (
            '[things.a]\nname = "x"\nbus = "a b"',
            3,
            'things.a.bus is "a b", but a bus has small letters',
            'write for example bus = "pole"',
        ),
        (
            '[things.a]\nname = "x"\nbus = 1',
            3,
            "things.a.bus is 1, but must be text in quotes",
            'write for example bus = "pole"',
        ),
    ],
)
def test_a_wrong_key_names_line_fault_and_mend_and_nothing_else(text: str, line: int, what: str, mend: str) -> None:
    assert problems(text) == [(line, what, mend)]


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


def told_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_toml(path)
    return str(caught.value)


def test_files_that_cannot_be_read_are_told_apart_and_without_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    none, latin = tmp_path / "none.toml", tmp_path / "latin.toml"
    latin.write_bytes('a = 1\nname = "Straße"'.encode("latin-1"))
    assert told_of(none) == f"{none}: there is no such file; check the path, or write the file first"
    assert told_of(tmp_path) == f"{tmp_path}: this is a folder; give the path of a file in it"
    assert told_of(latin) == f"{latin}: not UTF-8 text (byte 18, on line 2); save the file with the encoding UTF-8"
    for error, told in (
        (PermissionError(errno.EACCES, "no"), "this user may not read it; run as a user who may read it, or let all "),
        (OSError(errno.EIO, "Input/output error"), "cannot be read (Input/output error); check the path and the disk"),
    ):
        monkeypatch.setattr(Path, "read_bytes", Mock(side_effect=error))
        assert told_of(none).startswith(f"{none}: {told}")


def test_the_mark_with_which_windows_begins_a_file_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_bytes(b"\xef\xbb\xbfon = true\r\n[things.a]\r\n")
    source = load_toml(file)
    assert source.data == {"on": True, "things": {"a": {}}}
    assert source.line_of(("things", "a")) == 2


def test_a_header_with_the_wrong_brackets_is_told_as_one() -> None:
    with pytest.raises(ConfigError, match=r":3: .*; mend the header there: .* \[\[table\]\] for each table of a list$"):
        parse_toml("[[a]]\nb = 1\n[a]\n", Path("x.toml"))


def test_paths_and_suggestions_read_as_people_write_them() -> None:
    assert key_path(("nodes", 1, "devices", 0, "unit")) == "nodes[2].devices[1].unit"
    assert nearest("voltge", ["voltage", "current"]) == "voltage"
    assert nearest("xyz", ["voltage", "current"]) is None
