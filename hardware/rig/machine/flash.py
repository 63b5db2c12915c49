"""Lays out a node's flash in a folder of the host: the firmware as it is shipped, its table, nothing else."""

import binascii
import shutil
from collections.abc import Iterable
from pathlib import Path

from gateway_agent.boards.load import DEFAULT_BOARD
from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.firmware_files import OUTSIDE_OF_SLOTS, REPOSITORY, compile_all, source_version, sources
from hardware.bundle.manifest_writer import make_manifest

_START_MODULES = ("__init__.py", "boot_choice.py", "boot_state.py", "two_copies.py")
_START, _SLOT = "start", "slot_a"


def build_flash(
    folder: Path,
    table: bytes,
    *,
    compiled: bool = True,
    board: str = DEFAULT_BOARD,
    beside: Iterable[str] = (),
) -> Path:
    """Write boot.py, main.py, start/, slot_a/ (as `.mpy` when `compiled`, with a manifest) and node.tab into `folder`.

    `board` is one of hardware/boards. Files that the node itself keeps there (boot state, settings, events, log) stay.
    Programs that will stand `beside` the slots find all under its own name. Raises OSError, or BuildError when a module
    does not compile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in OUTSIDE_OF_SLOTS:
        shutil.copy(REPOSITORY / "firmware" / name, folder / name)
    everything = {**sources(), **board_sources(board)}
    _lay_modules(folder / _START, {f"node/{name}": everything[f"node/{name}"] for name in _START_MODULES}, compiled)
    files = _lay_modules(folder / _SLOT, everything, compiled, beside)
    if compiled:
        manifest = make_manifest(files, source_version(), (0, 0, 0), board_number(board))
        (folder / _SLOT / "manifest.bin").write_bytes(manifest)
    (folder / "node.tab").write_bytes(table)
    return folder


def lay_copy(folder: Path, name: str, body: bytes) -> None:
    """Put `body` on the flash as the node's two_copies would have written it first."""
    copy = (1).to_bytes(4, "big") + body
    (folder / f"{name}.a").write_bytes(copy + binascii.crc32(copy).to_bytes(4, "big"))


def _lay_modules(folder: Path, modules: dict[str, str], compiled: bool, beside: Iterable[str] = ()) -> dict[str, bytes]:
    shutil.rmtree(folder, ignore_errors=True)
    files = compile_all(modules, beside) if compiled else {name: text.encode() for name, text in modules.items()}
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return files
