"""Checks of the key files that a pole.toml names."""

from collections.abc import Iterable, Iterator

from gateway_agent.config.schema import PoleConfig
from gateway_agent.node_keys import KeyFileError, read_key
from gateway_agent.toml_source import Finding

Loc = tuple[str | int, ...]


def key_files(pole: PoleConfig) -> Iterator[tuple[Loc, str]]:
    """Every key file with its key path."""
    for index, bus in enumerate(pole.buses):
        if bus.broadcast_key_file is not None:
            yield ("buses", index, "broadcast_key_file"), bus.broadcast_key_file
    for index, node in enumerate(pole.nodes):
        if node.key_file is not None:
            yield ("nodes", index, "key_file"), node.key_file


def check_keys(pole: PoleConfig) -> Iterable[Finding]:
    """Each key file can be read, and no two keys are the same: one that is stolen opens nothing else."""
    seen: dict[bytes, str] = {}
    for loc, path in key_files(pole):
        try:
            key = read_key(path)
        except KeyFileError as error:
            yield Finding(loc, error.what, error.mend)
            continue
        if key in seen and not (loc[0] == "buses" and seen[key].startswith("buses")):
            yield Finding(loc, f"the key in {path} is that of {seen[key]}", "give each node a key of its own")
        seen.setdefault(key, f"{loc[0]}[{loc[1]}]")
