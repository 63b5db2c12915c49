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
_MOST_KEYS = 2
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def key(
    private: Annotated[Path, typer.Argument(help="Where the private key goes; keep it off line.")],
    public: Annotated[Path, typer.Argument(help="Where the node's file goes: update.key of every node.")],
) -> None:
    """Make a key to sign updates with. A password in GATEPOST_KEY_PASSWORD encrypts it.

    Example: make bundle ARGS="key ~/safe/city.pem update.key"
    """
    for file in (private, public):
        if file.exists():
            raise _failed(f"{file} is there already; an old key is never written over, take another name")
    fresh = new_key()
    _write(public, node_file(fresh))
    try:
        save_key(fresh, private, _password())
    except OSError as error:
        public.unlink()
        raise _failed(
            f"{private} cannot be written ({error.strerror}); name a file in a folder that there is"
        ) from error
    print(f"{private}: the private key. Whoever has it can change every node: keep it off line, and a copy of it.")
    print(f"{public}: for the nodes, as /update.key")


@app.command()
def trust(
    public: Annotated[Path, typer.Argument(help="Where the node's file goes: update.key of every node.")],
    private: Annotated[list[Path], typer.Argument(help="The private keys whose updates a node takes, one or two.")],
) -> None:
    """Write the file by which a node trusts one key, or a second one beside it for the day the first is lost.

    Example: make bundle ARGS="trust update.key ~/safe/city.pem ~/safe/city-2.pem"
    """
    if len(private) > _MOST_KEYS:
        raise typer.BadParameter(f"a node trusts {_MOST_KEYS} keys at most")
    try:
        _write(public, node_file(*(load_key(one, _password()) for one in private)))
    except KeyProblemError as error:
        raise _failed(str(error)) from error
    print(f"{public}: for the nodes, as /update.key; bundles of {' and '.join(map(str, private))} are taken")


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
    if wanted < _version(minimum):
        raise _failed(
            f"--minimum {minimum} is above the version {'.'.join(map(str, wanted))} itself; no node takes that"
        )
    reason = bundle.check_head(made.manifest, len(made.content)) or bundle.check(
        made.manifest, number, made.manifest[18], 0
    )
    if reason:
        raise _failed(f"a node would refuse this bundle: {update_names.REASONS[reason]}")
    words = ".".join(str(part) for part in wanted)
    target = out or Path("dist") / f"gatepost-node-{words}-{board}.gpb"
    _write(target, made.content)
    print(f"{target}: version {words}, {len(files)} files, {len(made.content)} bytes, manifest {made.digest:08x}")


def _write(file: Path, content: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    except OSError as error:
        raise _failed(f"{file} cannot be written ({error.strerror}); name another file") from error


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
