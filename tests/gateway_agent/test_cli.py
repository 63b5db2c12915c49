"""The command `gatepost`: its help, its exit codes, and what it does with a subcommand that is broken."""

import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from gateway_agent import cli

COMMANDS = '''
import typer
from gateway_agent.errors import GatepostError

sub = typer.Typer()

@sub.command()
def lamp(level: int = 100) -> None:
    """Dim a lamp."""
    print("lamp at", level)

def count(seconds: int) -> None:
    """Count seconds."""
    print("counted", seconds)

def refuse() -> None:
    """Refuse."""
    raise GatepostError("pole.toml:3: no such port; name one that is there")

def fail() -> None:
    """Fail."""
    raise typer.Exit(1)

number = 5
'''
OTHERS = {
    "lamp": "planted_commands:sub",
    "count": "planted_commands:count",
    "refuse": "planted_commands:refuse",
    "fail": "planted_commands:fail",
    "broken": "planted_broken:command",
    "number": "planted_commands:number",
    "absent": "planted_commands:nothing",
}


@pytest.fixture(autouse=True)
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planted_commands.py").write_text(COMMANDS)
    (tmp_path / "planted_broken.py").write_text("import module_that_nobody_has")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = EntryPoints(EntryPoint(name, value, cli.COMMAND_GROUP) for name, value in OTHERS.items())
    monkeypatch.setattr(cli, "entry_points", lambda group: found)
    yield
    for name in ("planted_commands", "planted_broken"):
        sys.modules.pop(name, None)


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        cli.main(words)
    return left.value.code or 0


def test_a_function_and_a_typer_application_are_both_commands(capsys):
    assert call("lamp", "--level", "40") == 0
    assert call("count", "3") == 0
    assert capsys.readouterr().out == "lamp at 40\ncounted 3\n"


def test_help_lists_every_command_and_says_which_cannot_be_loaded(capsys):
    assert call("--help") == 0
    page = capsys.readouterr().out
    for word in ("lamp", "Dim a lamp.", "count", "Count seconds.", "broken", "cannot be loaded", "gatepost check"):
        assert word in page


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("broken", "ModuleNotFoundError: No module named 'module_that_nobody_has'"),
        ("absent", "AttributeError"),
        ("number", "planted_commands:number is a int, not a function or a typer.Typer"),
    ],
)
def test_a_command_that_cannot_be_loaded_says_why_whatever_its_words(capsys, name, reason):
    assert call(name, "--seconds", "40", "--json") == 1
    told = capsys.readouterr().err
    assert told.startswith(f"gatepost {name} cannot be loaded ({reason}")
    assert "make setup" in told
    assert "Traceback" not in told


def test_a_broken_command_is_not_even_imported_for_another_one():
    call("lamp")
    assert "planted_broken" not in sys.modules


def test_a_failure_ends_with_1_and_is_told_as_text(capsys):
    assert call("fail") == 1
    assert call("refuse") == 1
    assert capsys.readouterr().err == "pole.toml:3: no such port; name one that is there\n"


@pytest.mark.parametrize("words", [("nosuch",), ("count",), ("count", "many"), ("lamp", "--colour", "red"), ()])
def test_words_that_are_off_end_with_2(words):
    assert call(*words) == 2


def test_the_version_is_printed(capsys):
    assert call("--version") == 0
    assert capsys.readouterr().out.startswith("gatepost ")
