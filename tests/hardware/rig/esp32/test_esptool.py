"""The real esptool, as a program, against the simulated chip. Each run costs about a second: few, and telling ones."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from hardware.rig.esp32.chip import Loader, SimulatedChip
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.in_thread import BoardThread
from hardware.rig.esp32.stand_in_image import APP_OFFSET, IMAGE_OFFSET, stand_in_image

MAC = bytes.fromhex("240ac4010203")


def run(board: BoardThread, *words: str, program: str = "esptool") -> "subprocess.CompletedProcess[str]":
    """The program on a board that a hand has brought into its loader."""
    board.do(board.board.enter_loader_by_hand)
    return subprocess.run(
        [sys.executable, "-m", program, "--port", board.port, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.bin"
    path.write_bytes(stand_in_image(app_bytes=60_000))
    return path


@pytest.mark.parametrize("ways", [("--baud", "921600"), ("--no-stub",)])
def test_a_written_image_is_in_the_flash_and_starts(tmp_path, image, ways):
    chip = SimulatedChip()
    with BoardThread(chip, tmp_path / "port") as board:
        done = run(board, *ways, "write-flash", hex(IMAGE_OFFSET), str(image))
        assert "Hash of data verified" in done.stdout, done.stdout + done.stderr
        assert chip.stub_starts == (0 if "--no-stub" in ways else 1)
        board.do(board.board.press_reset)
        assert board.do(lambda: board.board.starts) == 1
    content = image.read_bytes()
    assert bytes(chip.memory.content[IMAGE_OFFSET : IMAGE_OFFSET + len(content)]) == content
    assert set(chip.memory.content[:IMAGE_OFFSET]) == {0xFF}


def test_esptool_reads_what_is_there(tmp_path, image):
    flash = bytearray(b"\xff" * IMAGE_OFFSET + image.read_bytes()).ljust(4 << 20, b"\xff")
    with BoardThread(SimulatedChip(flash=flash), tmp_path / "port") as board:
        run(board, "--baud", "921600", "read-flash", "0x8000", "0x9000", str(tmp_path / "out"))
        assert (tmp_path / "out").read_bytes() == flash[0x8000:0x11000]


def test_both_images_are_sound_to_esptool(tmp_path, image):
    app = tmp_path / "app.bin"
    app.write_bytes(image.read_bytes()[APP_OFFSET - IMAGE_OFFSET :])
    for path, words in (
        (image, ["Bootloader version: 1"]),
        (app, ["ESP-IDF: v5.2.2"]),
    ):
        told = subprocess.run(
            [sys.executable, "-m", "esptool", "image-info", str(path)], capture_output=True, text=True, check=True
        ).stdout
        assert told.count("(valid)") == 2, told
        assert all(word in told for word in words), told


def test_espefuse_reads_the_fuses(tmp_path):
    chip = SimulatedChip(efuses=Efuses(MAC, flash_crypt_cnt=1, secure_boot_v2=True))
    with BoardThread(chip, tmp_path / "port") as board:
        told = run(board, "summary", "--format", "json", program="espefuse").stdout
    fuses = json.loads(told[told.index("{") : told.rindex("}") + 1])
    assert fuses["MAC"]["value"] == "24:0a:c4:01:02:03 (CRC 0x38 OK)"
    assert fuses["FLASH_CRYPT_CNT"]["value"] == 1
    assert (fuses["ABS_DONE_0"]["value"], fuses["ABS_DONE_1"]["value"]) == (False, True)
    assert (fuses["WAFER_VERSION_MAJOR"]["value"], fuses["WAFER_VERSION_MINOR"]["value"]) == (3, 1)


@pytest.mark.parametrize("kind", ["esp32s3", "esp32c3", "esp32s2"])
def test_other_chips_are_known_for_what_they_are(tmp_path, kind):
    with BoardThread(SimulatedChip(kind), tmp_path / "port") as board:
        told = run(board, "--chip", "esp32", "read-mac")
    assert told.returncode != 0
    assert f"This chip is ESP32-{kind[5:].upper()}, not ESP32" in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (ChipFaults(bad_cells=frozenset({0x12345})), "MD5 of file does not match"),
        (ChipFaults(flash_dies_after_bytes=30_000), "Write failed, the written flash region is empty"),
    ],
)
def test_a_bad_flash_does_not_pass_esptool(tmp_path, image, faults, told):
    with BoardThread(SimulatedChip(faults=faults), tmp_path / "port") as board:
        done = run(board, "write-flash", hex(IMAGE_OFFSET), str(image))
    assert done.returncode != 0
    assert told in done.stdout + done.stderr


def test_a_port_of_another_program_is_locked(tmp_path):
    with BoardThread(SimulatedChip(), tmp_path / "port") as board:
        board.do(board.end.hold)
        done = run(board, "read-mac")
        assert "Could not exclusively lock port" in done.stdout + done.stderr
        board.do(board.end.let_go)
        serial.serial_for_url(board.port, exclusive=True).close()


@pytest.mark.filterwarnings("ignore:set:DeprecationWarning")  # pyserial's own, of its thread
def test_over_rfc2217_the_modem_lines_enter_the_loader(tmp_path):
    chip = SimulatedChip()
    with BoardThread(chip, "rfc2217") as board:
        line = serial.serial_for_url(board.port, 115200, timeout=1)
        line.dtr, line.rts = False, True
        line.dtr = True
        line.rts = False
        assert chip.loader is Loader.ROM
        line.reset_input_buffer()
        line.write(b"\xc0\x00\x08\x24\x00\x00\x00\x00\x00\x07\x07\x12\x20" + 32 * b"\x55" + b"\xc0")
        assert line.read(14).startswith(b"\xc0\x01\x08")
        line.close()


def test_a_pulled_cable_takes_the_port_away_and_brings_it_back(tmp_path):
    for reach in (tmp_path / "port", "socket"):
        with BoardThread(SimulatedChip(), reach) as board:
            line = serial.serial_for_url(board.port, 115200, timeout=0)
            board.do(board.board.unplug)
            with pytest.raises((serial.SerialException, OSError)):
                line.read(1)
            with pytest.raises((serial.SerialException, OSError)):
                serial.serial_for_url(board.port)
            line.close()
            board.do(board.board.plug)
            serial.serial_for_url(board.port).close()


def test_what_stands_where_the_link_should_be_is_not_thrown_away(tmp_path):
    place = tmp_path / "precious"
    place.write_text("mine")
    with pytest.raises(FileExistsError), BoardThread(SimulatedChip(), place):
        pass
    assert place.read_text() == "mine"
