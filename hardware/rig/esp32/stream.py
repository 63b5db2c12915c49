"""A descriptor in the event loop: what arrives is handed on, what leaves waits in order for its turn."""

import asyncio
import os
from collections.abc import Callable

_READ_BYTES = 65_536
_MOST_WAITING_BYTES = 1 << 20


class Stream:
    """`on_data` gets what is read, `on_end` is called once when the other side is gone. Owns the descriptor.

    `lost_bytes` counts what was dropped because the other side does not read.
    """

    def __init__(self, descriptor: int, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self.descriptor = descriptor
        self.lost_bytes = 0
        self._on_data = on_data
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._waiting = bytearray()
        self._is_open = True
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def write(self, data: bytes, *, may_be_lost: bool = False) -> None:
        """Send after what waits; what `may_be_lost`, or would wait too long, is dropped."""
        if not self._is_open:
            return
        room = 0 if may_be_lost and self._waiting else _MOST_WAITING_BYTES - len(self._waiting)
        self.lost_bytes += max(0, len(data) - room)
        self._waiting += data[:room]
        self._flush()
        if may_be_lost and self._waiting:
            self.lost_bytes += len(self._waiting)
            self._waiting.clear()
            self._loop.remove_writer(self.descriptor)

    def close(self) -> None:
        """Close the descriptor; `on_end` is not called any more."""
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self.descriptor)
            self._loop.remove_writer(self.descriptor)
            os.close(self.descriptor)

    def _read(self) -> None:
        try:
            data = os.read(self.descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError:  # EIO of a pty that nobody has open, ECONNRESET of a socket: the other side is gone
            data = b""
        if data:
            self._on_data(data)
        elif self._is_open:
            self._loop.remove_reader(self.descriptor)
            self._loop.remove_writer(self.descriptor)
            self._waiting.clear()
            self._on_end()

    def _flush(self) -> None:
        while self._waiting:
            try:
                sent = os.write(self.descriptor, self._waiting)
            except BlockingIOError:
                self._loop.add_writer(self.descriptor, self._flush)
                return
            except OSError:  # as in _read, which tells it
                self._waiting.clear()
                break
            del self._waiting[:sent]
        self._loop.remove_writer(self.descriptor)

    def resume(self) -> None:
        """Watch the descriptor again after its end, for a pty that somebody has opened anew."""
        if self._is_open:
            self._loop.add_reader(self.descriptor, self._read)
