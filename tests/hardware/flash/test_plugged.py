"""Waiting for a board: what is there already, what comes, and what comes again."""

from pathlib import Path

import pytest

from hardware.flash import plugged
from hardware.flash.plugged import Plugged
from hardware.flash.ports import FoundPort


def test_a_port_that_was_left_alone_is_taken_once_it_is_plugged_in_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old, board = tmp_path / "ttyUSB0", tmp_path / "ttyUSB1"
    old.touch()
    board.touch()
    monkeypatch.setattr(plugged, "usb_ports", lambda: [FoundPort(str(one), "") for one in (old, board) if one.exists()])
    steps = iter((board.unlink, board.touch))

    def wait(seconds: float) -> None:
        step = next(steps, None)
        if step is not None:
            step()

    waiting = Plugged(wait=wait)
    waiting.leave_alone()
    assert waiting.next_port() == str(board)
