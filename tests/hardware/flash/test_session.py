"""One board from its port to its result: the real esptool, a simulated chip, and a node that answers from its flash."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hardware.flash.application import Application, build_application
from hardware.flash.efuses import security_of
from hardware.flash.images import image_of
from hardware.flash.layout import make_plan, read_back
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import Job
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import FlashResult, Past, keep, past_of
from hardware.flash.session import PRESS_EN, Settings, check_node, flash_node
from hardware.rig.esp32.chip import SimulatedChip
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.in_thread import BoardThread
from hardware.rig.esp32.reporting_node import ReportingNode
from hardware.rig.esp32.stand_in_image import stand_in_image

MAC = bytes.fromhex("240ac4010203")
ORDER = NodeOrder("T-1", "esp32-devkitc", node_key=bytes(32))


class Hands:
    """Does what a technician is told to do, and remembers it."""

    def __init__(self, board: BoardThread) -> None:
        self.board = board
        self.told: list[str] = []
        self.steps: list[str] = []
        self.shares: list[float] = []
        self._hands: list[threading.Timer] = []

    def rest(self) -> None:
        """Wait until all that was told is done."""
        for hand in self._hands:
            hand.join()

    def step(self, name: str) -> None:
        self.steps.append(name)

    def progress(self, done: float) -> None:
        self.shares.append(done)

    def tell(self, text: str) -> None:
        self.told.append(text)

    def advise(self, text: str) -> None:
        self.told.append(text)
        on_board = self.board.board
        hand = on_board.press_reset if text == PRESS_EN else on_board.enter_loader_by_hand
        self._hands.append(threading.Timer(0.05, self.board.do, (hand,)))
        self._hands[-1].start()

    def tool_text(self, line: str) -> None:
        pass


@pytest.fixture(scope="module")
def application() -> Application:
    return build_application("esp32-devkitc")


@pytest.fixture
def job(application: Application) -> Job:
    image = image_of(Path("x.bin"), stand_in_image(version="v1.24.0 on 2024-10-25", app_bytes=4000), trust=True)
    return Job(ORDER, image, application, make_plan(image, ORDER, application))


@contextmanager
def board_at(folder: Path, chip: SimulatedChip) -> Iterator[BoardThread]:
    start = partial(ReportingNode.start, mac=MAC)
    with BoardThread(chip, folder / "ttyESP", application=start, plugged=False) as board:

        def plug() -> None:
            board.board.press_boot()
            board.board.plug()
            board.board.release_boot()

        board.do(plug)
        yield board


def flash(
    folder: Path, job: Job, chip: SimulatedChip, begins: Callable[[FlashResult], None] = lambda result: None
) -> tuple[FlashResult, Hands]:
    with board_at(folder, chip) as board:
        hands = Hands(board)
        settings = Settings(board.port, boot_wait_s=20, start_wait_s=20, with_bus=False, begins=begins)
        result = flash_node(job, settings, hands)
        hands.rest()
        return result, hands


def test_a_good_board_passes_and_holds_what_was_ordered(tmp_path: Path, job: Job) -> None:
    chip = SimulatedChip(mac=MAC)
    file = tmp_path / "r.gpresults"

    def begins(result: FlashResult) -> None:
        assert chip.memory.programmed_bytes == 0
        keep(result, file)
        past = past_of(file)  # as it stands if this computer dies now: the board may be T-1, and nobody else gets it
        assert (past.written_on("T-1"), past.done_on("T-1")) == ((MAC.hex(":"),), None)

    result, hands = flash(tmp_path, job, chip, begins)
    assert result.problem is None
    assert hands.steps == ["chip", "write", "verify", "start", "ask"]
    assert hands.shares == sorted(hands.shares)
    assert hands.shares[-1] == pytest.approx(1)
    assert (result.mac, result.flash_bytes, result.baud) == (MAC.hex(":"), 4 << 20, 921600)
    assert all(check.is_right for check in result.checks)
    assert bytes(chip.memory.content) == job.plan.whole_image()
    assert read_back(bytes(chip.memory.content)).files == dict(job.application.files)
    keep(result, file)
    assert past_of(file).done_on("T-1") == MAC.hex(":")


def test_a_cable_that_is_pulled_is_told_and_a_second_run_mends_it(tmp_path: Path, job: Job) -> None:
    chip = SimulatedChip(mac=MAC, faults=ChipFaults(unplug_after_bytes=40_000))
    result, _ = flash(tmp_path, job, chip)
    assert result.problem is not None
    assert result.problem.kind is Kind.CABLE
    assert result.is_written
    assert flash(tmp_path, job, chip)[0].problem is None


def test_a_check_that_fails_is_the_last_word_about_a_node_that_was_done_but_not_about_another(
    tmp_path: Path, job: Job
) -> None:
    chip = SimulatedChip(mac=MAC)
    chip.memory.content[:] = job.plan.whole_image()
    keyless = replace(job, order=replace(job.order, node_key=None))
    stranger = replace(job, order=replace(job.order, terminal="T-2"))
    with board_at(tmp_path, chip) as board:
        board.do(board.board.press_reset)
        settings, hands = Settings(board.port, start_wait_s=5, with_bus=False), Hands(board)
        right, wrong, other = (
            check_node(one, settings, hands, mac) for one, mac in ((job, ""), (keyless, ""), (stranger, "other"))
        )
    assert (right.problem, right.mac, right.is_written) == (None, MAC.hex(":"), True)
    assert (wrong.problem is not None, other.problem is not None) == (True, True)
    assert (wrong.is_written, other.is_written, other.mac) == (True, False, MAC.hex(":"))
    past = Past([right.record(), other.record()])
    assert past.done_on("T-1") == MAC.hex(":")
    past.add(wrong.record())
    assert (past.done_on("T-1"), past.written_on("T-1")) == (None, (MAC.hex(":"),))


def test_a_locked_chip_is_not_written(tmp_path: Path, job: Job) -> None:
    chip = SimulatedChip(mac=MAC, efuses=Efuses(MAC, flash_crypt_cnt=1))
    result, hands = flash(tmp_path, job, chip)
    assert result.problem is not None
    assert (result.problem.kind, result.is_written) == (Kind.LOCKED_CHIP, False)
    assert hands.told[-1] == PRESS_EN  # it may be a working node, and its lamp is dark until then
    assert result.security == "flash encryption on, secure boot off"
    assert chip.memory.programmed_bytes == 0


@pytest.mark.parametrize(
    ("efuses", "is_open"),
    [
        (Efuses(MAC), True),
        (Efuses(MAC, flash_crypt_cnt=0b11), True),
        (Efuses(MAC, flash_crypt_cnt=0b111), False),
        (Efuses(MAC, secure_boot_v1=True), False),
        (Efuses(MAC, secure_boot_v2=True), False),
    ],
)
def test_the_security_state_is_read_from_the_fuses(efuses: Efuses, is_open: bool) -> None:
    registers = efuses.registers(SimulatedChip().kind)
    block = b"".join(registers.get(0x3FF5A000 + 4 * number, 0).to_bytes(4, "little") for number in range(7))
    assert security_of(block).is_open is is_open


def test_half_a_block_of_fuses_is_no_answer() -> None:
    with pytest.raises(FlashProblem, match="12 of 28 bytes"):
        security_of(bytes(12))
