"""The reader of a serial sensor: what `client` is for a Modbus bus, for frames that the node table describes.

A sensor that talks by itself is listened to once a poll: what came in before is thrown away, so that a sample is of its
own time. One that is asked gets its request. Its set-up command goes first, after a start and after every failure, for
a sensor that has lost its power has forgotten what it was told. Any bytes at all give a right frame or a quality; a
steady poll allocates nothing.
"""

from micropython import const

from node import client, line, ticks
from protocols import frame, node_table, quality
from protocols import node_table_layout as layout

_QUIET = const(1)
_SENDING = const(2)
_LISTENING = const(3)
_LOOK_AGAIN_MS = const(2)
_LOOK_FOR_STREAM_MS = const(40)
_AFTER_SETUP_MS = const(150)
_WAIT_FOR_PAUSE_MS = const(100)


class FrameReader(client.Client):
    """Reads the frames of `table`; the poller steps it as it steps the client of a bus."""

    def __init__(self, sensor_line: line.Line, table: bytes) -> None:
        super().__init__(sensor_line)
        self.request = bytearray(layout.FRAME_COMMAND_BYTES)
        self._table = table
        self._at = frame.frame_at(table, 0)
        self._needs_setup = True
        self._is_in_setup = False
        self._is_fresh = False
        self._nmea = None
        self._median = None
        if table[self._at + layout.FRAME_MEDIAN]:
            from node import median

            self._median = median.Median(node_table.slot_count(table))
        for index in range(node_table.frame_count(table)):
            if table[frame.frame_at(table, index)] == layout.SENTENCE:
                from protocols import nmea

                self._nmea = nmea

    def begin_read(
        self, unit: int, function: int, address: int, count: int, timeout_ms: int, gap_ms: int, usual_ms: int
    ) -> int:
        """Begin to read frame number `address`; otherwise as the client's, `unit`, `function` and `count` say nothing.

        The sentences of one burst are read one after the other without throwing anything away between them.
        """
        self._at = frame.frame_at(self._table, address)
        kind = self._table[self._at]
        goes_on = kind == layout.SENTENCE and address > 0 and self._is_fresh
        kept = self._have - self._end_at if goes_on else 0
        if kept:
            for index in range(kept):
                self.answer[index] = self.answer[self._end_at + index]
        self._is_fresh = False
        self._is_in_setup = self._needs_setup and kind != layout.SENTENCE and self._setup_count() > 0
        self._load()
        if goes_on:
            self.is_busy = True
            self._timeout_ms = timeout_ms
            self._usual_ms = 0
            self._have = kept
            self._since = ticks.now()
            self._state = _LISTENING
            return self._look()
        return self._begin(timeout_ms, gap_ms, usual_ms)

    def decode(self, table: bytes, slot: int, values, qualities: bytearray) -> bool:  # type: ignore[no-untyped-def]
        """Read the point of a slot out of the frame that was found; as `node_table.decode_point`."""
        if self._nmea is not None and table[self._at] == layout.SENTENCE:
            self._nmea.decode_field(table, slot, self._at, self.answer, self.start, values, qualities)
            return False
        start = self.start + table[self._at + layout.FRAME_ORIGIN]
        again = node_table.decode_point(table, slot, self.answer, start, values, qualities)
        if self._median is not None:
            self._median.take(slot, values, qualities)
        return again

    def _setup_count(self) -> int:
        return self._table[self._at + layout.FRAME_SETUP_COUNT]

    def _load(self) -> None:
        """Put the command that goes out next into `request`; there is none for a sensor that talks by itself."""
        at = self._at + (layout.FRAME_SETUP_COUNT if self._is_in_setup else layout.FRAME_REQUEST_COUNT)
        self._length = self._table[at]
        if self._table[self._at] == layout.SENTENCE:
            self._length = 0
        for index in range(self._length):
            self.request[index] = self._table[at + 1 + index]

    def _begin(self, timeout_ms: int, gap_ms: int, usual_ms: int) -> int:
        self.is_busy = True
        self.exception = 0
        self.start = 0
        self._timeout_ms = timeout_ms
        self._gap_ms = max(gap_ms, self._line.silence_ms)
        self._usual_ms = usual_ms
        self._expected = self._table[self._at + layout.FRAME_LEAST]
        self._have = 0
        self._state = _QUIET
        self._since = ticks.now()
        return self._wait_for_quiet()

    def _wait_for_quiet(self) -> int:
        """As the client's; but a sensor that speaks almost without a pause (a GNSS receiver at 9600 baud does) is
        listened to in the midst of it: sync and check value tell where a frame begins."""  # fmt: skip
        if self._length == 0 and ticks.between(ticks.now(), self._since) >= _WAIT_FOR_PAUSE_MS:
            self._line.drain()
            return self._go()
        return super()._wait_for_quiet()

    def _go(self) -> int:
        if self._length:
            return super()._go()
        self._state = _LISTENING
        self._since = ticks.now()
        return _LOOK_FOR_STREAM_MS

    def _finish_sending(self) -> int:
        wait = super()._finish_sending()
        if self._state != _LISTENING or not self._is_in_setup:
            return wait
        self._is_in_setup = False
        self._needs_setup = False
        self._load()
        self._state = _QUIET
        self._since = ticks.now()
        return _AFTER_SETUP_MS

    def _listen(self) -> int:
        have = self._line.take(self.answer, self._have)
        if have != self._have or have == len(self.answer):  # a full buffer stays full while new bytes push out old ones
            self._have = have
            return self._look()
        return self._judge_wait(_LOOK_FOR_STREAM_MS if have == 0 and self._length == 0 else _LOOK_AGAIN_MS)

    def _look(self) -> int:
        start = frame.find(self._table, self._at, self.answer, self._have)
        if start < 0:
            return self._judge_wait(max(_LOOK_AGAIN_MS, self._line.duration_ms(-start)))
        self.start = start
        self._end_at = start + frame.whole_length(self._table, self._at, self.answer, start, self._have)
        self.took_ms = ticks.between(ticks.now(), self._since)
        self._is_fresh = True
        return self._end(quality.GOOD)

    def _judge_wait(self, wait: int) -> int:
        if ticks.between(ticks.now(), self._since) < self._timeout_ms + self._line.duration_ms(self._expected):
            return wait
        self._needs_setup = True
        if self._median is not None:
            self._median.forget()
        return self._end(quality.BAD_ANSWER if self._have else quality.NO_ANSWER)
