"""Boards that must not pass: wrong chips, false or worn flashes, locks, bad lines, and the wrong node at the other end.

Each try is one thing that is wrong. `told_rightly` counts those that were named for what they are (by the kind of the
problem, or by what the technician was advised); `mended` second runs after the mend that was told - another board,
another cable, the port let go - which pass with every piece in the flash. Survived is both. Wrong is what passed, or
was named something else; lost is what the mend did not mend; `amiss` names both. The control is a script that believes
esptool's exit code, and counts as wrong each board that it calls done and that does not run as ordered.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.flash.esptool_words import HOLD_BOOT
from hardware.flash.problem import Kind
from hardware.rig.esp32.chip import MEBIBYTE
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.in_thread import BoardThread
from tests.faults._cases import Row
from tests.faults._flash_world import BOARD, MAC, OTHER_BOARD, Board, Run, believe, flash, holds, job, plugged_in, works
from tests.faults._progress import OnProgress

_NOISE, _NOISES = (Kind.LINE, Kind.SILENT), 3
_SLOW = 230_400
_SOMEBODY_ELSE = bytes.fromhex("240ac4999999")
_IN_THE_APP, _IN_THE_FILES = 0x14321, 0x200008


@dataclass(frozen=True, slots=True)
class Wrong:
    """One thing that is wrong: which problems name it rightly; what mends it.

    `board` makes the board; without `kinds` the run has to pass, and be as `passes` says. `mend` changes the board
    itself, without it the second run has a good one. `built_for` another board is a kit that was mixed up.
    """

    name: str
    board: Callable[[], Board]
    kinds: tuple[Kind, ...] = ()
    passes: Callable[[Run], bool] = field(default=lambda run: False)
    mend: Callable[[BoardThread], None] | None = None
    prepare: Callable[[BoardThread], None] = field(default=lambda board: None)
    built_for: str = BOARD


def _chip(kind: str) -> Callable[[], Board]:
    return lambda: Board(kind=kind)


def _with(**faults: object) -> Callable[[], Board]:
    return lambda: Board(faults=ChipFaults(**faults))  # type: ignore[arg-type]


def _fuses(**fuses: object) -> Callable[[], Board]:
    return lambda: Board(efuses=Efuses(MAC, **fuses))  # type: ignore[arg-type]


def _better_cable(board: BoardThread) -> None:
    """Another cable, and the chip reset as by plugging it in again."""
    board.chip.faults.line_error_rate = 0.0
    board.chip.faults.serial_receive_dead = False
    board.do(board.board.press_reset)


WRONGS = (
    Wrong("esp32s3", _chip("esp32s3"), (Kind.WRONG_CHIP,)),
    Wrong("esp32c3", _chip("esp32c3"), (Kind.WRONG_CHIP,)),
    Wrong("esp32s2", _chip("esp32s2"), (Kind.WRONG_CHIP,)),
    Wrong("esp32c6", _chip("esp32c6"), (Kind.WRONG_CHIP,)),
    Wrong("2 MB flash", lambda: Board(flash_bytes=2 * MEBIBYTE), (Kind.SMALL_FLASH,)),
    Wrong("2 MB flash that states 4", _with(real_flash_bytes=2 * MEBIBYTE), (Kind.SMALL_FLASH,)),
    Wrong("1 MB flash that states 4", _with(real_flash_bytes=MEBIBYTE), (Kind.SMALL_FLASH, Kind.BAD_FLASH)),
    Wrong("flash encryption", _fuses(flash_crypt_cnt=1), (Kind.LOCKED_CHIP,)),
    Wrong("secure boot v1", _fuses(secure_boot_v1=True), (Kind.LOCKED_CHIP,)),
    Wrong("secure boot v2", _fuses(secure_boot_v2=True), (Kind.LOCKED_CHIP,)),
    *(
        Wrong(
            f"noise {rate} on the line, {seed}", _with(line_error_rate=rate, line_seed=seed), _NOISE, mend=_better_cable
        )
        for rate in (3e-5, 1e-4, 1e-3)
        for seed in range(_NOISES)
    ),
    Wrong("a cable for 230400 baud", _with(max_baud=_SLOW), passes=lambda run: run.result.baud == _SLOW),
    Wrong(
        "a dead wire to RX",
        _with(serial_receive_dead=True),
        (Kind.SILENT,),
        prepare=lambda board: board.do(board.board.enter_loader_by_hand),
        mend=_better_cable,
    ),
    Wrong("bad cells below MicroPython", _with(bad_cells=frozenset({_IN_THE_APP})), (Kind.BAD_FLASH,)),
    Wrong("bad cells below the files", _with(bad_cells=frozenset({_IN_THE_FILES})), (Kind.BAD_FLASH,)),
    Wrong("a flash that dies", _with(flash_dies_after_bytes=40_000), (Kind.BAD_FLASH,)),
    Wrong("a chip that hangs", _with(chip_hangs_after_bytes=40_000), (Kind.LINE, Kind.SILENT)),
    Wrong(
        "a port that is held",
        Board,
        (Kind.PORT_TAKEN,),
        prepare=lambda board: board.do(board.end.hold),
        mend=lambda board: board.do(board.end.let_go),
    ),
    Wrong(
        "a ROM that is silent without BOOT",
        lambda: Board(faults=ChipFaults(rom_silent=True), attended=False),
        passes=lambda run: HOLD_BOOT in run.advice,
    ),
    Wrong("a dead button", lambda: Board(faults=ChipFaults(boot_dead=True), attended=False), (Kind.SILENT,)),
    Wrong("firmware of another board", Board, (Kind.NODE,), built_for=OTHER_BOARD),
    Wrong("another node at the port", lambda: Board(answers_as=_SOMEBODY_ELSE), (Kind.NODE,)),
    Wrong("a node that stays dumb", lambda: Board(starts_nothing=True), (Kind.NOT_STARTED,)),
)


def wrong_target(on_progress: OnProgress, wrongs: tuple[Wrong, ...] = WRONGS) -> Row:
    """The case."""
    told, mended, survived, amiss = 0, 0, 0, []
    for number, wrong in enumerate(wrongs):
        on_progress(number, len(wrongs))
        is_told, is_mended, said = _try(wrong)
        told += is_told
        mended += is_mended
        survived += is_told and is_mended
        if not (is_told and is_mended):
            amiss.append(f"{wrong.name} ({said})")
    on_progress(len(wrongs), len(wrongs))
    return _row(
        "flash/wrong-target", len(wrongs), survived, len(wrongs) - mended, len(wrongs) - told, told, mended, amiss
    )


def believing(on_progress: OnProgress, wrongs: tuple[Wrong, ...] = WRONGS) -> Row:
    """The control: it never says what is wrong, and what it calls done is believed."""
    passed_wrongly, amiss = 0, []
    for number, wrong in enumerate(wrongs):
        on_progress(number, len(wrongs))
        with plugged_in(wrong.board()) as board:
            wrong.prepare(board)
            says_done = believe(job(built_for=wrong.built_for), board, looks_at_exit_code=True)
            if says_done and not (_runs_as_ordered(wrong) and works(job(), board)):
                passed_wrongly += 1
                amiss.append(wrong.name)
    on_progress(len(wrongs), len(wrongs))
    survived = len(wrongs) - passed_wrongly
    return _row("flash/wrong-target-control", len(wrongs), survived, 0, passed_wrongly, 0, 0, amiss)


def _runs_as_ordered(wrong: Wrong) -> bool:
    board = wrong.board()
    return not board.starts_nothing and board.answers_as == MAC and wrong.built_for == BOARD


def _try(wrong: Wrong) -> tuple[bool, bool, str]:
    """Whether it was told rightly, whether the mend mended it, and what was told."""
    work = job(built_for=wrong.built_for)
    with plugged_in(wrong.board()) as board:
        wrong.prepare(board)
        first = flash(work, board)
        is_told = _is_told(wrong, first, holds(board.chip, work))
        said = "passed" if first.result.problem is None else f"told {first.result.problem.kind}"
        if not wrong.kinds:
            return is_told, first.result.is_passed and works(work, board), said
        if wrong.mend is not None:
            wrong.mend(board)
            return is_told, flash(job(), board).result.is_passed and works(job(), board), said
    with plugged_in(Board()) as board:
        return is_told, flash(job(), board).result.is_passed and works(job(), board), said


def _is_told(wrong: Wrong, run: Run, is_whole: bool) -> bool:
    """A line with little noise may also pass by trying again, if everything is there afterwards."""
    problem = run.result.problem
    if problem is None:
        if not wrong.kinds:
            return wrong.passes(run)
        return Kind.LINE in wrong.kinds and wrong.mend is not None and is_whole
    return problem.kind in wrong.kinds


def _row(case: str, tried: int, survived: int, lost: int, wrong: int, told: int, mended: int, amiss: list[str]) -> Row:
    row: Row = {"case": case, "tried": tried, "survived": survived, "lost": lost, "duplicated": 0, "wrong": wrong}
    row |= {"told_rightly": told, "mended": mended}
    return row | ({"amiss": ", ".join(amiss)} if amiss else {})


CASES = {"flash/wrong-target": wrong_target, "flash/wrong-target-control": believing}
