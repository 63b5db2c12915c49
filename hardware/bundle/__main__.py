"""`make bundle ARGS="..."`: build and sign an update, or make a key to sign with."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer

from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.bundle_writer import make_bundle
from hardware.bundle.firmware_files import BuildError, Version, firmware_files, source_version
from hardware.bundle.keys import KeyProblemError, load_key, new_key, node_file, save_key
from protocols import bundle, update_names

PASSWORD_VARIABLE = "GATEPOST_KEY_PASSWORD"
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def key(
    private: Annotated[Path, typer.Argument(help="Where the private key goes; keep it off line.")],
    public: Annotated[Path, typer.Argument(help="Where the node's file goes: update.key of every node.")],
) -> None:
    """Make a key to sign updates with. A password in GATEPOST_KEY_PASSWORD encrypts it.

    Example: make bundle ARGS="key ~/safe/city.pem update.key"
    """
    fresh = new_key()
    try:
        save_key(fresh, private, os.environ.get(PASSWORD_VARIABLE))
    except OSError as error:
        raise _failed(f"{private} cannot be written ({error.strerror}); an old key is never written over") from error
    public.write_bytes(node_file(fresh))
    print(f"{private}: the private key. Whoever has it can change every node.")
    print(f"{public}: for the nodes, as /update.key")


@app.command()
def build(
    key_file: Annotated[Path, typer.Option("--key", help="The private key.")],
    board: Annotated[str, typer.Option(help="The board, a file of hardware/boards.")] = "esp32-devkitc",
    version: Annotated[str | None, typer.Option(help="Three numbers; by default those of the sources.")] = None,
    minimum: Annotated[str, typer.Option(help="The lowest version that a node may go back to afterwards.")] = "0.0.0",
    out: Annotated[Path | None, typer.Option(help="Where the bundle goes.")] = None,
) -> None:
    """Compile the node's firmware, pack it and sign it.

    Example: make bundle ARGS="build --key ~/safe/city.pem --version 0.2.0"
    """
    wanted = _version(version) if version else source_version()
    try:
        files = firmware_files(wanted, board_sources(board))
        number = board_number(board)
        made = make_bundle(files, wanted, _version(minimum), number, load_key(key_file, _password()))
    except (BuildError, KeyProblemError) as error:
        raise _failed(str(error)) from error
    reason = bundle.check_head(made.manifest, len(made.content)) or bundle.check(
        made.manifest, number, made.manifest[18], 0
    )
    if reason:
        raise _failed(f"a node would refuse this bundle: {update_names.REASONS[reason]}")
    words = ".".join(str(part) for part in wanted)
    target = out or Path("dist") / f"gatepost-node-{words}-{board}.gpb"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(made.content)
    print(f"{target}: version {words}, {len(files)} files, {len(made.content)} bytes, manifest {made.digest:08x}")


def _password() -> str | None:
    return os.environ.get(PASSWORD_VARIABLE)


def _version(text: str) -> Version:
    found = re.fullmatch(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})", text)
    if found is None or int(found[1]) > 127 or int(found[2]) > 255 or int(found[3]) > 65535:
        raise typer.BadParameter(f"{text} is no version; write three numbers such as 0.2.0")
    return int(found[1]), int(found[2]), int(found[3])


def _failed(text: str) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(1)


if __name__ == "__main__":
    app()
