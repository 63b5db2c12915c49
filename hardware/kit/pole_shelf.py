"""The poles that a work order names, each read once; and the key files that they name and that are still to be made.

A pole.toml whose key files do not exist yet cannot be loaded as a whole. So it is checked without them first, and the
keys are made when everything else is right.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gateway_agent.config import PoleConfig, check_source, load_pole
from gateway_agent.journal.schema import sync_folder
from gateway_agent.node_keys import KEY_BYTES
from gateway_agent.toml_source import ConfigError, TomlSource, load_toml
from hardware.kit.sealed_file import SealedFileError

_KEY_NAMES = ("key_file", "broadcast_key_file")


@dataclass(frozen=True, slots=True)
class PoleFile:
    """One pole.toml, checked but for its keys.

    `pole` is without its key files; `keys_of_nodes` and `keys_of_buses` name them, by node and bus.
    """

    path: Path
    source: TomlSource
    pole: PoleConfig
    keys_of_nodes: Mapping[str, Path]
    keys_of_buses: Mapping[str, Path]

    @property
    def missing_keys(self) -> tuple[Path, ...]:
        """The key files that do not exist, each once."""
        named = [*self.keys_of_buses.values(), *self.keys_of_nodes.values()]
        return tuple(dict.fromkeys(path for path in named if not os.path.lexists(path)))

    def whole(self) -> PoleConfig:
        """The pole with its keys, all of which must exist by now. Raises ConfigError."""
        return load_pole(self.path)


class PoleShelf:
    """Reads each pole.toml once, and remembers what was wrong with it."""

    def __init__(self) -> None:
        self._poles: dict[Path, PoleFile | ConfigError] = {}

    @property
    def poles(self) -> tuple[PoleFile, ...]:
        """Those that were right, in the order in which they were asked for."""
        return tuple(one for one in self._poles.values() if isinstance(one, PoleFile))

    def get(self, path: Path) -> PoleFile:
        """The pole of that file. Raises ConfigError with every problem and its line."""
        place = path.resolve()
        if place not in self._poles:
            try:
                self._poles[place] = _read(path)
            except ConfigError as error:
                self._poles[place] = error
        found = self._poles[place]
        if isinstance(found, ConfigError):
            raise found
        return found


def _read(path: Path) -> PoleFile:
    source = load_toml(path)
    pole = check_source(replace(source, data=_without_keys(source.data)))
    buses, nodes = (source.data.get(name, []) for name in ("buses", "nodes"))
    folder, (own, shared) = path.parent, _KEY_NAMES
    return PoleFile(
        path,
        source,
        pole,
        {one["name"]: folder / one[own] for one in nodes if _names(one, own)},
        {one["name"]: folder / one[shared] for one in buses if _names(one, shared)},
    )


def _names(table: Mapping[str, Any], key: str) -> bool:
    """Whether a table names a key file; anything of a wrong shape is told when the pole is loaded whole."""
    return isinstance(table.get(key), str) and bool(table[key])


def _without_keys(data: Mapping[str, Any]) -> dict[str, Any]:
    whole = dict(data)
    for name in ("buses", "nodes"):
        if isinstance(whole.get(name), list):
            whole[name] = [
                {key: value for key, value in one.items() if key not in _KEY_NAMES} if isinstance(one, dict) else one
                for one in whole[name]
            ]
    return whole


def make_keys(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Make each key file that does not exist, and yield the path of each that was made.

    A key stands under its name whole or not at all, readable by its owner alone, on the disk before it is yielded; one
    that is there is never written over. Raises SealedFileError.
    """
    for path in paths:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _make_key(path):
                yield path
        except OSError as error:
            what = f"the key file {path} cannot be made ({error.strerror})"
            raise SealedFileError(what, "check the folder and its permissions, or name another file") from error


def _make_key(path: Path) -> bool:
    """Whether a key was made: False where one came to be there in the meantime."""
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, secrets.token_hex(KEY_BYTES).encode("ascii") + b"\n")
        os.fsync(file)
        os.link(new, path)
    except FileExistsError:
        return False
    finally:
        os.close(file)
        new.unlink()
    sync_folder(path)
    return True
