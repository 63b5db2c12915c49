"""The command `gatepost`: finds its subcommands among the installed entry points and runs one of them.

A subcommand is an entry point of the group `gatepost.commands`: its name is the word that is typed, its object a typed
function or a typer.Typer. So the rig adds `demo` and `platform` without the agent knowing of the rig, and a
subcommand that cannot be loaded takes none of the others down. A subcommand raises typer.Exit(1) or a GatepostError
when it failed; words that typer does not accept end with 2.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, EntryPoints, entry_points, version
from typing import Annotated

import typer
from typer.core import TyperGroup
from typer.main import get_command

from gateway_agent.errors import GatepostError

COMMAND_GROUP = "gatepost.commands"
FAILED = 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line `arguments` (without the program's name; sys.argv by default) and leave with its exit code.

    Always raises SystemExit: 0, 1 (it failed) or 2 (the words were off). A GatepostError is told on stderr as text.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    commands = build_commands(words, entry_points(group=COMMAND_GROUP))
    try:
        commands(words, prog_name="gatepost")
    except GatepostError as error:
        print(error, file=sys.stderr)
        sys.exit(FAILED)


def build_commands(words: Sequence[str], found: EntryPoints) -> TyperGroup:
    """Return the root command with every entry point of `found` below it.

    Only the subcommand that `words` name is loaded, so that `gatepost run` imports nothing of the others; where they
    name none, as for the help page, all are.
    """
    root = get_command(_root_application())
    if not isinstance(root, TyperGroup):
        raise TypeError(f"typer made a {type(root).__name__} of the root command, not a group")
    first = next((word for word in words if not word.startswith("-")), "")
    for entry in sorted(found, key=lambda entry: entry.name):
        if first in (entry.name, "") or first not in found.names:
            command = get_command(_load(entry))
            command.name = entry.name
            root.add_command(command)
    return root


def _root_application() -> typer.Typer:
    application = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @application.callback()
    def root(
        show_version: Annotated[
            bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
        ] = False,
    ) -> None:
        """Gateway agent and test rig of a smart street pole.

        Example: gatepost check pole.toml
        """

    return application


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gatepost {version('gatepost')}")
        raise typer.Exit


def _load(entry: EntryPoint) -> typer.Typer:
    """Return the application behind an entry point, or one that says why it cannot be loaded."""
    try:
        loaded = entry.load()
    except Exception as error:  # whatever a foreign module raises while it is imported
        return _unloadable(entry, f"{type(error).__name__}: {error}")
    if isinstance(loaded, typer.Typer):
        return loaded
    if callable(loaded):
        return _single(loaded)
    return _unloadable(entry, f"{entry.value} is a {type(loaded).__name__}, not a function or a typer.Typer")


def _single(function: Callable[..., object], **settings: bool) -> typer.Typer:
    application = typer.Typer(add_completion=False)
    application.command(context_settings=dict(settings))(function)
    return application


def _unloadable(entry: EntryPoint, reason: str) -> typer.Typer:
    def tell() -> None:
        print(f"gatepost {entry.name} cannot be loaded ({reason}).", file=sys.stderr)
        print("Install what it needs: `make setup` in the source folder, or install gatepost anew.", file=sys.stderr)
        raise typer.Exit(FAILED)

    tell.__doc__ = f"(cannot be loaded: {reason})"
    return _single(tell, ignore_unknown_options=True, allow_extra_args=True)
