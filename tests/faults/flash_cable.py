"""The cable is pulled at each tenth of the way, with the stub and without, and between writing and asking.

How long the way is, in bytes from the host, a run without fault tells first. A try is one board: its cable is pulled
once, put in again, and the board is flashed a second time. `told_rightly` counts first runs that said the connection
broke; `mended` second runs that passed, with every piece in the flash and the chip starting from it; survived is both.
Lost is what a second run did not mend, wrong a first run that passed or told another thing; `amiss` names both. The
control flashes each board once by a plain script that does not look at the exit code.
"""

from dataclasses import dataclass, field

from hardware.flash.problem import Kind
from tests.faults._cases import Row
from tests.faults._flash_world import Board, believe, flash, holds, job, plugged_in, works
from tests.faults._progress import OnProgress

TENTHS = 10
_WAYS = ((True, "plain"), (False, "ota"))
_RIGHT_WORDS = (Kind.CABLE,)


@dataclass(slots=True)
class Count:
    """What came of all tries."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    told_rightly: int = 0
    mended: int = 0
    amiss: list[str] = field(default_factory=list)


def cable(on_progress: OnProgress, tenths: tuple[int, ...] = tuple(range(TENTHS)), ways: int = len(_WAYS)) -> Row:
    """The case; `tenths` and `ways` are its dose."""
    count = Count()
    number, tries = 0, ways * (len(tenths) + 1)
    for use_stub, layout in _WAYS[:ways]:
        length = _length_of_way(layout, use_stub)
        for tenth in tenths:
            on_progress(number, tries)
            _try(count, layout, use_stub, max(1, length * tenth // TENTHS), length)
            number += 1
        on_progress(number, tries)
        _try(count, layout, use_stub, None, length)
        number += 1
    on_progress(tries, tries)
    return _row("flash/cable", count)


def no_look(on_progress: OnProgress, tenths: tuple[int, ...] = tuple(range(1, TENTHS))) -> Row:
    """The control."""
    count = Count()
    work = job("plain")
    with plugged_in(Board()) as board:
        believe(work, board, looks_at_exit_code=False)
        length = board.do(lambda: board.board.host_bytes)
    for number, tenth in enumerate(tenths):
        on_progress(number, len(tenths))
        with plugged_in(Board()) as board:
            board.chip.faults.unplug_after_bytes = length * tenth // TENTHS
            says_done = believe(work, board, looks_at_exit_code=False)
            board.do(board.board.plug)
            is_right = works(work, board)
        count.tried += 1
        count.survived += is_right
        count.lost += not is_right
        count.wrong += says_done and not is_right
    on_progress(len(tenths), len(tenths))
    return _row("flash/cable-control", count)


def _try(count: Count, layout: str, use_stub: bool, pull_after: int | None, length: int) -> None:
    """One board; None pulls at the question to the node."""
    work = job(layout)
    with plugged_in(Board()) as board:
        faults = board.chip.faults
        if pull_after is None:
            faults.unplug_at_question = True
        else:
            faults.unplug_after_bytes = pull_after
        first = flash(work, board, use_stub=use_stub).result
        faults.unplug_after_bytes, faults.unplug_at_question = None, False
        board.do(board.board.plug)
        second = flash(work, board, use_stub=use_stub).result
        is_mended = second.is_passed and works(work, board)
    is_told = first.problem is not None and first.problem.kind in _RIGHT_WORDS
    count.tried += 1
    count.told_rightly += is_told
    count.mended += is_mended
    count.survived += is_told and is_mended
    count.lost += not is_mended
    count.wrong += not is_told
    if not (is_told and is_mended):
        place = "at the question" if pull_after is None else f"after {pull_after} of {length} bytes"
        told = "passed" if first.problem is None else f"told {first.problem.kind}"
        count.amiss.append(f"{'stub' if use_stub else 'no stub'}, {place}: {told}")


def _length_of_way(layout: str, use_stub: bool) -> int:
    work = job(layout)
    with plugged_in(Board()) as board:
        run = flash(work, board, use_stub=use_stub)
        if not run.result.is_passed or not holds(board.chip, work):
            raise RuntimeError(f"a board without any fault did not pass: {run.result.problem}")
        return run.host_bytes


def _row(case: str, count: Count) -> Row:
    row: Row = {
        "case": case,
        "tried": count.tried,
        "survived": count.survived,
        "lost": count.lost,
        "duplicated": count.duplicated,
        "wrong": count.wrong,
        "told_rightly": count.told_rightly,
        "mended": count.mended,
    }
    return row | ({"amiss": "; ".join(count.amiss)} if count.amiss else {})


CASES = {"flash/cable": cable, "flash/cable-control": no_look}
