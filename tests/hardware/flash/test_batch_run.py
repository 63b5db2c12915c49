"""What is kept of a board, and what counts of it later."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from hardware.flash import batch_run
from hardware.flash.batch import Tally
from hardware.flash.orders import Job
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import FlashResult, held, past_of
from hardware.flash.session import Settings, Watcher
from tests.hardware.flash.test_batch import A, book


class Unseen:
    """A show that nobody looks at."""

    def watcher(self) -> AbstractContextManager[Watcher]:
        return nullcontext()  # type: ignore[arg-type]

    def next_board(self, job: Job, still_open: int) -> None:
        pass

    def result(self, result: FlashResult) -> None:
        pass

    def tally(self, tally: Tally, still_open: int) -> None:
        pass

    def end(self, tally: Tally, still_open: tuple[str, ...], file: Path) -> None:
        pass


def tried(problem: FlashProblem, *, written: bool) -> FlashResult:
    rest = ("", 1.0, "", "", "0.1.0", "none", (), {})
    return FlashResult("1", "esp32-devkitc", problem, A, "ESP32", 4 << 20, "", "p", 0, written, *rest)


@pytest.mark.parametrize("kind", [Kind.NO_PORT, Kind.PORT_TAKEN, Kind.TOOL])
@pytest.mark.parametrize("written", [True, False])
def test_a_board_whose_port_is_lost_after_writing_began_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Kind, written: bool
) -> None:
    result = tried(FlashProblem(kind, "what", "mend"), written=written)
    monkeypatch.setattr(batch_run, "flash_node", lambda job, settings, watcher: result)
    file = tmp_path / "r.gpresults"
    batch_run.run_one(book("1").job("1"), Settings("p"), past_of(file), file, Unseen())
    assert past_of(file).written_on("1") == ((A,) if written else ())


def test_two_that_flash_from_one_results_file_are_not_let_in(tmp_path: Path) -> None:
    file = tmp_path / "r.gpresults"
    with held(file), pytest.raises(FlashProblem, match="the same orders"), held(file):
        pass
    with held(file):
        pass
