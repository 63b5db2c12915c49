"""The tag that proves who wrote a block of a node's registers: HMAC-SHA-256, cut to 8 bytes, with a rising counter.

The words and bytes are told in spec/node-auth.md. HMAC is RFC 2104, made of `hashlib.sha256` alone, for MicroPython
has no `hmac`.
"""

import hashlib

TAG_BYTES = 8
DIGEST_BYTES = 32
MIN_KEY_BYTES = 16
MAX_KEY_BYTES = 32
TAIL_REGISTERS = 6
"""Registers at the end of a guarded block: the counter (2) and the tag (4)."""
HIGHEST_TOLD_COUNTER = 0xF0000000
"""A counter above this that a node tells is not believed, or whoever forges the answer could use the counters up."""

_LABEL = b"GPA1"
_BLOCK_BYTES = 64


def hmac_sha256(key: bytes, message: bytes) -> bytes:
    """The 32 bytes of RFC 2104 with SHA-256; `key` has at most 64 bytes."""
    pad = bytearray(_BLOCK_BYTES)
    for index in range(_BLOCK_BYTES):
        pad[index] = 0x36 ^ (key[index] if index < len(key) else 0)
    inner = hashlib.sha256(pad)
    inner.update(message)
    for index in range(_BLOCK_BYTES):
        pad[index] ^= 0x36 ^ 0x5C
    outer = hashlib.sha256(pad)
    outer.update(inner.digest())
    digest: bytes = outer.digest()
    return digest


def write_tag(
    key: bytes, unit: int, function: int, address: int, counter: int, values: bytes, content: bytes = b""
) -> bytes:
    """The 8 bytes for a write of the fields `values` (registers, high byte first) to a block at `address` of `unit`.

    `counter` has 32 bits. `content` is the SHA-256 of the file that the write puts into force, empty for a block that
    has no file.
    """
    message = bytearray(_LABEL)
    message.append(unit)
    message.append(function)
    message.extend(address.to_bytes(2, "big"))
    message.extend(counter.to_bytes(4, "big"))
    message.extend(values)
    message.extend(content)
    return hmac_sha256(key, bytes(message))[:TAG_BYTES]


def is_same(tag: bytes, buffer: bytes | bytearray, at: int) -> bool:
    """Whether `buffer[at:]` begins with `tag`; takes as long for a wrong tag as for a right one."""
    difference = 0
    for index in range(len(tag)):
        difference |= tag[index] ^ buffer[at + index]
    return difference == 0
