"""The SPI flash beside a chip: programming clears bits, erasing sets them, a smaller one wraps round."""

import hashlib

from hardware.rig.esp32.faults import ChipFaults
from hardware.rig.esp32.numbers import GIGADEVICE, SECTOR_BYTES

_ALL_ONES = 0xFF
_NOTHING_THERE = 0xFFFFFF


class FlashMemory:
    """`content` is what the cells hold, a bytearray of the real size; `stated_bytes`, a power of 2, what the id says.

    Counts what was done to it: `programmed_bytes`, `erased_sectors`.
    """

    def __init__(self, stated_bytes: int, faults: ChipFaults, content: bytearray | None = None) -> None:
        self.stated_bytes = stated_bytes
        self.size_bytes = faults.real_flash_bytes or stated_bytes
        self.content = bytearray(b"\xff") * self.size_bytes if content is None else content
        if len(self.content) != self.size_bytes:
            raise ValueError(f"the flash has {self.size_bytes} bytes, its content {len(self.content)}")
        self.programmed_bytes = 0
        self.erased_sectors = 0
        self._faults = faults

    @property
    def is_dead(self) -> bool:
        """Whether it has given up (see `ChipFaults.flash_dies_after_bytes`)."""
        limit = self._faults.flash_dies_after_bytes
        return limit is not None and self.programmed_bytes >= limit

    def jedec_id(self) -> int:
        """The three bytes of RDID as they arrive, the first lowest: maker, type, capacity."""
        if self.is_dead:
            return _NOTHING_THERE
        return GIGADEVICE | 0x40 << 8 | (self.stated_bytes.bit_length() - 1) << 16

    def sfdp(self, address: int) -> int:
        """Four bytes of the parameter table at `address` (JESD216), the first lowest."""
        if self.is_dead:
            return 0xFFFFFFFF
        header = b"SFDP\x06\x01\x01\xff" + b"\x00\x06\x01\x10\x30\x00\x00\xff" + bytes([GIGADEVICE]) + bytes(47)
        return int.from_bytes(header[address : address + 4].ljust(4, b"\xff"), "little")

    def read(self, address: int, count: int) -> bytes:
        """`count` bytes from `address` on."""
        if self.is_dead:
            return b"\xff" * count
        return b"".join(bytes(self.content[start:end]) for start, end in self._spans(address, count))

    def md5(self, address: int, count: int) -> bytes:
        """The MD5 digest of that stretch."""
        return hashlib.md5(self.read(address, count), usedforsecurity=False).digest()

    def erase(self, address: int, count: int) -> None:
        """Set every bit of the sectors that the stretch touches."""
        if self.is_dead or count <= 0:
            return
        first = address - address % SECTOR_BYTES
        last = address + count + -(address + count) % SECTOR_BYTES
        self.erased_sectors += (last - first) // SECTOR_BYTES
        for start, end in self._spans(first, last - first):
            self._put(start, b"\xff" * (end - start))

    def program(self, address: int, data: bytes) -> None:
        """Clear the bits that are 0 in `data`; none is ever set."""
        limit = self._faults.flash_dies_after_bytes
        if limit is not None:
            data = data[: max(0, limit - self.programmed_bytes)]
        done = 0
        for start, end in self._spans(address, len(data)):
            piece = data[done : done + end - start]
            done += end - start
            before = self.content[start:end]
            if before.count(_ALL_ONES) != len(before):
                anded = int.from_bytes(before, "big") & int.from_bytes(piece, "big")
                piece = anded.to_bytes(len(piece), "big")
            self._put(start, piece)
        self.programmed_bytes += len(data)

    def _put(self, start: int, data: bytes) -> None:
        kept = {cell: self.content[cell] for cell in self._faults.bad_cells if start <= cell < start + len(data)}
        self.content[start : start + len(data)] = data
        for cell, value in kept.items():
            self.content[cell] = value

    def _spans(self, address: int, count: int) -> list[tuple[int, int]]:
        """The stretches of real cells that `count` bytes from `address` fall on, in order."""
        spans = []
        while count > 0:
            start = address % self.size_bytes
            length = min(count, self.size_bytes - start)
            spans.append((start, start + length))
            address, count = address + length, count - length
        return spans
