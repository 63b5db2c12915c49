"""The terminal shows what programs write to it, the capture runs them, the picture holds what they showed."""

import sys
import xml.etree.ElementTree as ElementTree

import pytest

from tests.screens.capture import CaptureError, capture
from tests.screens.picture import picture
from tests.screens.terminal import Terminal


def shown(*pieces: bytes, columns: int = 20, lines: int = 5) -> str:
    terminal = Terminal(columns, lines)
    for piece in pieces:
        terminal.feed(piece)
    return terminal.text()


def test_a_progress_bar_that_draws_itself_anew_leaves_its_last_state():
    assert shown(b"10 %\r50 %\r\x1b[2K99 %\r\ndone\r\n") == "99 %\ndone"
    assert shown(b"one\r\ntwo\r\n\x1b[1A\x1b[2Knew\r\n") == "one\nnew"


def test_sequences_and_characters_may_be_cut_anywhere():
    whole = "\x1b[1;31mröt\x1b[0m \x1b[38;2;1;2;3m路灯杆\x1b[0m".encode()
    assert shown(whole) == "röt 路灯杆"
    assert shown(*(whole[at : at + 1] for at in range(len(whole)))) == "röt 路灯杆"


def test_long_lines_go_on_below_and_what_is_erased_is_gone():
    assert shown(b"abcdefgh", columns=5) == "abcde\nfgh"
    assert shown(b"abcdef\r\x1b[3C\x1b[K") == "abc"
    assert shown(b"a\r\nb\r\nc\x1b[2A\x1b[J") == "a"


def test_what_scrolled_off_the_window_stays_and_cannot_be_reached_by_the_cursor():
    text = shown(b"".join(b"%d\r\n" % number for number in range(8)) + b"\x1b[99Ax", lines=3)
    assert text.split("\n") == ["0", "1", "2", "3", "4", "5", "x", "7"]


def test_colours_are_kept():
    terminal = Terminal(20, 5)
    terminal.feed(b"\x1b[1;32mok\x1b[0m \x1b[48;5;196mno\x1b[m")
    (row,) = terminal.shown()
    assert (row[0][1].colour, row[0][1].bold) == ("green", True)
    assert row[3][1].ground == "#ff0000"
    assert row[2][1].colour is None


def test_a_command_is_run_in_a_terminal_of_its_size_and_shown():
    told = "print(os.isatty(1), os.get_terminal_size().columns); print('\\x1b[31m<red>')"
    code = f"import os; {told}; raise SystemExit(3)"
    terminal, status = capture([sys.executable, "-c", code], columns=77, timeout_s=30)
    assert terminal.text() == "True 77\n<red>"
    assert status == 3
    text = picture(terminal, "python & co")
    root = ElementTree.fromstring(text)
    texts = ["".join(one.itertext()) for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["$ python & co", "True 77", "<red>"]


def test_keys_are_typed_and_a_command_that_does_not_end_is_ended():
    terminal, _ = capture([sys.executable, "-c", "print(input('name: '))"], keys=b"pole\n", timeout_s=30)
    assert terminal.text().split("\n")[-1] == "name: pole"
    with pytest.raises(CaptureError, match=r"did not end within 0\.5 s"):
        capture([sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.5)
    with pytest.raises(CaptureError, match="cannot be run"):
        capture(["/no/such/program"])
