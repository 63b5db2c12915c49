"""`gatepost flash` as it is typed, up to where a board would be needed."""

import json
from pathlib import Path

import pytest

from gateway_agent.cli import main
from hardware.flash.layout import read_back
from hardware.flash.plugged import Plugged
from hardware.rig.esp32.stand_in_image import stand_in_image

EXAMPLE = str(Path(__file__).parents[3] / "hardware/nodes/example.toml")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["flash", *words])
    code = left.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def image(tmp_path: Path) -> str:
    path = tmp_path / "image.bin"
    path.write_bytes(stand_in_image("ota"))
    return str(path)


def test_image_only_writes_a_whole_flash_that_only_its_owner_reads(
    tmp_path: Path, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "whole.bin"
    words = ("--image-only", str(target), "--firmware", image, "--trust", "--node", EXAMPLE, "--board", "esp32-devkitc")
    assert run(*words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["terminal"], told["bytes"]) == ("110108-0004711", 4 << 20)
    assert target.stat().st_mode & 0o077 == 0
    found = read_back(target.read_bytes())
    assert {"boot.py", "main.py", "node.tab", "slot_a/manifest.bin"} <= found.files.keys()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "--node FILE, or --kit FILE"),
        (("--node", EXAMPLE), 2, "--firmware FILE or --firmware FOLDER"),
        (("--node", EXAMPLE, "--batch", "--check"), 2, "give one of them"),
        (("--node", EXAMPLE, "--baud", "5"), 2, "--baud is 9600 to"),
        (("--node", EXAMPLE, "--firmware", "IMAGE"), 1, "--trust"),
        (("--node", EXAMPLE, "--firmware", "nowhere.bin"), 1, "there is no file nowhere.bin"),
        (("--node", EXAMPLE, "--firmware", "IMAGE", "--trust", "--terminal", "110108-0004712"), 1, "did you mean"),
        (("--node", "FOLDER", "--firmware", "IMAGE", "--trust"), 1, "has no node files"),
        (("--kit", "IMAGE"), 1, "is no gatepost-kit"),
        (("--node", EXAMPLE, "--firmware", "IMAGE", "--trust", "--port", "/dev/none"), 1, "no port /dev/none"),
    ],
)
def test_what_is_missing_or_wrong_is_said(
    tmp_path: Path, image: str, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, told: str
) -> None:
    names = {"IMAGE": image, "FOLDER": str(tmp_path)}
    results = ("--results", str(tmp_path / "r.gpresults"))
    assert run(*(names.get(word, word) for word in words), *results) == code
    said = capsys.readouterr()
    assert told in " ".join((said.out + said.err).replace("│", " ").split())


def test_a_board_is_next_only_when_it_was_plugged_in_anew(tmp_path: Path) -> None:
    link = tmp_path / "ttyUSB0"
    waits = 0

    def wait(seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            link.symlink_to("/dev/null")
        if waits == 6:
            link.unlink()
            link.symlink_to("/dev/zero")

    plugged = Plugged(str(link), wait)
    assert plugged.next_port() == str(link)
    assert waits == 3
    assert plugged.next_port() == str(link)
    assert waits > 6
