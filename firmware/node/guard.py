"""Who may write guarded registers: with a key only those who can make its tag, with a counter that only rises.

The highest counter is kept in RAM; on the flash stands a limit above it ("auth", node/two_copies.py), so that the flash
is written at the first start with a key and then once in 4096 counters. A start begins at the limit: whatever was heard
before the start is refused after it. Rules: protocols/spec/node-auth.md.
"""

import errno

from micropython import const

from node import log, register_map, two_copies
from node.register_map import put, put_u32, u32
from protocols import auth_codes, log_codes, modbus, node_auth, node_map

_AHEAD = const(4096)
_HIGHEST = const(0xFFFFFFFF)
_TAIL_BYTES = const(12)


class Guard:
    """Two keys, each with its counter: `key` for writes to `unit`, `broadcast_key` for those to all; None: none taken.

    From its making on, `registers` refuses guarded writes without the tag, and has the block auth.
    """

    def __init__(
        self, registers: register_map.RegisterMap, unit: int, key: "bytes | None", broadcast_key: "bytes | None"
    ) -> None:
        self.refused = 0
        self.last_refusal = auth_codes.NONE
        self._unit = unit
        self._keys = (key, broadcast_key)
        self._counters = [0, 0]
        body = two_copies.read(two_copies.AUTH)
        if body is not None and len(body) == 8:
            self._counters = [int.from_bytes(body[:4], "big"), int.from_bytes(body[4:], "big")]
        self._limits = list(self._counters)
        if body is None and key is not None:
            self._note_key()
        registers.guard = self  # type: ignore[assignment]
        registers.add(node_map.AUTH, node_map.AUTH_REGISTERS, self.fill)

    def check(self, is_broadcast: bool, address: int, count: int, buffer: bytearray, at: int, content) -> int:  # type: ignore[no-untyped-def]
        """0 when the write of the whole block, `count` registers in `buffer[at:]`, bears the right tag.

        Otherwise the exception code of the refusal. `content()` is the SHA-256 of the file that belongs to the block,
        None where there is none; it is not called for an old counter. The counter is on the flash, and used up, when
        this returns 0. May raise OSError.
        """
        which = 1 if is_broadcast else 0
        key = self._keys[which]
        if key is None:
            return self._refuse(auth_codes.NO_KEY)
        tail = at + 2 * count - _TAIL_BYTES
        counter = u32(buffer, tail)
        if counter <= self._counters[which]:
            return self._refuse(auth_codes.OLD_COUNTER)
        tag = node_auth.write_tag(
            key,
            modbus.BROADCAST_UNIT if is_broadcast else self._unit,
            modbus.WRITE_MULTIPLE_REGISTERS,
            address,
            counter,
            bytes(buffer[at:tail]),
            b"" if content is None else content(),
        )
        if not node_auth.is_same(tag, buffer, tail + 4):
            return self._refuse(auth_codes.WRONG_TAG)
        if counter > self._limits[which]:
            try:
                self._keep(which, min(counter + _AHEAD, _HIGHEST))
            except OSError:
                self._refuse(auth_codes.FLASH_FAILED)
                return modbus.SERVER_DEVICE_FAILURE
        self._counters[which] = counter
        return 0

    def refuse_part(self) -> int:
        """Refuse a write of less than a whole guarded block; returns the exception code."""
        return self._refuse(auth_codes.NOT_WHOLE)

    def fill(self, image: bytearray) -> None:
        """The block auth."""
        first = node_map.AUTH
        put(image, 0, (1 if self._keys[0] else 0) | (2 if self._keys[1] else 0))
        put_u32(image, node_map.AUTH_COUNTER - first, self._counters[0])
        put_u32(image, node_map.AUTH_BROADCAST_COUNTER - first, self._counters[1])
        put_u32(image, node_map.AUTH_REFUSED - first, self.refused)
        put(image, node_map.AUTH_LAST_REFUSAL - first, self.last_refusal)

    def _note_key(self) -> None:
        """Leave on the flash that there was a key: without it, one that is lost would not be missed."""
        try:
            self._keep(0, 0)
        except OSError as error:
            log.note(log_codes.FLASH_FAILED, error.errno or errno.EIO)

    def _refuse(self, reason: int) -> int:
        self.refused += 1
        self.last_refusal = reason
        return modbus.ILLEGAL_DATA_VALUE

    def _keep(self, which: int, limit: int) -> None:
        limits = list(self._limits)
        limits[which] = limit
        two_copies.write(two_copies.AUTH, limits[0].to_bytes(4, "big") + limits[1].to_bytes(4, "big"))
        self._limits = limits
