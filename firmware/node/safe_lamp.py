"""The lamp of a node in safe mode: full light, told to its driver again every minute, without listening.

Safe mode loads nothing that may have crashed the node, so nobody polls, follows a schedule or takes commands; but a
lamp that was dark by day when the node gave up must not stay dark. A lamp on pins is lit by itself: nobody holds them.
"""

import asyncio

from micropython import const

from node import board, line, supervisor
from protocols import modbus, node_table, rtu, task_codes

_EVERY_MS = const(60000)
_FRAME_BYTES = const(11)
_FULL_PCT = const(100)
_LONGEST_S = const(120)


class SafeLamp:
    """Lights the lamp on the sensor bus that `table` describes."""

    def __init__(self, table: bytes) -> None:
        port = board.open_sensor_port(node_table.baud(table), node_table.parity(table), node_table.stop_bits(table))
        self._line = line.Line(port)
        self._frame = bytearray(_FRAME_BYTES)
        unit, address = node_table.lamp_write_unit(table), node_table.lamp_write_address(table)
        value = node_table.lamp_value(table, _FULL_PCT)
        if node_table.lamp_write_function(table) == modbus.WRITE_SINGLE_REGISTER:
            self._length = rtu.build_write_single(self._frame, unit, address, value)
        else:
            self._length = rtu.build_write_multiple(self._frame, unit, address, [value], 1)

    def tasks(self, watch: supervisor.Supervisor) -> list:  # type: ignore[type-arg]
        """The one task, with its seat."""
        return [self._run(watch.seat(task_codes.LAMP, _LONGEST_S))]

    async def _run(self, seat: supervisor.Seat) -> None:
        while True:
            seat.check_in()
            self._line.drain()
            wait = self._line.begin_send(self._frame, self._length)
            while wait > 0:
                await asyncio.sleep_ms(wait)
                wait = self._line.end_send()
            await asyncio.sleep_ms(_EVERY_MS)
