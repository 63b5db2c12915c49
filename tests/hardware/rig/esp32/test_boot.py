"""What a board prints and does when it starts from flash, with each part of it missing or spoilt."""

import pytest

from hardware.rig.esp32.boot import Boot, boot_from_flash, download_text
from hardware.rig.esp32.efuses import Efuses, mac_crc
from hardware.rig.esp32.kinds import KINDS
from hardware.rig.esp32.numbers import POWER_ON
from hardware.rig.esp32.stand_in_image import IMAGE_OFFSET, stand_in_image

MAC = bytes.fromhex("240ac4010203")


def boot(layout: str = "plain", spoil: dict[int, bytes] | None = None, **fuses: bool | int) -> Boot:
    flash = bytearray(b"\xff" * IMAGE_OFFSET + stand_in_image(layout, app_bytes=4096)).ljust(4 << 20, b"\xff")
    for place, content in (spoil or {}).items():
        flash[place : place + len(content)] = content
    efuses = Efuses(MAC, **fuses)  # type: ignore[arg-type]
    return boot_from_flash(lambda place, count: bytes(flash[place : place + count]), KINDS["esp32"], efuses, POWER_ON)


@pytest.mark.parametrize("layout", ["plain", "ota"])
def test_a_whole_image_starts(layout):
    found = boot(layout)
    assert found.starts
    assert found.text.startswith(
        b"ets Jul 29 2019 12:21:46\r\n\r\nrst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n"
    )
    assert found.text.endswith(b"entry 0x400805b0\r\n")


@pytest.mark.parametrize(
    ("place", "content", "told"),
    [
        (0x1000, b"\xff" * 4, b"invalid header: 0xffffffff"),
        (0x1100, b"\x55", b"csum err"),
        (0x100C, b"\x09", b"mismatch chip ID, expected 0, found 9"),
        (0x8000, b"\xff" * 32, b"partition 0 invalid magic number 0xffff"),
        (0x8006, b"\x01", b"Incorrect MD5 checksum"),
        (0x10000, b"\xff", b"invalid magic byte"),
        (0x10800, b"\x55", b"Checksum failed"),
        (0x10019, b"\x01", b"Image hash failed"),
    ],
)
def test_each_spoilt_part_is_told_and_nothing_starts(place, content, told):
    found = boot(spoil={place: content})
    assert told in found.text
    assert not found.starts


def test_a_locked_chip_starts_nothing_that_is_plain():
    assert b"invalid header: 0x" in boot(flash_crypt_cnt=1).text
    assert not boot(flash_crypt_cnt=7).starts
    assert boot(flash_crypt_cnt=3).starts, "an even number of fuses is off again"
    assert b"secure boot check fail" in boot(secure_boot_v1=True).text
    assert not boot(secure_boot_v2=True).starts


def test_the_ota_data_choose_the_slot():
    image = stand_in_image("ota", app_bytes=4096)[0x10000 - IMAGE_OFFSET :]
    chosen = {0xD000: (2).to_bytes(4, "little")}
    assert boot("ota", {**chosen, 0x190000: image, 0x10000: b"\0"}).starts
    fallen_back = boot("ota", chosen)
    assert fallen_back.starts, "ota_0 is taken where ota_1 is empty"
    assert b"boot: ota_1 app partition is not bootable" in fallen_back.text


def test_the_rom_says_when_it_waits_for_a_host():
    text = download_text(KINDS["esp32"], POWER_ON)
    assert b"boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n" in text


def test_the_crc_beside_the_factory_address_is_espressifs():
    assert mac_crc(b"123456789") == 0xA1, "the check value of CRC-8/MAXIM"
