"""Small files that a power cut leaves old or new, never broken: two copies, each with a sequence and a CRC.

    two_copies.write("boot", body)      # into boot.a or boot.b, whichever is not the newest whole one
    body = two_copies.read("boot")      # from the newest whole one; None if neither is whole

A copy is its sequence (4 bytes, high byte first), the body, and the CRC-32 of both (4 bytes). After FFFFFFFF comes 1:
of two sequences the newer one is less than half way round ahead. A body that does not fit into memory goes in by
`Writing`, piece by piece, and is read from the file that `newest` names, between BODY_AT and TAIL_BYTES before its end.
"""

import binascii
import os

from micropython import const

SETTINGS = "settings"
"""The settings' name, which the start and their receiver share."""

AUTH = "auth"
"""The name of the counters of guarded writes: they are there from the first start with a key on."""

BODY_AT = const(4)
TAIL_BYTES = const(4)
_PIECE_BYTES = const(128)
_SIZE = const(6)
_LAST_SEQUENCE = const(0xFFFFFFFF)
_HALF_WAY = const(0x80000000)
_NAMES = (".a", ".b")


class Writing:
    """A new copy under way; until `finish` has closed it the old one is what counts. Raises OSError."""

    def __init__(self, name: str) -> None:
        target, self.sequence = _next(name)
        head = self.sequence.to_bytes(BODY_AT, "big")
        self._crc = binascii.crc32(head)
        self._file = open(target, "wb")  # noqa: SIM115  (closed by `finish`)
        self._add(head)

    def add(self, piece: bytes | bytearray | memoryview) -> None:
        """Append a piece of the body; raises OSError when the flash cannot be written."""
        self._crc = binascii.crc32(piece, self._crc)
        self._add(piece)

    def finish(self) -> None:
        """Make the new copy the newest."""
        self._add(self._crc.to_bytes(TAIL_BYTES, "big"))
        self._file.close()

    def _add(self, piece: bytes | bytearray | memoryview) -> None:
        try:
            self._file.write(piece)
        except OSError:
            self._file.close()
            raise


def write(name: str, body: bytes | bytearray | memoryview) -> None:
    """Keep `body` under `name`. Raises OSError when the flash cannot be written; then the old body still stands."""
    writing = Writing(name)
    writing.add(body)
    writing.finish()


def read(name: str) -> "bytes | None":
    """The body that was written last under `name`, None if there is no whole copy."""
    whole = newest(name)
    if whole is None:
        return None
    with open(whole, "rb") as file:
        file.seek(BODY_AT)
        return bytes(file.read(os.stat(whole)[_SIZE] - BODY_AT - TAIL_BYTES))


def newest(name: str) -> "str | None":
    """The file that holds the newest whole copy, None if there is none."""
    at, last = _newest(name)
    return name + _NAMES[at] if last else None


def sequence(name: str) -> int:
    """The sequence of the newest copy: how often `name` has been written, 0 if there is no whole copy."""
    return _newest(name)[1]


def _next(name: str) -> "tuple[str, int]":
    """The file that the next copy goes to, which is never the newest whole one, and its sequence."""
    at, last = _newest(name)
    return name + _NAMES[1 - at], last % _LAST_SEQUENCE + 1


def _newest(name: str) -> "tuple[int, int]":
    """Which of the two names has the newest whole copy, and its sequence; (1, 0) if neither has one."""
    first = _sequence(name + _NAMES[0])
    second = _sequence(name + _NAMES[1])
    if first and (not second or (first - second) & _LAST_SEQUENCE < _HALF_WAY):
        return 0, first
    return 1, second


def _sequence(path: str) -> int:
    """The sequence of one copy, 0 when it is absent or not whole. Reads it in pieces."""
    try:
        left = os.stat(path)[_SIZE] - TAIL_BYTES
        with open(path, "rb") as file:
            head = file.read(BODY_AT)
            crc = binascii.crc32(head)
            left -= len(head)
            while left > 0:
                piece = file.read(min(left, _PIECE_BYTES))
                if not piece:
                    return 0
                crc = binascii.crc32(piece, crc)
                left -= len(piece)
            if left < 0 or crc != int.from_bytes(file.read(TAIL_BYTES), "big"):
                return 0
    except OSError:
        return 0
    return int.from_bytes(head, "big")
