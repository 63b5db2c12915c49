"""`python -m tests.screens [NAME...]`: run the commands and write docs/screens/NAME.svg; without a name all of them.

A scene is run in a folder of its own, so that the paths in it are short. What runs beside the command (a bus, a
board) is started first and says `ready`, or its port, on its first line.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.rig.esp32.stand_in_image import stand_in_image
from tests.screens.capture import CaptureError, capture
from tests.screens.picture import picture

ROOT = Path(__file__).resolve().parents[2]
SCREENS = ROOT / "docs" / "screens"
_MICROPYTHON = "v1.27.0"
"""What the node machine of the rig runs, so that the image is what its node tells."""


ENVIRONMENT = {"PYTHONPATH": str(ROOT)}


def program() -> str:
    """The command beside this Python."""
    return str(Path(sys.executable).with_name("gatepost"))


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: the words after `gatepost`, the size of the terminal, what runs beside it.

    `prepare` fills the folder. `beside` are the words after `python -m` of what runs meanwhile.
    """

    words: tuple[str, ...]
    columns: int = 120
    lines: int = 48
    timeout_s: float = 120
    prepare: Callable[[Path], None] = lambda folder: None
    beside: tuple[str, ...] = ()


def node_and_image(folder: Path) -> None:
    """A node file with its pole, and a folder with an image that stands in for MicroPython's."""
    (folder / "images").mkdir()
    (folder / "images" / "ESP32_GENERIC.bin").write_bytes(stand_in_image(version=_MICROPYTHON))
    poles = folder / "poles"
    poles.mkdir()
    shutil.copy(ROOT / "hardware" / "poles" / "example.toml", poles)
    for name in ("example.toml", "work-order.csv"):
        source = ROOT / "hardware" / "nodes" / name
        if source.exists():
            text = source.read_text(encoding="utf-8").replace("../poles/", "poles/")
            (folder / ("lamp-12.toml" if name == "example.toml" else name)).write_text(text, encoding="utf-8")


def kit_made(folder: Path) -> None:
    """A kit of the example's work order."""
    node_and_image(folder)
    words = ("kit", "make", "work-order.csv", "--firmware", "images", "--trust")
    terminal, status = capture((program(), *words), cwd=folder, environment=ENVIRONMENT)
    if status:
        raise CaptureError(f"the kit could not be made:\n{terminal.text()}")


_BOARD = ("hardware.rig.esp32", "--link", "ttyUSB0", "--attended")
_FLASH = (
    "flash",
    "--port",
    "ttyUSB0",
    "--node",
    "lamp-12.toml",
    "--firmware",
    "images",
    "--trust",
    "--no-bus",
    "--yes",
)
SCENES = {
    "scan": Scene(
        ("scan", "ttyUSB0", "--quick"), beside=("tests.screens.scan_bus", "ttyUSB0"), timeout_s=900, columns=100
    ),
    "flash": Scene(_FLASH, prepare=node_and_image, beside=_BOARD),
    "flash-batch": Scene(
        ("flash", "--kit", "work-order.gpkit", "--port", "ttyUSB0", "--batch", "--no-bus"),
        prepare=kit_made,
        beside=("tests.screens.boards", "ttyUSB0", "2"),
        lines=120,
        timeout_s=240,
    ),
    "kit": Scene(("kit", "show", "work-order.gpkit"), prepare=kit_made),
}


def make(name: str) -> None:
    """Run one scene and write its picture. Raises CaptureError."""
    scene = SCENES[name]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        scene.prepare(folder)
        with _beside(scene.beside, folder):
            terminal, status = capture(
                (program(), *scene.words),
                columns=scene.columns,
                lines=scene.lines,
                timeout_s=scene.timeout_s,
                cwd=folder,
                environment=ENVIRONMENT,
            )
    if status not in (0, 1):
        raise CaptureError(f"gatepost {' '.join(scene.words)} ended with {status}:\n{terminal.text()}")
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"{name}.svg").write_text(picture(terminal, f"gatepost {' '.join(scene.words)}"), encoding="utf-8")
    print(f"written: docs/screens/{name}.svg (exit code {status})")


@contextlib.contextmanager
def _beside(words: tuple[str, ...], folder: Path) -> Iterator[None]:
    if not words:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise CaptureError(f"python -m {' '.join(words)} ended before it was ready")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=20)


def main(names: list[str]) -> int:
    """The exit code: 0, 1 where a scene could not be made, 2 for a name that there is not."""
    unknown = [name for name in names if name not in SCENES]
    if unknown:
        print(f"there is no screen {', '.join(unknown)}; there are: {', '.join(SCENES)}", file=sys.stderr)
        return 2
    failed = False
    for name in names or SCENES:
        try:
            make(name)
        except CaptureError as error:
            print(f"{name}: {error}", file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
