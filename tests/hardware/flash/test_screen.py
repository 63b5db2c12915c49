"""What is asked while a board is under way."""

from io import StringIO

import pytest
import typer
from rich.console import Console

from hardware.flash.esp_image import micropython_version
from hardware.flash.screen import TerminalShow


def test_a_question_is_asked_while_the_bar_stands_aside_and_the_bar_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    out = StringIO()
    show = TerminalShow(Console(file=out, force_terminal=True))
    drawn: list[int] = []

    def confirm(sentence: str, err: bool) -> bool:
        before = out.tell()
        watcher.progress(0.5)
        drawn.append(out.tell() - before)
        return sentence == "again?"

    monkeypatch.setattr(typer, "confirm", confirm)
    with show.watcher() as watcher:
        watcher.step("chip")
        assert show.ask("again?")
        assert not show.ask("no?")
        asked = out.tell()
        watcher.step("write")
    assert drawn == [0, 0]
    assert "writing" in out.getvalue()[asked:]


def test_ctrl_c_at_a_question_stops_the_try(monkeypatch: pytest.MonkeyPatch) -> None:
    def confirm(sentence: str, err: bool) -> bool:
        raise typer.Abort

    monkeypatch.setattr(typer, "confirm", confirm)
    show = TerminalShow(Console(file=StringIO()))
    with show.watcher(), pytest.raises(KeyboardInterrupt):
        show.ask("again?")


@pytest.mark.parametrize(
    ("said", "version"),
    [(b"v1.24.0 on 2024-10-25", "1.24.0"), (b"v1.19 on 2022-06-18", "1.19.0"), (b"no version", None)],
)
def test_the_version_is_the_one_that_the_node_will_tell(said: bytes, version: str | None) -> None:
    assert micropython_version(b"\0" + said + b"\0") == version
