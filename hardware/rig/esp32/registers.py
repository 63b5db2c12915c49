"""The registers that the loader's host reads and writes: eFuses, clock, and the SPI peripheral beside the flash."""

from hardware.rig.esp32.efuses import Efuses
from hardware.rig.esp32.flash_memory import FlashMemory
from hardware.rig.esp32.kinds import MAGIC_ADDRESS, ChipKind
from hardware.rig.esp32.numbers import SPI_READ_ID, SPI_READ_SFDP, SPI_RUN_USER_COMMAND

_CRYSTAL_HZ = 40_000_000
_WORD = 0xFFFFFFFF


class Registers:
    """Words by address. What is neither fixed nor written reads as zero, and what is fixed cannot be written."""

    def __init__(self, kind: ChipKind, efuses: Efuses, flash: FlashMemory) -> None:
        self._kind = kind
        self._flash = flash
        self._fixed = {MAGIC_ADDRESS: kind.magic, **efuses.registers(kind)}
        self._written: dict[int, int] = {}

    def set_baud(self, baud: int) -> None:
        """Let the divider of UART0 tell `baud`."""
        self._fixed[self._kind.uart_clock_divider] = _CRYSTAL_HZ // baud

    def clear(self) -> None:
        """Forget what was written, as a reset does."""
        self._written.clear()

    def read(self, address: int) -> int:
        """The word at `address`."""
        return self._fixed.get(address, self._written.get(address, 0))

    def write(self, address: int, value: int, mask: int = _WORD) -> None:
        """Change the bits of `mask`; in the SPI command register this may run a command of the flash."""
        value = (self.read(address) & ~mask) | (value & mask)
        if address == self._kind.spi_base and value & SPI_RUN_USER_COMMAND:
            self._written[self._kind.spi_base + self._kind.spi_w0] = self._ask_flash()
            value &= ~SPI_RUN_USER_COMMAND
        self._written[address] = value & _WORD

    def _ask_flash(self) -> int:
        command = self.read(self._kind.spi_base + self._kind.spi_usr2) & 0xFF
        if command == SPI_READ_ID:
            return self._flash.jedec_id()
        if command == SPI_READ_SFDP:
            return self._flash.sfdp(self.read(self._kind.spi_base + 4) >> 8)
        return 0
