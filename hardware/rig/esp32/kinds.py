"""The kinds of chips: what tells one from the other over the serial loader, and where its registers are."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChipKind:
    """One kind. Addresses are of the bus; `image_chip_id` is what images for it carry (and security info tells)."""

    name: str
    image_chip_id: int
    magic: int
    security_info_bytes: int
    bootloader_offset: int
    spi_base: int
    spi_usr2: int
    spi_w0: int
    uart_clock_divider: int
    efuse_base: int
    rom_line: str
    download_line: str


MAGIC_ADDRESS = 0x40001000
_OLD_DOWNLOAD = "DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2)"
_NEW_DOWNLOAD = "DOWNLOAD(USB/UART0)"

KINDS = {
    kind.name: kind
    for kind in (
        ChipKind("esp32", 0, 0x00F01D83, 0, 0x1000, 0x3FF42000, 0x24, 0x80, 0x3FF40014, 0x3FF5A000,
                 "ets Jul 29 2019 12:21:46\r\n", _OLD_DOWNLOAD),
        ChipKind("esp32s2", 2, 0x000007C6, 12, 0x1000, 0x3F402000, 0x20, 0x58, 0x3F400014, 0x3F41A000,
                 "ESP-ROM:esp32s2-rc4-20191025\r\nBuild:Oct 25 2019", _NEW_DOWNLOAD),
        ChipKind("esp32c3", 5, 0x1B31506F, 20, 0x0, 0x60002000, 0x20, 0x58, 0x60000014, 0x60008800,
                 "ESP-ROM:esp32c3-api1-20210207\r\nBuild:Feb  7 2021", _NEW_DOWNLOAD),
        ChipKind("esp32s3", 9, 0x00000009, 20, 0x0, 0x60002000, 0x20, 0x58, 0x60000014, 0x60007000,
                 "ESP-ROM:esp32s3-20210327\r\nBuild:Mar 27 2021", _NEW_DOWNLOAD),
        ChipKind("esp32c6", 13, 0x2CE0806F, 20, 0x0, 0x60003000, 0x20, 0x58, 0x60000014, 0x600B0800,
                 "ESP-ROM:esp32c6-20220919\r\nBuild:Sep 19 2022", _NEW_DOWNLOAD),
    )
}  # fmt: skip
