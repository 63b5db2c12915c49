"""SLIP frames (RFC 1055) in bulk: a frame is found and unescaped by searches, never byte by byte."""

_END, _ESCAPE = b"\xc0", b"\xdb"
_ESCAPED_END, _ESCAPED_ESCAPE = b"\xdb\xdc", b"\xdb\xdd"
_LONGEST_FRAME = 0x10000


def encode(body: bytes) -> bytes:
    """One frame with `body`, between two END bytes."""
    return _END + body.replace(_ESCAPE, _ESCAPED_ESCAPE).replace(_END, _ESCAPED_END) + _END


class SlipReader:
    """Cuts what arrives into frames. What is no frame (noise between frames, a wrong escape) is dropped."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The bodies of all frames that `data` completes, in order; empty frames are none."""
        self._rest += data
        *whole, rest = self._rest.split(_END)
        self._rest = rest[-_LONGEST_FRAME:]
        frames = [_unescape(bytes(piece)) for piece in whole if piece]
        return [frame for frame in frames if frame]

    def clear(self) -> None:
        """Forget what has arrived of a frame."""
        self._rest.clear()


def _unescape(piece: bytes) -> bytes:
    if _ESCAPE not in piece:
        return piece
    first, *others = piece.split(_ESCAPE)
    if any(other[:1] not in (b"\xdc", b"\xdd") for other in others):
        return b""
    return first + b"".join((_END if other[:1] == b"\xdc" else _ESCAPE) + other[1:] for other in others)
