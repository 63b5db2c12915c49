"""The registers of the node: blocks that others add, read as a snapshot, written through to their owners.

A block is a run of registers with two functions of its owner; the map itself is protocols/node_map.py.

    fill(image)                        puts the whole block into `image`, which is zero, from byte 0 on
    take(offset, count, buffer, at)    carries out a write of `count` registers from register `offset` of the block on,
                                       their bytes in `buffer[at:]`; returns 0 or an exception code

A block that is GUARDED ends in a counter and a tag (protocols/spec/node-auth.md). Its owner never sees those: without a
key they are ignored, with one a write must be of the whole block and right, or it is refused here. Only a block that is
BROADCAST takes writes to unit 0.

Only the slots, which are too many for an image, are read by themselves.
"""

from micropython import const

from node import board, clock, slots
from protocols import modbus, node_map, rtu

GUARDED = const(1)
BROADCAST = const(2)

_IMAGE_REGISTERS = const(88)
_TAIL_REGISTERS = const(6)


def put(image: bytearray, register: int, value: int) -> None:
    """Put 16 bits of `value` into a register of a block's image."""
    rtu.put_u16(image, 2 * register, value)


def put_u32(image: bytearray, register: int, value: int) -> None:
    """Put 32 bits of `value` into two registers, high word first."""
    rtu.put_u16(image, 2 * register, value >> 16)
    rtu.put_u16(image, 2 * register + 2, value)


def u32(buffer: bytes | bytearray, at: int) -> int:
    """32 bits from four bytes of a request."""
    return rtu.get_u16(buffer, at) << 16 | rtu.get_u16(buffer, at + 2)


class RegisterMap:
    """The registers of one node. Each call is one snapshot: nothing changes while an answer is written.

    `frames` and `crc_errors` are counted by the server, `since_request_ms` is how long ago the request ended.
    `was_read` tells that a register has been read since the start. `guard` is a guard.Guard where the node has a key,
    or None.
    """

    def __init__(self, node_clock: clock.Clock, node_slots: slots.Slots) -> None:
        self.frames = 0
        self.crc_errors = 0
        self.was_read = False
        self.since_request_ms = 0
        self.heap_free_bytes = board.heap_free_bytes()
        self.guard = None
        self._clock = node_clock
        self._slots = node_slots
        self._image = bytearray(2 * _IMAGE_REGISTERS)
        self._blocks = []  # type: ignore[var-annotated]

    def add(self, first: int, count: int, fill, take=None, flags: int = 0, content=None) -> None:  # type: ignore[no-untyped-def]
        """Let `fill` and `take` (None: reading only) answer for `count` registers, at most 88, from `first` on.

        `flags` are GUARDED and BROADCAST. `content()` is the SHA-256 of the file that a write to the block puts into
        force, where there is one: the tag covers it.
        """
        self._blocks.append((first, count, fill, take, flags, content))

    def read(self, address: int, count: int, buffer: bytearray, at: int) -> int:
        """Write `count` registers from `address` on into `buffer[at:]`; returns 0 or ILLEGAL_DATA_ADDRESS."""
        self._clock.update()
        if address >= node_map.SLOTS:
            code = self._read_slots(address - node_map.SLOTS, count, buffer, at)
            self.was_read = self.was_read or code == 0
            return code
        for block in self._blocks:
            first = block[0]
            length = block[1]
            if address >= first and address + count <= first + length:
                image = self._image
                for index in range(2 * length):
                    image[index] = 0
                block[2](image)
                offset = 2 * (address - first)
                for index in range(2 * count):
                    buffer[at + index] = image[offset + index]
                self.was_read = True
                return 0
        return modbus.ILLEGAL_DATA_ADDRESS

    def write(self, address: int, count: int, buffer: bytearray, at: int, is_broadcast: bool = False) -> int:
        """Carry out a write of `count` registers from `buffer[at:]` to `address`; returns 0 or an exception code."""
        try:
            return self._write(address, count, buffer, at, is_broadcast)
        except (OSError, MemoryError):
            return modbus.SERVER_DEVICE_FAILURE

    def _write(self, address: int, count: int, buffer: bytearray, at: int, is_broadcast: bool) -> int:
        for block in self._blocks:
            offset = address - block[0]
            if offset < 0 or offset + count > block[1] or block[3] is None:
                continue
            if is_broadcast and not block[4] & BROADCAST:
                return modbus.ILLEGAL_DATA_ADDRESS
            if block[4] & GUARDED:
                if self.guard is not None:
                    refusal = self._check(block, offset, count, buffer, at, is_broadcast)
                    if refusal:
                        return refusal
                count = min(count, block[1] - _TAIL_REGISTERS - offset)
                if count <= 0:
                    return 0
            code: int = block[3](offset, count, buffer, at)
            return code
        return modbus.ILLEGAL_DATA_ADDRESS

    def _check(self, block, offset: int, count: int, buffer: bytearray, at: int, is_broadcast: bool) -> int:  # type: ignore[no-untyped-def]
        """0 if a node with a key may carry out this write, or the exception code of the refusal."""
        if offset or count != block[1]:
            return self.guard.refuse_part()  # type: ignore[attr-defined, no-any-return]
        return self.guard.check(is_broadcast, block[0], count, buffer, at, block[5])  # type: ignore[attr-defined, no-any-return]

    def _read_slots(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        if offset + count > node_map.SLOT_REGISTERS * self._slots.count:
            return modbus.ILLEGAL_DATA_ADDRESS
        for register in range(offset, offset + count):
            rtu.put_u16(buffer, at, self._slot_register(register >> 2, register & 3))
            at += 2
        return 0

    def _slot_register(self, slot: int, register: int) -> int:
        node_slots = self._slots
        if register == 0:
            return node_slots.values[slot] >> 16
        if register == 1:
            return node_slots.values[slot]
        if register == node_map.SLOT_QUALITY_COUNTER:
            return node_slots.qualities[slot] << 8 | node_slots.counters[slot]
        return node_slots.age(slot)
