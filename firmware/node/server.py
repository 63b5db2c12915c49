"""The Modbus RTU server on the pole bus: takes a burst of bytes, answers if it holds a request to this node.

It sleeps until the first byte comes. Then it reads until the line falls silent, looks for a request at the end of the
burst (protocols/spec/modbus.md) and answers from the register map. Any bytes at all give silence or a right answer.
"""

import asyncio

from micropython import const

from node import files, line, register_map, supervisor
from protocols import modbus, rtu

_RECEIVE_BYTES = const(300)
_TORN_FRAME_MS = const(30)


class Server:
    """Serves `registers` as unit `unit`; counts requests that were answered and damaged frames to this unit."""

    def __init__(self, pole_line: line.Line, unit: int, registers: register_map.RegisterMap) -> None:
        self.unit = unit
        self._line = pole_line
        self._registers = registers
        self._received = bytearray(_RECEIVE_BYTES)
        self._answer = bytearray(modbus.MAX_FRAME_BYTES)
        self._have = 0
        self._patience_ms = 0
        self._is_sending = False

    def wake(self) -> None:
        """Let the task look round though nothing has come."""
        self._line.heard.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Serve for ever."""
        while True:
            seat.check_in()
            await self._line.heard.wait()
            wait = self._step()
            while wait > 0:
                await asyncio.sleep_ms(wait)
                seat.check_in()
                wait = self._step()

    def _step(self) -> int:
        """Go on; returns the milliseconds to wait before the next step, 0 when there is nothing more to do."""
        if self._is_sending:
            wait = self._line.end_send()
            self._is_sending = wait > 0
            return wait
        have = self._line.take(self._received, self._have)
        if have != self._have:
            self._have = have
            return self._wait_for_more()
        if have == 0:
            return 0
        if self._line.quiet_ms() < self._patience_ms:
            return self._line.silence_ms
        return self._end_burst()

    def _wait_for_more(self) -> int:
        missing = self._missing()
        self._patience_ms = self._line.silence_ms
        if missing > 0:
            self._patience_ms += self._line.duration_ms(missing) + _TORN_FRAME_MS
        return max(self._line.silence_ms, self._line.duration_ms(missing))

    def _missing(self) -> int:
        """Bytes that still have to come if the burst is one request to this node; 0 if it is not, or is whole.

        One, to be on the safe side, if its function is not known, so that nothing tells its length.
        """
        received = self._received
        have = self._have
        if received[0] != self.unit and received[0] != modbus.BROADCAST_UNIT:
            return 0
        length = rtu.request_length(received, 0, have)
        if length == rtu.UNKNOWN_FUNCTION:
            return 1
        if length == rtu.UNKNOWN_LENGTH:
            length = rtu.READ_REQUEST_BYTES
        return max(0, length - have)

    def _end_burst(self) -> int:
        have = self._have
        self._have = 0
        start = rtu.find_request(self._received, have, self.unit)
        if start == rtu.NOT_FOUND:
            if self._received[0] == self.unit:
                self._registers.crc_errors += 1
            return 0
        self._registers.since_request_ms = self._line.quiet_ms()
        length = self.respond(self._received, start)
        self._registers.frames += 1
        if length == 0:
            return 0
        self._is_sending = True
        return self._line.begin_send(self._answer, length)

    def respond(self, request: bytearray, start: int) -> int:
        """Carry out the request at `request[start:]`, which `rtu.find_request` found, and write its answer.

        Returns the answer's length; 0 for a request to all units, of which only writes mean anything, and for what is
        an exception: that comes from a second node with this unit id, and two that answer each other never end.
        """
        function = request[start + 1]
        if function & modbus.EXCEPTION_FLAG:
            return 0
        is_broadcast = request[start] == modbus.BROADCAST_UNIT
        address = rtu.get_u16(request, start + 2)
        value = rtu.get_u16(request, start + 4)
        code = modbus.ILLEGAL_FUNCTION
        if function == modbus.WRITE_SINGLE_REGISTER:
            code = self._registers.write(address, 1, request, start + 4, is_broadcast)
        elif function == modbus.WRITE_MULTIPLE_REGISTERS:
            code = modbus.ILLEGAL_DATA_VALUE
            if rtu.is_count_consistent(request, start):
                code = self._registers.write(address, value, request, start + rtu.WRITE_DATA_AT, is_broadcast)
        elif is_broadcast:
            return 0
        elif function == modbus.READ_HOLDING_REGISTERS or function == modbus.READ_INPUT_REGISTERS:
            return self._read(function, address, value)
        elif function == modbus.READ_FILE_RECORD or function == modbus.WRITE_FILE_RECORD:
            return files.respond(request, start, self._answer, self.unit)
        if is_broadcast:
            return 0
        if code:
            return rtu.build_exception(self._answer, self.unit, function, code)
        return rtu.build_write_answer(self._answer, self.unit, function, address, value)

    def _read(self, function: int, address: int, count: int) -> int:
        code = modbus.ILLEGAL_DATA_VALUE
        if 1 <= count <= modbus.MAX_READ_REGISTERS:
            at = rtu.begin_read_answer(self._answer, self.unit, function, count)
            code = self._registers.read(address, count, self._answer, at)
            if not code:
                return rtu.seal(self._answer, at + 2 * count)
        return rtu.build_exception(self._answer, self.unit, function, code)
