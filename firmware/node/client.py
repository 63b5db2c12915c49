"""The Modbus RTU client on the sensor bus: one exchange at a time, stepped by whoever owns the bus.

    wait = client.begin_read(unit, function, address, count, timeout_ms, gap_ms, usual_ms)
    while wait > 0:
        await asyncio.sleep_ms(wait)
        wait = client.step()

Rules of protocols/spec/modbus.md: quiet line first, answer found by length and CRC behind any noise, given up after
the device's own time. A steady exchange allocates nothing.
"""

from micropython import const

from node import line, ticks
from protocols import modbus, node_table, quality, rtu

_BUFFER_BYTES = const(320)
_REQUEST_BYTES = const(11)
_QUIET = const(1)
_SENDING = const(2)
_LISTENING = const(3)
_DONE = const(0)
_LOOK_AGAIN_MS = const(2)
_BUSY_LINE_MS = const(300)

LATE_MS = const(1000)
"""How long after its reply time-out a device's answer may still come; until then it is asked nothing else."""


class Client:
    """After an exchange: `result` (a quality), `exception` (Modbus code or 0), `answer` with the frame at `start`.

    Nobody begins while it `is_busy`; who has precedence over the poller sets `is_wanted` while waiting for its turn.
    """

    def __init__(self, sensor_line: line.Line) -> None:
        self.request = bytearray(_REQUEST_BYTES)
        self.answer = bytearray(_BUFFER_BYTES)
        self.start = 0
        self.result = quality.NEVER
        self.exception = 0
        self.took_ms = 0
        self.is_busy = False
        self.is_wanted = False
        self._one = [0]
        self._line = sensor_line
        self._state = _DONE
        self._length = 0
        self._have = 0
        self._expected = 0
        self._gap_ms = 0
        self._timeout_ms = 0
        self._usual_ms = 0
        self._since = ticks.now()

    def begin_read(
        self, unit: int, function: int, address: int, count: int, timeout_ms: int, gap_ms: int, usual_ms: int
    ) -> int:
        """Begin to read `count` registers; returns milliseconds to wait before `step`, as `step` does.

        `timeout_ms` until the answer begins, `gap_ms` of quiet line before the request, `usual_ms` is what `took_ms`
        was last time (0 if unknown): nobody looks for the answer much earlier.
        """
        self._length = rtu.build_read(self.request, unit, function, address, count)
        return self._begin(timeout_ms, gap_ms, usual_ms)

    def begin_write(self, unit: int, function: int, address: int, value: int, timeout_ms: int, gap_ms: int) -> int:
        """Begin to write one register with function 6 or 16; otherwise as `begin_read`."""
        if function == modbus.WRITE_SINGLE_REGISTER:
            self._length = rtu.build_write_single(self.request, unit, address, value)
        else:
            self._one[0] = value
            self._length = rtu.build_write_multiple(self.request, unit, address, self._one, 1)
        return self._begin(timeout_ms, gap_ms, 0)

    def step(self) -> int:
        """Go on with the exchange; returns the milliseconds to wait before the next step, 0 when it is over."""
        if self._state == _LISTENING:
            return self._listen()
        if self._state == _SENDING:
            return self._finish_sending()
        if self._state == _QUIET:
            return self._wait_for_quiet()
        return 0

    def decode(self, table: bytes, slot: int, values, qualities: bytearray) -> bool:  # type: ignore[no-untyped-def]
        """Read the point of a slot out of the answer; as `node_table.decode_point`."""
        return node_table.decode_point(table, slot, self.answer, self.start + rtu.ANSWER_DATA_AT, values, qualities)

    def _begin(self, timeout_ms: int, gap_ms: int, usual_ms: int) -> int:
        self.is_busy = True
        self.exception = 0
        self.start = 0
        self._timeout_ms = timeout_ms
        self._gap_ms = max(gap_ms, self._line.silence_ms)
        self._usual_ms = usual_ms
        self._expected = rtu.answer_length(self.request)
        self._have = 0
        self._state = _QUIET
        self._since = ticks.now()
        return self._wait_for_quiet()

    def _wait_for_quiet(self) -> int:
        self._line.drain()
        missing = self._gap_ms - self._line.quiet_ms()
        if missing > 0:
            if ticks.between(ticks.now(), self._since) > self._gap_ms + _BUSY_LINE_MS:
                return self._end(quality.BAD_ANSWER)
            return missing
        return self._go()

    def _go(self) -> int:
        self._state = _SENDING
        return self._line.begin_send(self.request, self._length)

    def _finish_sending(self) -> int:
        wait = self._line.end_send()
        if wait:
            return wait
        self._state = _LISTENING
        self._since = ticks.now()
        soonest = self._line.duration_ms(self._expected) + self._line.silence_ms
        return max(soonest, self._usual_ms)

    def _listen(self) -> int:
        line_ = self._line
        have = line_.take(self.answer, self._have)
        waited = ticks.between(ticks.now(), self._since)
        if have != self._have:
            self._have = have
            start = rtu.find_answer(self.answer, have, self.request)
            if start != rtu.NOT_FOUND:
                return self._accept(start, waited)
            if have < self._expected:
                return max(_LOOK_AGAIN_MS, line_.duration_ms(self._expected - have))
        elif have >= self._expected and line_.quiet_ms() > 2 * line_.silence_ms:
            return self._end(quality.BAD_ANSWER)
        if waited >= self._timeout_ms + line_.duration_ms(self._expected):
            return self._end(quality.NO_ANSWER if have < modbus.MIN_FRAME_BYTES else quality.BAD_ANSWER)
        return _LOOK_AGAIN_MS

    def _accept(self, start: int, waited: int) -> int:
        self.start = start
        self.took_ms = waited
        self.exception = rtu.exception_code(self.answer, start)
        return self._end(quality.BAD_ANSWER if self.exception else quality.GOOD)

    def _end(self, result: int) -> int:
        self.result = result
        self.is_busy = False
        self._state = _DONE
        return 0
