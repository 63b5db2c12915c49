"""Who a node is from the day it was made: a few bytes that neither settings nor updates ever touch.

They are the blob `factory` of the namespace `gatepost` in the NVS of the ESP32, apart from the file system:

    magic "GPF1", CRC-32 of all that follows it (u32), then fields one after the other: kind (u8), length (u8), body

Made on a PC at provisioning (`gatepost flash`); a node only reads it.
"""

import binascii

NVS_NAMESPACE = "gatepost"
NVS_KEY = "factory"

MAGIC = b"GPF1"
HEAD_BYTES = 8

TERMINAL_CODE = 1
"""The terminal's code in the city's ledger, up to 32 ASCII characters."""
NODE_KEY = 2
"""32 bytes that the gateway shares with this node alone; without them nothing on the pole bus is guarded."""
BROADCAST_KEY = 3
"""32 bytes that all nodes of a pole share, for writes to unit 0."""

MAX_TERMINAL_CODE = 32


def pack(fields: "dict[int, bytes]") -> bytes:
    """The record with these fields. Raises ValueError for one that is too long."""
    body = b""
    for kind in sorted(fields):
        content = fields[kind]
        if len(content) > (MAX_TERMINAL_CODE if kind == TERMINAL_CODE else 255):
            raise ValueError(f"field {kind} of the factory record has {len(content)} bytes")
        body += bytes([kind, len(content)]) + content
    return bytes(MAGIC + binascii.crc32(body).to_bytes(4, "big") + body)


def is_whole(record: bytes) -> bool:
    """Whether it is a record at all, as `pack` made it."""
    return record[:4] == MAGIC and record[4:HEAD_BYTES] == binascii.crc32(record[HEAD_BYTES:]).to_bytes(4, "big")


def field(record: bytes, kind: int) -> "bytes | None":
    """The body of a field, None where there is none or the record is not whole."""
    if not is_whole(record):
        return None
    body = record[HEAD_BYTES:]
    at = 0
    while at + 2 <= len(body):
        end = at + 2 + body[at + 1]
        if body[at] == kind and end <= len(body):
            return body[at + 2 : end]
        at = end
    return None
