"""Who answers on the sensor bus: every unit id is asked between the polls, on whom the bus goes first as always.

A device answers a read of one register, were it with an exception. Who is in the node table is asked for what is
polled, with the patience that the table has for it, and not while a late answer of it may come. What comes in the
place of another one's answer is from a device that was slow: it is asked again, with more patience.
"""

import asyncio

from micropython import const

from node import client, console, supervisor, units
from protocols import crc, modbus, node_table, quality

_FIRST_UNIT = const(1)
_LAST_UNIT = const(247)
_TIMEOUT_MS = const(200)
_PATIENT_MS = const(1000)
_GAP_MS = const(5)
_TURN_MS = const(4)
_AFTER_MS = const(12)
_DOT_EVERY = const(8)
_ANSWER_BYTES = const(7)


async def tell(sheet: console.Sheet, node: console.Console) -> None:
    """Put `scan` (done, or refused and why), then `answered`, unit ids one after the other."""
    why_not = _why_not(node)
    if why_not:
        await sheet.begin()
        await sheet.put("scan", "refused: " + why_not)
        return
    scan = _Scan(node.table, node.bus, node.poller.units, sheet.seat)  # type: ignore[arg-type, union-attr]
    answered: "list[int]" = []
    again: "list[int]" = []
    for unit in range(_FIRST_UNIT, _LAST_UNIT + 1):
        await scan.ask(unit, _TIMEOUT_MS)
        if scan.has_answered:
            answered.append(unit)
        elif scan.was_noisy:
            again.extend((scan.late_unit(), unit))
        if unit % _DOT_EVERY == 0:
            await sheet.raw(".")
    for unit in again:
        if _FIRST_UNIT <= unit <= _LAST_UNIT and unit not in answered:
            await scan.ask(unit, _PATIENT_MS)
            if scan.has_answered:
                answered.append(unit)
    await sheet.begin()
    await sheet.put("scan", "done")
    await sheet.put("answered", " ".join([str(unit) for unit in sorted(answered)]) or "none")


def _why_not(node: console.Console) -> str:
    if node.table is None:
        return "no table"
    if node.poller is None:
        return "safe mode"
    if node_table.frame_count(node.table):
        return "a serial sensor is there"
    return "" if node_table.baud(node.table) else "no sensor bus"


class _Scan:
    """Asks one unit after the other; `has_answered` and `was_noisy` are those of the last one."""

    def __init__(self, table: bytes, bus: client.Client, node_units: units.Units, seat: supervisor.Seat) -> None:
        self.has_answered = False
        self.was_noisy = False
        self._table = table
        self._bus = bus
        self._units = node_units
        self._seat = seat

    async def ask(self, unit: int, timeout_ms: int) -> None:
        """Ask when the bus is free; whoever else has something to ask then gets its turn."""
        request = self._request(unit)
        if request >= 0:
            device = node_table.request_device(self._table, request)
            timeout_ms = max(timeout_ms, node_table.device_reply_timeout_ms(self._table, device))
        bus = self._bus
        while bus.is_busy or bus.is_wanted or self._units.held_ms(unit):
            self._seat.check_in()
            await asyncio.sleep_ms(_TURN_MS)
        wait = self._begin(unit, request, timeout_ms)
        while wait > 0:
            await asyncio.sleep_ms(wait)
            wait = bus.step()
        self._seat.check_in()
        self.has_answered = bus.result == quality.GOOD or bus.exception != 0
        self.was_noisy = not self.has_answered and bus.result == quality.BAD_ANSWER
        if not self.has_answered:
            self._units.hold_unit_id(unit, timeout_ms + client.LATE_MS)
        await asyncio.sleep_ms(_AFTER_MS)

    def late_unit(self) -> int:
        """Whose late answer came in the place of that of the last one; 0 if it cannot be told."""
        answer = self._bus.answer
        return 0 if crc.crc16(answer, 0, _ANSWER_BYTES) else answer[0]  # over a frame and its own CRC that is 0

    def _begin(self, unit: int, request: int, timeout_ms: int) -> int:
        table = self._table
        if request < 0:
            return self._bus.begin_read(unit, modbus.READ_HOLDING_REGISTERS, 0, 1, timeout_ms, _GAP_MS, 0)
        return self._bus.begin_read(
            unit,
            node_table.request_function(table, request),
            node_table.request_address(table, request),
            node_table.request_registers(table, request),
            timeout_ms,
            _GAP_MS,
            0,
        )

    def _request(self, unit: int) -> int:
        """The first request of the node table to this unit, -1 where it is in none."""
        for request in range(node_table.request_count(self._table)):
            if node_table.request_unit(self._table, request) == unit:
                return request
        return -1
