"""The log of a node as it is read over the pole bus: file 60003, a head, then the ring's entries, oldest first.

    newest (u32), entries (u16), bytes of an entry (u16), then for each: number (u16, its low half), start (u16, low
    half of the number of starts), seconds since that start (u32), code (u16, log_codes), value (s32)

Numbers have their high byte first. A node only takes the numbers from here.
"""

import struct

FILE = 60003
HEAD_BYTES = 8
ENTRY_BYTES = 14
CAPACITY = 32
"""Entries that a node keeps."""

_HEAD = ">IHH"
_ENTRY = ">HHIHi"


def head(content: bytes) -> "tuple[int, int, int]":
    """Number of the newest entry, how many there are, and bytes of each, from the first HEAD_BYTES."""
    return struct.unpack(_HEAD, content)


def entries(content: bytes) -> "list[tuple[int, int, int, int, int]]":
    """(low half of the number, low half of the start, seconds since it, code, value) of each entry after the head."""
    places = range(0, len(content), ENTRY_BYTES)
    return [struct.unpack(_ENTRY, content[at : at + ENTRY_BYTES]) for at in places]
