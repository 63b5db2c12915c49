"""The eFuses of a chip as registers: address, revision, flash encryption, secure boot.

The ESP32's words are those of its Technical Reference Manual, chapter "eFuse Controller"; of the newer kinds only the
factory address is there, all else reads as zero.
"""

from dataclasses import dataclass

from hardware.rig.esp32.kinds import ChipKind

_CLOCK_8M = 128
CALIBRATION = 800
"""Cycles of the calibration register that go with an 8 MHz clock rated at 128: together they tell a 40 MHz crystal."""

_APB_DATE, _CALIBRATION_REGISTER = 0x3FF6607C, 0x3FF5F06C


@dataclass(slots=True)
class Efuses:
    """What is burnt. `revision` is (major, minor); `flash_crypt_cnt` seven bits, an odd number of ones is "on"."""

    mac: bytes
    revision: tuple[int, int] = (3, 1)
    flash_crypt_cnt: int = 0
    secure_boot_v1: bool = False
    secure_boot_v2: bool = False
    download_disabled: bool = False
    download_encrypt_disabled: bool = False

    @property
    def encrypts_flash(self) -> bool:
        """Whether flash is read through the decryption."""
        return self.flash_crypt_cnt.bit_count() % 2 == 1

    def registers(self, kind: ChipKind) -> dict[int, int]:
        """Value by address of every register that is not zero."""
        words = self._esp32() if kind.name == "esp32" else self._newer(kind)
        return {address: value for address, value in words.items() if value}

    def _esp32(self) -> dict[int, int]:
        base = 0x3FF5A000
        major, minor = self.revision
        block_0 = (
            self.flash_crypt_cnt << 20 | self.download_disabled << 27,
            int.from_bytes(self.mac[2:], "big"),
            mac_crc(self.mac) << 16 | int.from_bytes(self.mac[:2], "big"),
            1 << 9 | (major >= 1) << 15,
            _CLOCK_8M,
            (major >= 2) << 20 | minor << 24 | (0xF if self.encrypts_flash else 0) << 28,
            self.secure_boot_v1 << 4 | self.secure_boot_v2 << 5 | self.download_encrypt_disabled << 7,
        )
        words = {base + 4 * number: word for number, word in enumerate(block_0)}
        if self.encrypts_flash:
            words[base] |= 1 << 16  # the key cannot be read
        words[_APB_DATE] = (major >= 3) << 31
        words[_CALIBRATION_REGISTER] = CALIBRATION << 7
        return words

    def _newer(self, kind: ChipKind) -> dict[int, int]:
        return {
            kind.efuse_base + 0x44: int.from_bytes(self.mac[2:], "big"),
            kind.efuse_base + 0x48: int.from_bytes(self.mac[:2], "big"),
        }


def mac_crc(mac: bytes) -> int:
    """The CRC-8 that stands beside the factory address (polynomial 0x8C, bits reversed, from 0)."""
    value = 0
    for byte in mac:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x8C if value & 1 else 0)
    return value
