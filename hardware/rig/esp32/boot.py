"""What an ESP32 does and prints from a reset until its application runs, or does not.

The lines are those of real boards; MicroPython's second-stage loader is built to print errors only.
"""

import hashlib
from dataclasses import dataclass

from hardware.rig.esp32.boot_image import BootError, Image, Read, app_rows, load_image, load_table
from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.kinds import ChipKind
from hardware.rig.esp32.numbers import POWER_ON, WATCHDOG

_REASON_NAMES = {POWER_ON: "POWERON_RESET", WATCHDOG: "RTCWDT_RTC_RESET"}
_COMPLAINTS = 8
_LOADER_MS = 45


@dataclass(frozen=True, slots=True)
class Boot:
    """What was printed, and whether the application starts; a chip whose does not is reset by its watchdog."""

    text: bytes
    starts: bool


def download_text(kind: ChipKind, reason: int) -> bytes:
    """What the ROM prints when IO0 is low at a reset."""
    return _lines(*_first_lines(kind, reason, f"0x3 ({kind.download_line})"), "waiting for download")


def boot_from_flash(read: Read, kind: ChipKind, efuses: Efuses, reason: int) -> Boot:
    """Start what is in flash as far as it goes."""
    first = _first_lines(kind, reason, "0x13 (SPI_FAST_FLASH_BOOT)")
    head = read(kind.bootloader_offset, 16)
    if efuses.encrypts_flash:  # the ROM reads through the key: what is not written through it is noise
        head = hashlib.sha256(head).digest()
    if head[0] != 0xE9 or efuses.encrypts_flash:
        word = int.from_bytes(head[:4], "little")
        return Boot(_lines(*first, *[f"invalid header: 0x{word:08x}"] * _COMPLAINTS), starts=False)
    try:
        loader = load_image(read, kind.bootloader_offset, kind.image_chip_id)
    except BootError as error:
        return Boot(_lines(*first, f"csum err: {error}", "ets_main.c 371"), starts=False)
    first += _load_lines(loader)
    if efuses.secure_boot_v1 or efuses.secure_boot_v2:
        return Boot(_lines(*first, "secure boot check fail", "ets_main.c 371"), starts=False)
    first.append(f"entry 0x{loader.entry:08x}")
    complaints, starts = _second_stage(read, kind)
    return Boot(_lines(*first, *complaints), starts=starts)


def _second_stage(read: Read, kind: ChipKind) -> tuple[list[str], bool]:
    """What the second-stage loader complains of, and whether an application starts."""
    try:
        rows = load_table(read)
    except BootError as error:
        consequences = ("boot: Failed to verify partition table", "boot: load partition table error!")
        return [_error(text) for text in (str(error), *consequences)], False
    complaints = []
    for row in app_rows(rows, read):
        try:
            load_image(read, row.address, kind.image_chip_id)
        except BootError as error:
            complaints += [_error(str(error)), _error(f"boot: {row.label} app partition is not bootable")]
        else:
            return complaints, True
    return [*complaints, _error("boot: No bootable app partitions in the partition table")], False


def _first_lines(kind: ChipKind, reason: int, mode: str) -> list[str]:
    return [kind.rom_line, f"rst:{reason:#x} ({_REASON_NAMES[reason]}),boot:{mode}"]


def _load_lines(loader: Image) -> list[str]:
    return [
        "configsip: 0, SPIWP:0xee",
        "clk_drv:0x00,q_drv:0x00,d_drv:0x00,cs0_drv:0x00,hd_drv:0x00,wp_drv:0x00",
        "mode:DIO, clock div:2",
        *(f"load:0x{address:08x},len:{length}" for address, length in loader.segments),
    ]


def _error(text: str) -> str:
    return f"E ({_LOADER_MS}) {text}"


def _lines(*lines: str) -> bytes:
    return "".join(line + "\r\n" for line in lines).encode()
