"""Who a gateway is to the platform: its identity file, and the record that the platform takes.

Both are made by `gatepost enrol`. The identity stays on its gateway. The record holds the same provisioned OSCORE
context, for that is a shared secret, and of the static key only the public half. docs/security.md tells who has what.
"""

import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field

from gateway_agent.errors import GatepostError
from gateway_agent.journal.schema import sync_folder
from gateway_agent.toml_example import toml_text
from gateway_agent.toml_source import ConfigError, Finding, TomlModel, load_toml, validate
from gateway_agent.toml_spelling import Spelling
from gateway_agent.uplink.edhoc import EdhocFailed, PublicKey, StaticKey
from gateway_agent.uplink.oscore_context import OscoreKeys
from gateway_agent.whole_file import write_at

KID_BYTES = 2
"""Length of a gateway's OSCORE id; the platform's is empty, for its answers need none."""

_SECRETS = ("secret", "master_secret")

Name = Annotated[str, Field(min_length=1, max_length=64)]
Model = TypeVar("Model", bound=TomlModel)


def _digits(length: int) -> Spelling:
    words = f"{length} bytes are written in {2 * length} hexadecimal digits"
    return Spelling(f"[0-9a-f]{{{2 * length}}}", words, "00" * length)


Hex2 = Annotated[str, _digits(2)]
Hex8 = Annotated[str, _digits(8)]
Hex16 = Annotated[str, _digits(16)]
Hex32 = Annotated[str, _digits(32)]


class IdentityExists(GatepostError):  # noqa: N818 - nothing is wrong but the name
    """A file that would be overwritten; the text says which and what to do."""


class PublicTable(TomlModel):
    """A static public key on P-256: its id and both coordinates."""

    kid: Hex8
    x: Hex32
    y: Hex32

    @property
    def key(self) -> PublicKey:
        """The key."""
        return PublicKey(bytes.fromhex(self.kid), bytes.fromhex(self.x), bytes.fromhex(self.y))


class ContextTable(TomlModel):
    """The OSCORE context that was provisioned: the gateway's id, and the shared secret with its salt."""

    kid: Hex2
    master_secret: Hex16
    master_salt: Hex8

    @property
    def gateway_keys(self) -> OscoreKeys:
        """As the gateway uses it."""
        secret, salt = bytes.fromhex(self.master_secret), bytes.fromhex(self.master_salt)
        return OscoreKeys(secret, bytes.fromhex(self.kid), b"", salt)

    @property
    def platform_keys(self) -> OscoreKeys:
        """As the platform uses it."""
        keys = self.gateway_keys
        return OscoreKeys(keys.master_secret, keys.recipient_id, keys.sender_id, keys.master_salt)


class PlatformTable(TomlModel):
    """The platform: its name and its public key."""

    name: Name
    key: PublicTable


class Identity(TomlModel):
    """A gateway's identity file."""

    gateway: Name
    secret: Hex32
    key: PublicTable
    context: ContextTable
    platform: PlatformTable

    @property
    def static_key(self) -> StaticKey:
        """The gateway's own key."""
        return StaticKey(bytes.fromhex(self.secret), self.key.key)


class EnrolRecord(TomlModel):
    """What the platform takes of a gateway. `revokes` is the key id of the gateway that this one replaces."""

    gateway: Name
    key: PublicTable
    context: ContextTable
    revokes: Hex8 | None = None


class PlatformIdentity(TomlModel):
    """The platform's own identity file."""

    name: Name
    secret: Hex32
    key: PublicTable

    @property
    def static_key(self) -> StaticKey:
        """The platform's own key."""
        return StaticKey(bytes.fromhex(self.secret), self.key.key)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A gateway's identity and the record of it, as the text of their files."""

    identity: str
    record: str
    kid: bytes


def load_identity(path: Path | str) -> Identity:
    """A gateway's identity. Raises ConfigError with line and mend."""
    return _secret_file(Identity, path, (_check_own,))


def load_record(path: Path | str) -> EnrolRecord:
    """A record of a gateway. Raises ConfigError."""
    return _secret_file(EnrolRecord, path)


def load_platform_identity(path: Path | str) -> PlatformIdentity:
    """The platform's own identity. Raises ConfigError."""
    return _secret_file(PlatformIdentity, path, (_check_own,))


