"""Our firmware as it goes onto a node: built from the sources, or taken from a kit as it was built there."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardware.bundle.boards import board_number, board_sources
from hardware.bundle.firmware_files import (
    OUTSIDE_OF_SLOTS,
    REPOSITORY,
    BuildError,
    Version,
    compile_all,
    source_version,
    sources,
)
from hardware.bundle.manifest_writer import make_manifest
from hardware.flash.problem import FlashProblem, Kind

START, SLOT = "start", "slot_a"
MANIFEST = "manifest.bin"
_START_MODULES = ("__init__.py", "boot_choice.py", "boot_state.py", "two_copies.py")


@dataclass(frozen=True, slots=True)
class Application:
    """The firmware for one board: its `version`, and its `files`, path in the node's file system to content."""

    version: Version
    board: str
    files: Mapping[str, bytes]

    @property
    def version_text(self) -> str:
        """Such as "0.1.0", as the node tells it."""
        return ".".join(map(str, self.version))


def build_application(board: str, *, compiled: bool = True, beside: Iterable[str] = ()) -> Application:
    """Build it from the sources for one of hardware/boards, as `.mpy` files when `compiled`, with a manifest.

    Programs that will stand `beside` the slots find all under its own name. Raises FlashProblem(FILES) where the
    sources are not, or one does not compile.
    """
    if not (REPOSITORY / "firmware" / OUTSIDE_OF_SLOTS[0]).is_file():
        raise FlashProblem(
            Kind.FILES,
            "this Gatepost came without the firmware's sources",
            "flash from a kit that was made at the desk (--kit FILE), or work in the source folder",
        )
    try:
        return _build(board, compiled, tuple(beside))
    except BuildError as error:
        raise FlashProblem(
            Kind.FILES, f"the firmware for {board} cannot be built: {error}", "mend that, or flash from a kit"
        ) from error


def _build(board: str, compiled: bool, beside: tuple[str, ...]) -> Application:
    everything = {**sources(), **board_sources(board)}
    start = {f"node/{name}": everything[f"node/{name}"] for name in _START_MODULES}
    files = {name: (REPOSITORY / "firmware" / name).read_bytes() for name in OUTSIDE_OF_SLOTS}
    files |= {f"{START}/{name}": content for name, content in _modules(start, compiled, ()).items()}
    slot = _modules(everything, compiled, beside)
    files |= {f"{SLOT}/{name}": content for name, content in slot.items()}
    if compiled:
        files[f"{SLOT}/{MANIFEST}"] = make_manifest(slot, source_version(), (0, 0, 0), board_number(board))
    return Application(source_version(), board, files)


def _modules(modules: dict[str, str], compiled: bool, beside: Iterable[str]) -> dict[str, bytes]:
    return compile_all(modules, beside) if compiled else {name: text.encode() for name, text in modules.items()}
