"""One half-duplex serial line: send a frame, release the line when it is out, take what came in.

RS-485 by software: the direction pin goes up before the frame and down one character after the transmitter is empty
(DOMAIN 5.1). Nothing here waits; each function says in how many milliseconds to come back.
"""

from micropython import const

from node import board, ticks
from protocols import rtu

_SCRATCH_BYTES = const(64)
_MAX_VIEWS = const(16)
_MAX_READS = const(16)


class Line:
    """A port with its times: `character_us`, and `silence_ms`, the pause that parts two frames."""

    def __init__(self, port: board.Port) -> None:
        self.character_us = rtu.character_us(port.baud, port.has_parity, port.stop_bits)
        self.silence_ms = (rtu.silence_us(port.baud) + 999) // 1000
        self.heard = port.heard
        self._uart = port.uart
        self._direction = port.direction
        self._echoes = port.echoes
        self._active = ticks.now()
        self._scratch = bytearray(_SCRATCH_BYTES)
        self._views: "dict[int, memoryview]" = {}
        self._sending = 0
        self._is_late = False

    def duration_ms(self, characters: int) -> int:
        """Milliseconds, rounded up, that `characters` take on the line."""
        return (characters * self.character_us + 999) // 1000

    def quiet_ms(self) -> int:
        """Milliseconds since the line last carried something that this node sent or took; at most ten seconds."""
        quiet = ticks.between(ticks.now(), self._active)
        return quiet if 0 <= quiet < 10000 else 10000

    def drain(self) -> bool:
        """Throw away what has come in; whether there was something."""
        drained = False
        for _ in range(_MAX_READS):
            if not self._uart.any():
                break
            self._uart.readinto(self._scratch)
            drained = True
        if drained:
            self._active = ticks.now()
        return drained

    def take(self, buffer: bytearray, have: int) -> int:
        """Append what has come in to `buffer[:have]` and return the new length.

        When the buffer is full its oldest bytes go: the end of a burst is what counts. A line that never falls silent
        does not keep it from coming back.
        """
        waiting = self._uart.any()
        if not waiting:
            return have
        self._active = ticks.now()
        if have == 0 and waiting <= len(buffer):
            return self._uart.readinto(buffer, waiting) or 0
        scratch = self._scratch
        room = len(buffer)
        for _ in range(_MAX_READS):
            count = self._uart.readinto(scratch) or 0 if waiting else 0
            if count == 0:
                break
            excess = have + count - room
            if excess > 0:
                for index in range(excess, have):
                    buffer[index - excess] = buffer[index]
                have -= excess
            for index in range(count):
                buffer[have + index] = scratch[index]
            have += count
            waiting = self._uart.any()
        return have

    def begin_send(self, frame: bytearray, length: int) -> int:
        """Take the line and start to send `frame[:length]`; ask `end_send` after the returned milliseconds.

        The line keeps one view of each frame's buffer and length, so always send from the same buffer. Whoever makes
        the node answer in all lengths makes it forget them, for views must not fill the heap.
        """
        view = self._views.get(length)
        if view is None:
            if len(self._views) >= _MAX_VIEWS:
                self._views.clear()
            view = memoryview(frame)[:length]
            self._views[length] = view
        self._direction.value(1)
        self._uart.write(view)
        self._sending = length
        return self.duration_ms(length + 1)

    def end_send(self) -> int:
        """Release the line if all is out and return 0, or else the milliseconds after which to ask again.

        A transmitter that was not done at the first question gets its one character of time after it is.
        """
        was_late = self._is_late
        self._is_late = not self._uart.txdone()
        if self._is_late or was_late:
            return self.duration_ms(1)
        self._direction.value(0)
        self._active = ticks.now()
        if self._echoes:
            self._drop_echo()
        return 0

    def _drop_echo(self) -> None:
        left = min(self._sending, self._uart.any())
        while left > 0:
            left -= self._uart.readinto(self._scratch, min(left, _SCRATCH_BYTES)) or left
