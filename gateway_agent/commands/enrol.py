"""`gatepost enrol`: the keys of a gateway and of a platform, made at a desk."""

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.errors import GatepostError
from gateway_agent.uplink.identity import enrol, load_platform, load_record, new_platform, write_secret

command = typer.Typer(add_completion=False, no_args_is_help=True, help="Make the keys of a gateway and of a platform.")
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Folder = Annotated[Path, typer.Option(help="Where the files are written.", file_okay=False)]


@command.command("platform")
def platform(
    name: Annotated[str, typer.Argument(help="The platform's name, such as city-east.")],
    folder: _Folder = Path(),
    as_json: _Json = False,
) -> None:
    """Make the platform's own keys, once: NAME.identity.toml, which stays there, and NAME.public.toml, which enrolling
    needs.

    Example: gatepost enrol platform city-east --folder keys
    """
    _check_name(name)
    identity, public = new_platform(name)
    paths = (folder / f"{name}.identity.toml", folder / f"{name}.public.toml")
    _write(paths, (identity, public))
    _tell(
        as_json,
        {"platform": name, "identity": str(paths[0]), "public": str(paths[1])},
        f"{paths[0]}: secret, for gatepost platform --identity, and for nobody else",
        f"{paths[1]}: for gatepost enrol gateway --platform",
    )


@command.command("gateway")
def gateway(
    name: Annotated[str, typer.Argument(help="The gateway's name, as in pole.toml.")],
    platform: Annotated[Path, typer.Option(help="The public file of the platform.")],
    folder: _Folder = Path(),
    replaces: Annotated[
        Path | None, typer.Option(help="The record of the gateway that this one replaces; it is revoked.")
    ] = None,
    as_json: _Json = False,
) -> None:
    """Make the keys of a gateway: NAME.identity.toml goes to the gateway, NAME.record.toml to the platform.

    A new computer in the place of an old one gets new keys: --replaces names the old record, and the platform takes
    nothing from the old one any more.

    Example: gatepost enrol gateway gp-east-12 --platform keys/city-east.public.toml --folder keys
    """
    _check_name(name)
    revokes = None if replaces is None else load_record(replaces).key.kid
    made = enrol(name, load_platform(platform), revokes)
    paths = (folder / f"{name}.identity.toml", folder / f"{name}.record.toml")
    _write(paths, (made.identity, made.record))
    _tell(
        as_json,
        {"gateway": name, "identity": str(paths[0]), "record": str(paths[1]), "revokes": revokes},
        f"{paths[0]}: secret; copy it to the gateway, write identity_file in [uplink] of its pole.toml, delete it here",
        f"{paths[1]}: secret; give it to the platform (gatepost platform --enrol), and keep it nowhere else",
    )


def _check_name(name: str) -> None:
    good = name and len(name) <= 32 and name[0].isalnum() and all(c.isalnum() or c in "._-" for c in name)
    if not good or not name.isascii():
        raise typer.BadParameter(f"{name}: a name has up to 32 letters, digits, '.', '_' and '-', and begins with one")


def _write(paths: tuple[Path, Path], texts: tuple[str, str]) -> None:
    for path in paths:
        if path.exists():
            raise GatepostError(f"{path} is there already; keys are never written over: move it away, or use --folder")
    try:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        for path, text in zip(paths, texts, strict=True):
            write_secret(path, text)
    except OSError as error:
        place = error.filename or paths[0]
        raise GatepostError(f"{place}: cannot be written ({error.strerror}); name a folder with --folder") from error


def _tell(as_json: bool, facts: dict[str, str | None], *sentences: str) -> None:
    print(json.dumps(facts) if as_json else "\n".join(sentences))
