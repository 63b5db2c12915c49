"""Writing to flash as the ROM and the stub do it: the ROM erases first and writes at once, the stub erases as it goes
and writes what it has acknowledged while the next piece arrives."""

import zlib

from hardware.rig.esp32.flash_memory import FlashMemory
from hardware.rig.esp32.numbers import BLOCK_BYTES, SECTOR_BYTES


class TooMuchDataError(Exception):
    """More came than was announced."""


class FlashWriting:
    """One stretch of `size` bytes at `address`, as bytes or as one zlib stream.

    `lags` is the stub's way: a piece is in the flash only once the next one, or `finish`, came. `tear` is a power cut.
    """

    def __init__(self, flash: FlashMemory, address: int, size: int, *, deflated: bool, lags: bool) -> None:
        self._flash = flash
        self._next = address
        self._end = address + size
        self._inflate = zlib.decompressobj() if deflated else None
        self._lags = lags
        self._waiting = b""
        self._erased_to = address - address % SECTOR_BYTES
        if not lags:
            flash.erase(address, size)
            self._erased_to = self._end

    def add(self, data: bytes) -> None:
        """Take the next piece; zlib.error when it is no deflated data, TooMuchDataError when the stretch is full."""
        self.finish()
        if self._inflate is not None:
            data = self._inflate.decompress(data)
            if self._next + len(data) > self._end:
                raise TooMuchDataError
        self._waiting = data[: self._end - self._next]
        if not self._lags:
            self.finish()

    def finish(self) -> None:
        """Write what waits."""
        self._write(self._waiting)
        self._waiting = b""

    def tear(self) -> None:
        """The power goes while what waits is written: half of it is there."""
        self._write(self._waiting[: len(self._waiting) // 2])
        self._waiting = b""

    def _write(self, data: bytes) -> None:
        if not data:
            return
        while self._erased_to < self._next + len(data):
            whole_block = self._erased_to % BLOCK_BYTES == 0 and self._end - self._erased_to >= BLOCK_BYTES
            step = BLOCK_BYTES if whole_block else SECTOR_BYTES
            self._flash.erase(self._erased_to, step)
            self._erased_to += step
        self._flash.program(self._next, data)
        self._next += len(data)
