"""What a node is to become: the file of `--node`, and the order that it makes. docs/flash.md, "The node file"."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway_agent.boards import load_board
from gateway_agent.config import load_pole
from gateway_agent.errors import GatepostError
from gateway_agent.node_keys import KeyFileError, read_key
from gateway_agent.provision import node_table
from gateway_agent.toml_source import ConfigError, Finding, TomlModel, TomlSource, load_toml, validate
from hardware.bundle.keys import KEY_BITS
from protocols.factory_record import MAX_TERMINAL_CODE

_TERMINAL = re.compile(rf"[!-~]{{1,{MAX_TERMINAL_CODE}}}")
UPDATE_KEY_BYTES = KEY_BITS // 8
_MOST_UPDATE_KEYS = 2


@dataclass(frozen=True, slots=True)
class NodeOrder:
    """One node as ordered: its `terminal` code, its `board`, and what it is given.

    Without a `table` it listens as unit 247 at 19200 8N1 and waits for its settings; without a `node_key` nothing on
    the pole bus is guarded. `origin` is where the order comes from. Keys never show in its repr.
    """

    terminal: str
    board: str
    table: bytes | None = field(default=None, repr=False)
    node_key: bytes | None = field(default=None, repr=False)
    broadcast_key: bytes | None = field(default=None, repr=False)
    update_key: bytes | None = field(default=None, repr=False)
    origin: Path | str = ""


class NodeSection(TomlModel):
    """`[node]`."""

    terminal: str
    pole: Annotated[str, Field(min_length=1)] | None = None
    name: Annotated[str, Field(min_length=1)] | None = None
    key_file: Annotated[str, Field(min_length=1)] | None = None
    broadcast_key_file: Annotated[str, Field(min_length=1)] | None = None
    update_key: Annotated[str, Field(min_length=1)] | None = None


class NodeFile(TomlModel):
    """The whole file."""

    node: NodeSection


def terminal_fault(code: str) -> str | None:
    """Why `code` cannot be a terminal's code, as a phrase; None when it can."""
    if _TERMINAL.fullmatch(code):
        return None
    return f"{code!r} is no terminal code" if code else "the terminal code is empty"


TERMINAL_MEND = (
    f"write the code as it stands in the city's ledger: 1 to {MAX_TERMINAL_CODE} ASCII characters, no blanks"
)


def read_node_file(path: Path | str, board: str | None) -> NodeOrder:
    """The order that a node file makes, for `board` where no pole names one.

    Raises ConfigError with the line and the mend of every problem, and what reading the pole raises.
    """
    source = load_toml(path)
    section = validate(NodeFile, source, [_check]).node
    update_key = _file_of(source, "update_key", section.update_key, _read_update_key)
    if section.pole is not None and section.name is not None:
        return _from_pole(source, section, board, update_key)
    if board is None:
        what = "no pole is named, so nothing says which board it is"
        raise _problem(source, "terminal", what, "say it: --board esp32-devkitc, or add pole and name")
    load_board(board)
    return NodeOrder(
        section.terminal,
        board,
        None,
        _file_of(source, "key_file", section.key_file, read_key),
        _file_of(source, "broadcast_key_file", section.broadcast_key_file, read_key),
        update_key,
        source.path,
    )


def _from_pole(source: TomlSource, section: NodeSection, board: str | None, update_key: bytes | None) -> NodeOrder:
    assert section.pole is not None
    assert section.name is not None
    pole = load_pole(source.path.parent / section.pole)
    node = next((one for one in pole.nodes if one.name == section.name), None)
    if node is None:
        known = ", ".join(one.name for one in pole.nodes) or "none"
        raise _problem(source, "name", f"{section.pole} has no node {section.name}", f"its nodes are: {known}")
    if board not in (None, node.board):
        what = f"{section.name} is a {node.board} in {section.pole}, but --board says {board}"
        raise _problem(source, "name", what, "leave --board out, or mend the board in the pole")
    bus_key = pole.bus(node.bus).broadcast_key_file
    try:
        table = node_table(pole, section.name)
        return NodeOrder(
            section.terminal,
            node.board,
            table,
            None if node.key_file is None else read_key(node.key_file),
            None if bus_key is None else read_key(bus_key),
            update_key,
            source.path,
        )
    except ConfigError:
        raise
    except KeyFileError as error:
        raise _problem(source, "pole", error.what, error.mend) from error
    except GatepostError as error:
        raise _problem(source, "name", f"{section.name} has no table: {error}", f"mend {section.pole}") from error


def _check(file: NodeFile) -> Iterator[Finding]:
    node = file.node
    fault = terminal_fault(node.terminal)
    if fault is not None:
        yield Finding(("node", "terminal"), fault, TERMINAL_MEND)
    if (node.pole is None) != (node.name is None):
        present, absent = ("pole", "name") if node.name is None else ("name", "pole")
        yield Finding(("node", present), f"{present} stands without {absent}", f"add {absent}, or remove {present}")
    for key in ("key_file", "broadcast_key_file"):
        if node.pole is not None and getattr(node, key) is not None:
            yield Finding(("node", key), f"{key} stands beside pole", "remove it: the pole names the node's keys")


def _file_of(source: TomlSource, key: str, name: str | None, read: Callable[[Path], bytes]) -> bytes | None:
    if name is None:
        return None
    try:
        return read(source.path.parent / name)
    except KeyFileError as error:
        raise _problem(source, key, error.what, error.mend) from error


def _read_update_key(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        what = f"the file {path} cannot be read ({error.strerror})"
        raise KeyFileError(what, "check its path, or make it with: make bundle ARGS=key") from error
    if len(content) not in [UPDATE_KEY_BYTES * count for count in range(1, _MOST_UPDATE_KEYS + 1)]:
        mend = f"it is the node's file that `make bundle ARGS=key` writes, {UPDATE_KEY_BYTES} bytes a key"
        raise KeyFileError(f"{path} holds no public keys of updates", mend)
    return content


def _problem(source: TomlSource, key: str, what: str, mend: str) -> ConfigError:
    return ConfigError([source.problem(Finding(("node", key), what, mend))])
