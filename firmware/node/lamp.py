"""The lamp on the sensor bus: a level becomes the driver's value, is written, read back and reported.

Writes go before polling. A level that is replaced by a newer one is given up at the next step. A fade is one write a
second along the straight line in light output; only its end is read back. Which level it shall be is `lamp_control`'s
business; `lamp_pins` is the same for a lamp on pins.
"""

import asyncio

from micropython import const

from node import client, slots, supervisor, units
from protocols import lamp_codes, node_table, quality, rtu

_TRIES = const(2)
_TURN_MS = const(2)
_FADE_STEP_MS = const(1000)
_LOOK_EVERY_MS = const(500)


class Lamp:
    """A driver on the sensor bus. `on_end`, if set, is called with the reason (NO_REASON when the driver has it) when
    a level that was not replaced has come to its end. Reasons are those of protocols/lamp_codes.py."""  # fmt: skip

    def __init__(self, table: bytes, bus: client.Client, node_units: units.Units, node_slots: slots.Slots) -> None:
        self.commanded_pct = lamp_codes.LEVEL_UNKNOWN
        self.actual_pct = lamp_codes.LEVEL_UNKNOWN
        self.driver_raw = 0
        self.reason = lamp_codes.NO_REASON
        self.is_busy = False
        self.on_end = None
        self.slot = node_table.lamp_read_slot(table)
        self._table = table
        self._bus = bus
        self._units = node_units
        self._slots = node_slots
        self._asked = 0
        self._carried_out = 0
        self._seat: "supervisor.Seat | None" = None
        self._fade_s = 0
        self._kept = 0
        self._counter = 0
        self._commanded = asyncio.Event()
        device = node_table.lamp_device(table)
        self._timeout_ms = node_table.device_reply_timeout_ms(table, device)
        self._gap_ms = node_table.device_gap_ms(table, device)
        self._retries = node_table.device_retries(table, device)

    def drive(self, level_pct: int, fade_s: int) -> None:
        """Begin to bring the lamp to linear light output 0 to 100 within `fade_s` seconds."""
        self.commanded_pct = level_pct
        self._fade_s = fade_s
        self._asked = (self._asked + 1) & 0xFFFF
        self.is_busy = True
        self._commanded.set()

    def has_strayed(self) -> bool:
        """Whether a new poll shows another value than the driver last had, or the first answer after a failure.

        Then the driver has lost its supply, or somebody else commands it. Allocates nothing.
        """
        node_slots = self._slots
        if self.is_busy:
            return False
        if node_slots.qualities[self.slot] != quality.GOOD or self._counter == node_slots.counters[self.slot]:
            return False
        self._counter = node_slots.counters[self.slot]
        return bool(self.reason) or self._kept != node_slots.values[self.slot]

    def is_silent(self) -> bool:
        """Whether the driver's last poll had no right answer."""
        return self._slots.qualities[self.slot] in (quality.NO_ANSWER, quality.BAD_ANSWER)

    def wake(self) -> None:
        """Let the task look round though nothing was commanded."""
        self._commanded.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Carry out levels for ever."""
        self._seat = seat
        while True:
            seat.check_in()
            await self._commanded.wait()
            self._commanded.clear()
            if self._carried_out != self._asked:
                self._carried_out = self._asked
                await self._carry_out(self._asked, self.commanded_pct)

    async def _carry_out(self, asked: int, level_pct: int) -> None:
        await self._read_back(0)
        await self._fade(asked, level_pct)
        for _ in range(_TRIES):
            if self._asked != asked:
                return
            reason = await self._set_level(level_pct)
            if reason != lamp_codes.NOT_KEPT:
                break
        if self._asked == asked:
            self.reason = reason
            self._kept = self.driver_raw
            self._counter = self._slots.counters[self.slot]
            self.is_busy = False
            if self.on_end is not None:
                self.on_end(reason)

    async def _fade(self, asked: int, level_pct: int) -> None:
        """Write all levels but the last of a fade; ends early when the driver does not take one."""
        start = self.actual_pct
        steps = self._fade_s
        if start == lamp_codes.LEVEL_UNKNOWN:
            return
        for step in range(1, steps):
            level = start + (level_pct - start) * step // steps
            if self._asked != asked or await self._write(level):
                return
            await asyncio.sleep_ms(_FADE_STEP_MS)

    async def _set_level(self, level_pct: int) -> int:
        """Write a level and read it back; returns a reason, NO_REASON when the driver has it.

        The driver may show its old value for the profile's settle time. A new value is believed as soon as it shows;
        one that was there before the write says nothing until that time has passed.
        """
        value = node_table.lamp_value(self._table, level_pct)
        is_old = self.actual_pct == lamp_codes.LEVEL_UNKNOWN or self.driver_raw == value
        reason = await self._write(level_pct)
        left_ms = node_table.lamp_settle_ms(self._table)
        while not reason:
            pause_ms = left_ms if is_old else min(left_ms, _LOOK_EVERY_MS)
            await asyncio.sleep_ms(pause_ms)
            left_ms -= pause_ms
            reason = await self._read_back(self._retries)
            if not reason and self.driver_raw == value:
                return lamp_codes.NO_REASON
            if left_ms == 0:
                return reason or lamp_codes.NOT_KEPT
        return reason

    async def _write(self, level_pct: int) -> int:
        table = self._table
        unit = node_table.lamp_write_unit(table)
        for _ in range(self._retries + 1):
            await self._take_turn(unit)
            wait = self._bus.begin_write(
                unit,
                node_table.lamp_write_function(table),
                node_table.lamp_write_address(table),
                node_table.lamp_value(table, level_pct),
                self._timeout_ms,
                self._gap_ms,
            )
            if await self._finish(wait, unit):
                break
        return self._reason()

    async def _read_back(self, retries: int) -> int:
        """Read the driver's present value into `driver_raw` and `actual_pct`; returns a reason."""
        table = self._table
        unit = node_table.lamp_read_unit(table)
        for _ in range(retries + 1):
            await self._take_turn(unit)
            wait = self._bus.begin_read(
                unit,
                node_table.lamp_read_function(table),
                node_table.lamp_read_address(table),
                1,
                self._timeout_ms,
                self._gap_ms,
                0,
            )
            if await self._finish(wait, unit):
                break
        reason = self._reason()
        self.actual_pct = lamp_codes.LEVEL_UNKNOWN
        if not reason:
            self.driver_raw = rtu.get_u16(self._bus.answer, self._bus.start + rtu.ANSWER_DATA_AT)
            self.actual_pct = node_table.lamp_level(table, self.driver_raw, self.commanded_pct)
        return reason

    async def _take_turn(self, unit: int) -> None:
        """Wait until the bus is free and no late answer of the unit can come any more."""
        while True:
            held_ms = self._units.held_ms(unit)
            if held_ms:
                await asyncio.sleep_ms(held_ms)
            self._bus.is_wanted = True
            while self._bus.is_busy:
                await asyncio.sleep_ms(_TURN_MS)
            self._bus.is_wanted = False
            if not self._units.held_ms(unit):
                return

    async def _finish(self, wait: int, unit: int) -> bool:
        """Go through the exchange; True when the device has answered, be it with an exception."""
        while wait > 0:
            await asyncio.sleep_ms(wait)
            wait = self._bus.step()
        if self._seat is not None:
            self._seat.check_in()
        if self._bus.result == quality.GOOD or self._bus.exception:
            self._units.wake_unit_id(unit)
            return True
        self._units.hold_unit_id(unit, self._timeout_ms + client.LATE_MS)
        return False

    def _reason(self) -> int:
        if self._bus.result == quality.GOOD:
            return lamp_codes.NO_REASON
        return lamp_codes.DRIVER_REFUSED if self._bus.exception else lamp_codes.DRIVER_SILENT
