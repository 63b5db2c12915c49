"""What the cases of the group `flash` share: an order with its image, boards with faults, somebody who flashes them.

`Technician` does what the screen advises: holds BOOT, presses EN. `believe` is the control: it runs esptool as a script
would and looks at nothing but, at most, its exit code.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

from gateway_agent.config import load_pole
from gateway_agent.provision import node_table
from hardware.bundle.firmware_files import REPOSITORY
from hardware.flash.application import build_application
from hardware.flash.esptool_words import HOLD_BOOT
from hardware.flash.images import image_of
from hardware.flash.layout import make_plan
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import Job
from hardware.flash.results import FlashResult
from hardware.flash.session import PRESS_EN, Settings, flash_node
from hardware.rig.esp32.board import Application
from hardware.rig.esp32.chip import MEBIBYTE, SimulatedChip
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.in_thread import BoardThread
from hardware.rig.esp32.reporting_node import ReportingNode
from hardware.rig.esp32.stand_in_image import stand_in_image

MAC = bytes.fromhex("240ac4010203")
_POLE, _NODE = REPOSITORY / "hardware/poles/example.toml", "lamp_node"
BOARD, OTHER_BOARD = "esp32-devkitc", "lilygo-t-can485"
_APP_BYTES = 48 * 1024
_BOOT_WAIT_S, _START_WAIT_S = 12.0, 8.0
_ESPTOOL_WITHIN_S = 90.0


@lru_cache(maxsize=4)
def job(layout: str = "plain", *, built_for: str = BOARD, micropython: str = "v1.24.0") -> Job:
    """One order for `BOARD`; `built_for` another board is a kit that was mixed up."""
    table = node_table(load_pole(_POLE), _NODE)
    order = NodeOrder("110108-0004711", BOARD, table, bytes(range(32)), bytes(range(32, 64)), None, "the fault case")
    image = image_of(Path("stand-in.bin"), stand_in_image(layout, micropython, _APP_BYTES), trust=True)
    application = build_application(built_for)
    return Job(order, image, application, make_plan(image, order, application))


@dataclass(slots=True)
class Board:
    """What is plugged in: a kind of chip with its fuses, flash and faults, and what runs on it."""

    kind: str = "esp32"
    flash_bytes: int = 4 * MEBIBYTE
    efuses: Efuses = field(default_factory=lambda: Efuses(MAC))
    faults: ChipFaults = field(default_factory=ChipFaults)
    attended: bool = True
    starts_nothing: bool = False
    answers_as: bytes = MAC

    def chip(self) -> SimulatedChip:
        """A new chip of this sort."""
        return SimulatedChip(self.kind, flash_bytes=self.flash_bytes, efuses=self.efuses, faults=self.faults)

    def application(self) -> Application | None:
        """What runs from its flash."""
        return None if self.starts_nothing else partial(ReportingNode.start, mac=self.answers_as)


class Technician:
    """Watches the screen and does what it advises; `advice` is what was said."""

    def __init__(self, board: BoardThread) -> None:
        self.advice: list[str] = []
        self._board = board

    def step(self, name: str) -> None:
        """Nothing to do."""

    def progress(self, done: float) -> None:
        """Nothing to do."""

    def tell(self, text: str) -> None:
        """Nothing to do."""

    def tool_text(self, line: str) -> None:
        """Nothing to do."""

    def advise(self, text: str) -> None:
        """Press what is to be pressed."""
        self.advice.append(text)
        if text == HOLD_BOOT:
            self._board.do(self._board.board.enter_loader_by_hand)
        elif text == PRESS_EN:
            self._board.do(self._board.board.press_reset)


@dataclass(frozen=True, slots=True)
class Run:
    """One run on one board: its result, the advice that was given, the bytes that the host sent."""

    result: FlashResult
    advice: tuple[str, ...]
    host_bytes: int


def flash(work: Job, board: BoardThread, *, use_stub: bool = True) -> Run:
    """Flash a board as `gatepost flash` does."""
    technician = Technician(board)
    before = board.do(lambda: board.board.host_bytes)
    settings = Settings(
        board.port,
        use_stub=use_stub,
        with_bus=False,
        start_wait_s=_START_WAIT_S,
        boot_wait_s=_BOOT_WAIT_S,
    )
    result = flash_node(work, settings, technician)
    return Run(result, tuple(technician.advice), board.do(lambda: board.board.host_bytes) - before)


def holds(chip: SimulatedChip, work: Job) -> bool:
    """Whether every piece is in the flash."""
    content = chip.memory.content
    return all(content[piece.offset : piece.end] == piece.content for piece in work.plan.pieces)


@contextmanager
def plugged_in(board: Board, chip: SimulatedChip | None = None) -> Iterator[BoardThread]:
    """A context with such a board (or this chip on it) on a serial port of its own."""
    with tempfile.TemporaryDirectory(prefix="gatepost-flash-") as folder:
        reach = Path(folder, "port")
        chip = board.chip() if chip is None else chip
        with BoardThread(chip, reach, attended=board.attended, application=board.application()) as running:
            yield running


def believe(work: Job, board: BoardThread, *, looks_at_exit_code: bool) -> bool:
    """Flash a board by a plain script: one esptool, the pieces, and no question to the node. Whether it says "done"."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "esptool", "--port", board.port, "--baud", "460800", "write-flash", "--force"]
        for number, piece in enumerate(work.plan.pieces):
            path = Path(folder, str(number))
            path.write_bytes(piece.content)
            words += [hex(piece.offset), str(path)]
        done = subprocess.run(words, capture_output=True, timeout=_ESPTOOL_WITHIN_S, check=False)
    return not looks_at_exit_code or done.returncode == 0


def works(work: Job, board: BoardThread) -> bool:
    """Whether the board holds everything, and starts from it."""
    before = board.do(lambda: board.board.starts)
    board.do(board.board.press_reset)
    return board.do(lambda: board.board.starts) > before and holds(board.chip, work)
