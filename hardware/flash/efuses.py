"""The security state of an ESP32 out of its eFuses: flash encryption and secure boot.

Block 0 is read as seven words from 0x3FF5A000 (ESP32 Technical Reference Manual, eFuse controller): FLASH_CRYPT_CNT is
bits 20 to 26 of word 0 and encryption is on when an odd number of them is set;
ABS_DONE_0 and ABS_DONE_1 are bits 4 and 5 of word 6.
"""

import struct
from dataclasses import dataclass

from hardware.flash.problem import FlashProblem, Kind

ADDRESS, WORDS = 0x3FF5A000, 7
BYTES = 4 * WORDS
_CRYPT_COUNT = 0x7F << 20
_BOOT_V1, _BOOT_V2 = 1 << 4, 1 << 5


@dataclass(frozen=True, slots=True)
class Security:
    """What is locked. `secure_boot` is the version that is on, 0 for none."""

    is_encrypted: bool
    secure_boot: int

    @property
    def is_open(self) -> bool:
        """Whether the chip starts what anybody writes."""
        return not self.is_encrypted and not self.secure_boot

    @property
    def words(self) -> str:
        """The state in words."""
        encryption = "on" if self.is_encrypted else "off"
        boot = f"on (version {self.secure_boot})" if self.secure_boot else "off"
        return f"flash encryption {encryption}, secure boot {boot}"

    def check(self) -> None:
        """Raise FlashProblem(LOCKED_CHIP) when what we write would never start."""
        if not self.is_open:
            raise FlashProblem(
                Kind.LOCKED_CHIP,
                f"the chip is locked ({self.words}), so what is written plain would never start; nothing was written",
                "take another board: these fuses cannot be set back",
            )


def security_of(block: bytes) -> Security:
    """The state out of the words of block 0. Raises FlashProblem(LINE) when they are not all there."""
    if len(block) != BYTES:
        raise FlashProblem(Kind.LINE, f"{len(block)} of {BYTES} bytes of eFuses came", "run this again")
    words = struct.unpack(f"<{WORDS}I", block)
    version = 2 if words[6] & _BOOT_V2 else 1 if words[6] & _BOOT_V1 else 0
    return Security((words[0] & _CRYPT_COUNT).bit_count() % 2 == 1, version)
