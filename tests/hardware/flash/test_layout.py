"""The whole flash: what is laid out is what is found again, and what MicroPython would mount."""

from pathlib import Path

import pytest
from littlefs import LittleFS, LittleFSError, UserContext

from hardware.flash.application import Application
from hardware.flash.file_system import littlefs_image, node_files, read_littlefs
from hardware.flash.identity import KEY, NAMESPACE, factory_bytes
from hardware.flash.images import FirmwareImage, image_of
from hardware.flash.layout import FLASH_BYTES, FlashPlan, make_plan, read_back
from hardware.flash.node_file import NodeOrder
from hardware.flash.problem import FlashProblem, Kind
from hardware.rig.esp32.stand_in_image import LAYOUTS, stand_in_image

FILES = {"boot.py": b"import node", "start/node/a.mpy": bytes(5000), "slot_a/node/b.mpy": b"M" * 128, "slot_a/x": b""}
APPLICATION = Application((0, 1, 0), "esp32-devkitc", FILES)
ORDER = NodeOrder("T-1", "esp32-devkitc", table=b"GPT1" + bytes(900), node_key=bytes(32), update_key=bytes(384))


def image(layout: str) -> FirmwareImage:
    return image_of(Path(f"{layout}.bin"), stand_in_image(layout), trust=True)


def plan(layout: str) -> FlashPlan:
    return make_plan(image(layout), ORDER, APPLICATION)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_laid_out_is_what_is_found(layout: str) -> None:
    whole = plan(layout).whole_image()
    assert len(whole) == FLASH_BYTES
    found = read_back(whole)
    assert [(row.label, row.offset) for row in found.table] == [(row[0], row[3]) for row in LAYOUTS[layout]]
    assert found.files == {**FILES, "node.tab": ORDER.table, "update.key": ORDER.update_key}
    assert found.nvs == {(NAMESPACE, KEY): factory_bytes(ORDER)}
    assert (found.bootloader.chip, found.app.chip) == ("ESP32", "ESP32")
    assert whole == plan(layout).whole_image()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_byte_of_the_image_but_its_blanks_is_in_the_flash(layout: str) -> None:
    whole, content = plan(layout).whole_image(), stand_in_image(layout)
    assert whole[0x1000:0x9000] == content[:0x8000]
    assert whole[0x10000 : 0x1000 + len(content)] == content[0xF000:]
    blank = 0xD000 if layout == "ota" else 0xF000
    assert whole[blank:0x10000] == b"\xff" * (0x10000 - blank)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("real", [1 << 20, 2 << 20])
def test_a_flash_that_wraps_round_cannot_hold_it(layout: str, real: int) -> None:
    small = bytearray(b"\xff" * real)
    pieces = plan(layout).pieces
    for piece in pieces:
        for at in range(0, len(piece.content), 4096):
            part = piece.content[at : at + 4096]
            start = (piece.offset + at) % real
            small[start : start + len(part)] = part
    bootloader = pieces[0]
    assert small[bootloader.offset : bootloader.end] != bootloader.content


def test_a_smaller_flash_is_refused() -> None:
    with pytest.raises(FlashProblem, match="needs 4 MB of flash, not 2 MB") as refused:
        plan("plain").whole_image(2 << 20)
    assert refused.value.kind is Kind.SMALL_FLASH


def test_a_table_without_a_file_system_is_told() -> None:
    content = bytearray(stand_in_image())
    at = content.index(b"vfs\0")
    content[at : at + 3] = b"sfv"
    with pytest.raises(FlashProblem, match="MD5"):
        make_plan(FirmwareImage(Path("x"), bytes(content), 0x1000, "1.24.0", "x", True), ORDER, APPLICATION)


def test_littlefs_is_as_micropython_makes_it() -> None:
    made = littlefs_image(node_files(ORDER, APPLICATION), 0xF0000)
    same = {"block_size": 4096, "block_count": 240, "read_size": 32, "prog_size": 32, "cache_size": 128}
    disk = LittleFS(UserContext(buffer=bytearray(made)), mount=False, lookahead_size=32, block_cycles=100, **same)
    disk.mount()
    told = disk.fs_stat()
    assert (told.disk_version, told.name_max, told.block_count) == (0x00020001, 255, 240)
    with disk.open("new", "wb") as file:
        file.write(b"x" * 3000)
    disk.unmount()
    assert read_littlefs(bytes(disk.context.buffer))["new"] == b"x" * 3000


def test_more_files_than_fit_are_told() -> None:
    with pytest.raises(FlashProblem, match="do not fit"):
        littlefs_image({"big": bytes(600 * 1024)}, 512 * 1024)


def test_a_damaged_file_system_is_told_and_not_formatted() -> None:
    with pytest.raises(FlashProblem, match="cannot be read"):
        read_littlefs(b"\xff" * 0x80000)
    with pytest.raises(LittleFSError):
        LittleFS(UserContext(0x80000), mount=False, block_size=4096, block_count=128).mount()
