"""The lamp: a command becomes the driver's value, is written over the sensor bus, read back and reported.

Writes go before polling. A command that is replaced by a newer one is given up at the next step. A fade is one write a
second along the straight line in light output; only its end is read back.
"""

import asyncio

from micropython import const

from node import client, clock, events, supervisor, units
from protocols import event_codes, lamp_codes, node_table, quality, rtu

_TRIES = const(2)
_TURN_MS = const(2)
_FADE_STEP_MS = const(1000)
_LOOK_EVERY_MS = const(500)


class Lamp:
    """The lamp's state as the registers tell it; results and reasons are those of protocols/lamp_codes.py."""

    def __init__(
        self,
        table: bytes,
        bus: client.Client,
        node_units: units.Units,
        node_events: events.Events,
        node_clock: clock.Clock,
    ) -> None:
        self.sequence = 0
        self.result = lamp_codes.NONE
        self.reason = lamp_codes.NO_REASON
        self.commanded_pct = lamp_codes.LEVEL_UNKNOWN
        self.actual_pct = lamp_codes.LEVEL_UNKNOWN
        self.driver_raw = 0
        self._table = table
        self._bus = bus
        self._units = node_units
        self._events = node_events
        self._clock = node_clock
        self._wanted = 0
        self._carried_out = 0
        self._seat: "supervisor.Seat | None" = None
        self._fade_s = 0
        self._commanded = asyncio.Event()
        if node_table.lamp_present(table):
            device = node_table.lamp_device(table)
            self._timeout_ms = node_table.device_reply_timeout_ms(table, device)
            self._gap_ms = node_table.device_gap_ms(table, device)
            self._retries = node_table.device_retries(table, device)

    def take_command(self, sequence: int, level_pct: int, fade_s: int, expires_s: int) -> None:
        """Take command number `sequence`, unless it is 0 or the last one again; the result tells what becomes of it.

        `level_pct` is linear light output 0 to 100, `expires_s` Unix seconds (0: never), judged only by a set clock.
        """
        if sequence in (0, self.sequence):
            return
        self.sequence = sequence
        self.reason = self._refusal(level_pct, expires_s)
        if self.reason:
            self.result = lamp_codes.REFUSED
            return
        self.result = lamp_codes.WORKING
        self.commanded_pct = level_pct
        self._wanted = sequence
        self._fade_s = fade_s
        self._commanded.set()

    def _refusal(self, level_pct: int, expires_s: int) -> int:
        if not node_table.lamp_present(self._table):
            return lamp_codes.NO_LAMP
        if level_pct > 100:
            return lamp_codes.LEVEL_OUT_OF_RANGE
        self._clock.update()
        is_late = self._clock.is_set and self._clock.unix_s(self._clock.seconds, self._clock.millis) > expires_s
        return lamp_codes.EXPIRED if expires_s and is_late else lamp_codes.NO_REASON

    def wake(self) -> None:
        """Let the task look round though nothing was commanded."""
        self._commanded.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Carry out commands for ever."""
        self._seat = seat
        while True:
            seat.check_in()
            await self._commanded.wait()
            self._commanded.clear()
            if self._carried_out != self._wanted:
                self._carried_out = self._wanted
                await self._carry_out(self._wanted, self.commanded_pct)

    async def _carry_out(self, sequence: int, level_pct: int) -> None:
        await self._read_back(0)
        await self._fade(sequence, level_pct)
        for _ in range(_TRIES):
            if self._wanted != sequence:
                return
            reason = await self._set_level(level_pct)
            if reason != lamp_codes.NOT_KEPT:
                break
        if self.sequence == sequence:
            self.result = lamp_codes.FAILED if reason else lamp_codes.CONFIRMED
            self.reason = reason
        if reason:
            self._events.add(event_codes.LAMP_FAILED, node_table.lamp_read_slot(self._table), reason)

    async def _fade(self, sequence: int, level_pct: int) -> None:
        """Write all levels but the last of a fade; ends early when the driver does not take one."""
        start = self.actual_pct
        steps = self._fade_s
        if start == lamp_codes.LEVEL_UNKNOWN:
            return
        for step in range(1, steps):
            level = start + (level_pct - start) * step // steps
            if self._wanted != sequence or await self._write(level):
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
