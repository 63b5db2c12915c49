"""Images that an ESP32 starts: a head, segments, a checksum, and mostly a SHA-256 of it all.

Head of 24 bytes: E9, number of segments, SPI mode, flash size (high nibble) and speed, entry (u32), then the extended
head with the chip it is for (u16 at 12) and whether a SHA-256 follows (last byte). Each segment has its address and
length (u32 each) before it. The checksum, 0xEF XOR all bytes of the segments, fills up to 16 bytes.
esptool documentation, "Firmware Image Format".
"""

import hashlib
import re
import struct
from dataclasses import dataclass
from functools import reduce
from operator import xor

from hardware.flash.problem import FlashProblem, Kind

HEAD_BYTES = 24
CHIPS = {0: "ESP32", 2: "ESP32-S2", 5: "ESP32-C3", 9: "ESP32-S3", 12: "ESP32-C2", 13: "ESP32-C6", 16: "ESP32-H2"}
"""Chip numbers of the extended head (esptool documentation)."""

_MAGIC = 0xE9
_CHECKSUM_SEED = 0xEF
_MAX_SEGMENTS = 16
_DIGEST_BYTES = 32
_BUILD = re.compile(rb"v(\d+\.\d+(?:\.\d+)?)(?:-[\w.-]+)? on \d{4}-\d\d-\d\d")
"""How MicroPython tells its version; the version in the app's description is empty in its official images."""


@dataclass(frozen=True, slots=True)
class EspImage:
    """What the head says: `chip` as in `CHIPS`, the `flash_bytes` that it is made for, its own length in `bytes`."""

    chip: str
    flash_bytes: int
    bytes: int


def parse_image(content: bytes, what: str) -> EspImage:
    """Check an image that begins with `content`; what follows it does not matter. `what` names it in messages.

    Raises FlashProblem(FILES) for one that the chip would refuse.
    """
    if len(content) < HEAD_BYTES or content[0] != _MAGIC or not 0 < content[1] <= _MAX_SEGMENTS:
        raise _broken(what, "it does not begin as one")
    at, checksum = HEAD_BYTES, _CHECKSUM_SEED
    for _ in range(content[1]):
        if at + 8 > len(content):
            raise _broken(what, "it is cut short")
        length = struct.unpack_from("<I", content, at + 4)[0]
        segment = content[at + 8 : at + 8 + length]
        if len(segment) < length:
            raise _broken(what, "it is cut short")
        checksum ^= _xor(segment)
        at += 8 + length
    end = (at | 15) + 1
    if len(content) < end or content[end - 1] != checksum:
        raise _broken(what, "its checksum is wrong")
    if content[HEAD_BYTES - 1]:
        digest = content[end : end + _DIGEST_BYTES]
        if digest != hashlib.sha256(content[:end]).digest():
            raise _broken(what, "its SHA-256 is wrong")
        end += _DIGEST_BYTES
    number = struct.unpack_from("<H", content, 12)[0]
    return EspImage(CHIPS.get(number, f"chip {number}"), 1 << 20 << (content[3] >> 4), end)


def micropython_version(content: bytes) -> str | None:
    """The version that a build of MicroPython names in itself, such as "1.24.0"; None where it names none.

    Builds before 1.20 name two numbers where they say three when they run.
    """
    found = _BUILD.search(content)
    if found is None:
        return None
    version = found[1].decode("ascii")
    return version if version.count(".") > 1 else f"{version}.0"


def _xor(data: bytes) -> int:
    """All bytes XORed; folded by halves, for an image has a megabyte."""
    number, bits = int.from_bytes(data, "big"), 8 * len(data)
    while bits > 4096:
        half = (bits // 2 + 7) & ~7
        number = (number >> half) ^ (number & ((1 << half) - 1))
        bits = half
    return reduce(xor, number.to_bytes((bits + 7) // 8, "big"), 0)


def _broken(what: str, why: str) -> FlashProblem:
    return FlashProblem(Kind.FILES, f"{what} is no image that an ESP32 starts: {why}", "get the file anew")
