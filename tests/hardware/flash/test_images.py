"""MicroPython images: which are taken, and what is said of the others."""

import os
from pathlib import Path

import pytest

from hardware.flash import partition_table
from hardware.flash.esp_image import micropython_version, parse_image
from hardware.flash.images import find_image, image_of, known_images
from hardware.flash.problem import FlashProblem
from hardware.rig.esp32.stand_in_image import LAYOUTS, stand_in_image

IMAGES = os.environ.get("GATEPOST_FIRMWARE_IMAGES")


def test_an_image_of_unknown_digest_needs_trust(tmp_path: Path) -> None:
    path = tmp_path / "new.bin"
    path.write_bytes(stand_in_image())
    with pytest.raises(FlashProblem, match=r"is unknown \(SHA-256 [0-9a-f]{64}\).*--trust"):
        find_image(path)
    image = find_image(path, trust=True)
    assert (image.is_known, image.offset, image.content) == (False, 0x1000, path.read_bytes())


def test_a_known_name_with_another_content_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / known_images()[0].file
    path.write_bytes(stand_in_image())
    with pytest.raises(FlashProblem, match="is not the MicroPython"):
        find_image(path)


def test_a_folder_without_a_known_image_says_which_to_get(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(stand_in_image())
    with pytest.raises(FlashProblem, match=known_images()[0].file):
        find_image(tmp_path)
    assert find_image(tmp_path, trust=True).path == tmp_path / "a.bin"
    (tmp_path / "b.bin").write_bytes(stand_in_image(layout="ota"))
    with pytest.raises(FlashProblem, match="2 unknown images"):
        find_image(tmp_path, trust=True)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda whole: whole[:3000], "cut short"),
        (lambda whole: whole[:5] + bytes([whole[5] ^ 1]) + whole[6:], "checksum is wrong|SHA-256 is wrong"),
        (lambda whole: b"MZ" + whole[2:], "does not begin as one"),
        (lambda whole: whole[:0x7000], "holds no partition table"),
        (lambda whole: whole[:0x7004] + b"\x99" + whole[0x7005:], "MD5 is not that of its rows"),
    ],
)
def test_a_spoilt_image_is_not_taken(spoil: object, told: str) -> None:
    with pytest.raises(FlashProblem, match=told):
        image_of(Path("spoilt.bin"), spoil(stand_in_image()), trust=True)  # type: ignore[operator]


def test_an_image_for_another_chip_is_not_taken() -> None:
    with pytest.raises(FlashProblem, match="is for the ESP32-S3"):
        image_of(Path("s3.bin"), stand_in_image(chip_id=9), trust=True)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_table_of_an_image_is_read_row_by_row(layout: str) -> None:
    table = partition_table.parse_table(stand_in_image(layout)[0x7000:0x8000])
    assert [(row.label, row.kind, row.subtype, row.offset, row.size) for row in table] == list(LAYOUTS[layout])


@pytest.mark.skipif(IMAGES is None, reason="GATEPOST_FIRMWARE_IMAGES names no folder with the official images")
def test_the_official_images_are_what_the_list_says() -> None:
    for known in known_images():
        image = find_image(Path(str(IMAGES), known.file))
        assert (image.is_known, image.version) == (True, known.micropython)
        assert micropython_version(image.content) == known.micropython
        bootloader = parse_image(image.content, "bootloader")
        assert (bootloader.chip, bootloader.flash_bytes) == (known.chip, 4 << 20)
