"""The settings of a node as one run of bytes, made at the gateway, checked and read on the node.

    magic "GPS1", length of all (u32), CRC-32 of all that follows it (u32), then sections one after the other:
    kind (u16), length (u16), body

Numbers have their high byte first. The terminal code, where it is given, is that of the node that they are meant for.
Who adds a kind adds its check where the node takes settings (firmware/node/settings_take.py).
"""

import binascii

from protocols import settings_codes

MAGIC = b"GPS1"
HEAD_BYTES = 12
SECTION_HEAD_BYTES = 4
MAX_BYTES = 20000
"""What one numbered file holds."""

NODE_TABLE = 1
TERMINAL_CODE = 2
KINDS = (NODE_TABLE, TERMINAL_CODE)


def pack(sections: "list[tuple[int, bytes]]") -> bytes:
    """Settings out of (kind, body) pairs. Raises ValueError when they are too long."""
    body = b"".join([kind.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content for kind, content in sections])
    length = HEAD_BYTES + len(body)
    if length > MAX_BYTES:
        raise ValueError(f"{length} bytes of settings, and a node takes {MAX_BYTES}")
    return bytes(MAGIC + length.to_bytes(4, "big") + binascii.crc32(body).to_bytes(4, "big") + body)


def length_of(head: bytes | bytearray) -> int:
    """The length of all from the first HEAD_BYTES; -1 if they are no settings of this version, or too long."""
    if head[:4] != MAGIC:
        return -1
    length = int.from_bytes(head[4:8], "big")
    return length if HEAD_BYTES <= length <= MAX_BYTES else -1


def find(file, start: int, length: int, kind: int) -> "tuple[int, int]":  # type: ignore[no-untyped-def]
    """Where in an open file, whose settings begin at `start` and are `length` long, a section's body is: (at, length).

    (0, 0) when there is none. Nothing but heads is read.
    """
    at = start + HEAD_BYTES
    end = start + length
    while at + SECTION_HEAD_BYTES <= end:
        file.seek(at)
        head = file.read(SECTION_HEAD_BYTES)
        size = int.from_bytes(head[2:4], "big")
        at += SECTION_HEAD_BYTES
        if int.from_bytes(head[0:2], "big") == kind and at + size <= end:
            return at, size
        at += size
    return 0, 0


def check_form(file, start: int, length: int) -> int:  # type: ignore[no-untyped-def]
    """NO_REASON when head, CRC and sections of the settings in an open file are right, or else the reason."""
    file.seek(start)
    head = file.read(HEAD_BYTES)
    if len(head) < HEAD_BYTES or length_of(head) < 0:
        return settings_codes.VERSION
    if length_of(head) != length:
        return settings_codes.NOT_WHOLE
    crc = 0
    left = length - HEAD_BYTES
    while left > 0:
        piece = file.read(min(left, 128))
        if not piece:
            return settings_codes.NOT_WHOLE
        crc = binascii.crc32(piece, crc)
        left -= len(piece)
    if crc != int.from_bytes(head[8:12], "big"):
        return settings_codes.NOT_WHOLE
    at = start + HEAD_BYTES
    while at < start + length:
        file.seek(at)
        head = file.read(SECTION_HEAD_BYTES)
        at += SECTION_HEAD_BYTES + int.from_bytes(head[2:4], "big")
        if len(head) < SECTION_HEAD_BYTES or at > start + length or int.from_bytes(head[0:2], "big") not in KINDS:
            return settings_codes.SECTION
    return settings_codes.NO_REASON
