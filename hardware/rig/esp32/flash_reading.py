"""Reading flash as the stub does: pieces in SLIP frames, not more on the way than was agreed, then their MD5."""

import hashlib
from collections.abc import Callable


class FlashReading:
    """Sends `content` in frames of `piece_bytes` by `send_frame`; `is_done` once the digest went out."""

    def __init__(self, content: bytes, piece_bytes: int, most_on_way: int, send_frame: Callable[[bytes], None]) -> None:
        self._content = content
        self._piece_bytes = max(1, piece_bytes)
        self._window_bytes = self._piece_bytes * max(1, most_on_way)
        self._send_frame = send_frame
        self._sent = 0
        self.is_done = False

    def acknowledge(self, received: int) -> None:
        """The host has so many bytes (0 to begin): send on."""
        while self._sent < len(self._content) and self._sent - received < self._window_bytes:
            piece = self._content[self._sent : self._sent + self._piece_bytes]
            self._sent += len(piece)
            self._send_frame(piece)
        if received >= len(self._content) and not self.is_done:
            self.is_done = True
            self._send_frame(hashlib.md5(self._content, usedforsecurity=False).digest())
