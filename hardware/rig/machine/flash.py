"""Lays out a node's flash in a folder of the host: the firmware as it is shipped, its table, nothing else."""

import binascii
import shutil
from collections.abc import Iterable
from pathlib import Path

from gateway_agent.boards.load import DEFAULT_BOARD
from hardware.flash.application import SLOT, START, build_application
from hardware.flash.file_system import node_files
from hardware.flash.node_file import NodeOrder


def build_flash(
    folder: Path,
    table: bytes,
    *,
    compiled: bool = True,
    board: str = DEFAULT_BOARD,
    beside: Iterable[str] = (),
) -> Path:
    """Write what `gatepost flash` puts into a node's file system (hardware/flash/file_system.py) into `folder`.

    `board` is one of hardware/boards. Files that the node itself keeps there (boot state, settings, events, log) stay.
    Programs that will stand `beside` the slots find all under its own name. Raises OSError, or FlashProblem when a
    module does not compile.
    """
    application = build_application(board, compiled=compiled, beside=beside)
    for old in (START, SLOT):
        shutil.rmtree(folder / old, ignore_errors=True)
    for name, content in node_files(NodeOrder("", board, table), application).items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def lay_copy(folder: Path, name: str, body: bytes) -> None:
    """Put `body` on the flash as the node's two_copies would have written it first."""
    copy = (1).to_bytes(4, "big") + body
    (folder / f"{name}.a").write_bytes(copy + binascii.crc32(copy).to_bytes(4, "big"))