def load_platform(path: Path | str) -> PlatformTable:
    """The platform's public file. Raises ConfigError."""
    return validate(PlatformTable, load_toml(path))


def enrol(gateway: str, platform: PlatformTable, revokes: str | None = None) -> Enrolment:
    """New keys for a gateway."""
    own = StaticKey.generate()
    context = "\n".join(
        (
            "[context]",
            f'kid = "{secrets.token_hex(KID_BYTES)}"',
            f'master_secret = "{secrets.token_hex(16)}"',
            f'master_salt = "{secrets.token_hex(8)}"',
        )
    )
    key = f"[key]\n{_key_lines(own.public)}"
    identity = (
        f"# The identity of the gateway {gateway}. Secret: it belongs on that gateway alone, for its agent to read.\n"
        f'gateway = "{gateway}"\nsecret = "{own.secret.hex()}"\n\n{key}\n\n{context}\n\n'
        f'[platform]\nname = "{platform.name}"\n\n[platform.key]\n{_key_lines(platform.key.key)}\n'
    )
    replaced = "" if revokes is None else f'revokes = "{revokes}"\n'
    record = (
        f"# What the platform takes of the gateway {gateway}. Secret: it holds the context that both share.\n"
        f'gateway = "{gateway}"\n{replaced}\n{key}\n\n{context}\n'
    )
    return Enrolment(identity, record, own.public.kid)


def new_platform(name: str) -> tuple[str, str]:
    """The texts of the platform's own identity and of its public file."""
    own = StaticKey.generate()
    key = _key_lines(own.public)
    identity = (
        f"# The identity of the platform {name}. Secret: whoever has it can speak to every gateway as the platform.\n"
        f'name = "{name}"\nsecret = "{own.secret.hex()}"\n\n[key]\n{key}\n'
    )
    public = f'# The public key of the platform {name}, for gatepost enrol.\nname = "{name}"\n\n[key]\n{key}\n'
    return identity, public


def write_secret(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a new file that only its owner may read, on the disk when this returns.

    Raises IdentityExists where there is one, and OSError.
    """
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except FileExistsError as error:
        raise IdentityExists(
            f"{path} is there already, and keys are never written over: move it away, or name another folder"
        ) from error
    try:
        write_at(file, text.encode(), 0)
        os.fsync(file)
    except OSError:
        # A half of it would be in the way of the next try.
        path.unlink()
        raise
    finally:
        os.close(file)
    sync_folder(path)


def _key_lines(key: PublicKey) -> str:
    return f'kid = "{key.kid.hex()}"\nx = "{key.x.hex()}"\ny = "{key.y.hex()}"'


def _secret_file(
    model: type[Model], path: Path | str, checks: Sequence[Callable[[Model], Iterable[Finding]]] = ()
) -> Model:
    """As `validate`, with messages for a file of secrets: they go to screens and logs, so that they show none, and
    nobody is told to let others read it."""
    try:
        source = load_toml(path)
    except ConfigError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        mend = "let it belong to the user that runs this (chown), and to nobody else (chmod 600)"
        raise ConfigError([replace(problem, mend=mend) for problem in error.problems]) from error
    try:
        return validate(model, source, checks)
    except ConfigError as error:
        shown = sorted((toml_text(secret) for secret in _secrets(source.data)), key=len, reverse=True)
        problems = error.problems
        for text in shown:
            problems = [replace(problem, what=problem.what.replace(text, "(not shown)")) for problem in problems]
    # Not `from error`: a traceback would show them.
    raise ConfigError(problems)


def _secrets(table: object) -> Iterator[object]:
    """What stands under the names of secrets, at any depth."""
    if isinstance(table, Mapping):
        for name, value in table.items():
            yield from (value,) if name in _SECRETS else _secrets(value)
    elif isinstance(table, list):
        for item in table:
            yield from _secrets(item)


def _check_own(identity: Identity | PlatformIdentity) -> Iterable[Finding]:
    try:
        derived = StaticKey.derive(bytes.fromhex(identity.secret), bytes.fromhex(identity.key.kid))
    except EdhocFailed as error:
        yield Finding(("secret",), str(error), "copy the file anew")
        return
    if derived.public != identity.key.key:
        yield Finding(("key",), "the public key does not belong to the secret", "copy the file anew")
