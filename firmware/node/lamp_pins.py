"""A lamp on pins: 0-10 V by PWM, a relay whose contact is closed while it has no power, or both.

Until the first level is given, and whenever the board is in reset, the lamp is lit: the relay has no power and the
dimmer's stage is wired so that no signal means full. A 0-10 V driver takes 1 V as its least: level 0 is 0 V, levels 1
to 10 are 1 V. With both, the relay switches and the dimmer only dims. There is nothing to read back: what was set is
told, 100 per cent by a relay alone.
"""

import asyncio

from micropython import const

from node import board, supervisor
from protocols import event_codes, lamp_codes, node_table
from protocols import node_table_layout as layout

_FADE_STEP_MS = const(1000)
_LEAST_PCT = const(10)


class LampPins:
    """The same to its users as `lamp.Lamp`; it never fails and never strays."""

    def __init__(self, table: bytes) -> None:
        self.commanded_pct = lamp_codes.LEVEL_UNKNOWN
        self.actual_pct = 100
        self.driver_raw = 0
        self.reason = lamp_codes.NO_REASON
        self.is_busy = False
        self.on_end = None
        self.slot = event_codes.NO_SLOT
        self._fade_s = 0
        self._asked = 0
        self._carried_out = 0
        self._commanded = asyncio.Event()
        self._dimmer: "board.Dimmer | None" = None
        self._relay: "board.Relay | None" = None
        flags = node_table.lamp_pin_flags(table)
        dimmer, relay = node_table.lamp_dimmer_pin(table), node_table.lamp_relay_pin(table)
        if dimmer in board.OUTPUT_PINS:
            self._dimmer = board.Dimmer(dimmer, bool(flags & layout.DIMMER_INVERTED))
        if relay in board.OUTPUT_PINS:
            self._relay = board.Relay(relay, bool(flags & layout.RELAY_ACTIVE_LOW))

    def drive(self, level_pct: int, fade_s: int) -> None:
        """Begin to bring the lamp to linear light output 0 to 100 within `fade_s` seconds."""
        self.commanded_pct = level_pct
        self._fade_s = fade_s
        self._asked = (self._asked + 1) & 0xFFFF
        self.is_busy = True
        self._commanded.set()

    def has_strayed(self) -> bool:
        """Pins stay as they are set."""
        return False

    def is_silent(self) -> bool:
        """Pins always answer."""
        return False

    def wake(self) -> None:
        """Let the task look round though nothing was commanded."""
        self._commanded.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Carry out levels for ever."""
        while True:
            seat.check_in()
            await self._commanded.wait()
            self._commanded.clear()
            if self._carried_out != self._asked:
                self._carried_out = self._asked
                await self._carry_out(self._asked, self.commanded_pct, seat)

    async def _carry_out(self, asked: int, level_pct: int, seat: supervisor.Seat) -> None:
        start = self.actual_pct
        for step in range(1, self._fade_s if self._dimmer is not None else 0):
            self._put(start + (level_pct - start) * step // self._fade_s)
            await asyncio.sleep_ms(_FADE_STEP_MS)
            seat.check_in()
            if self._asked != asked:
                return
        self._put(level_pct)
        self.is_busy = False
        if self.on_end is not None:
            self.on_end(lamp_codes.NO_REASON)

    def _put(self, level_pct: int) -> None:
        lit_pct = max(level_pct, _LEAST_PCT) if self._dimmer is not None else 100
        self.actual_pct = self.driver_raw = lit_pct if level_pct else 0
        if self._dimmer is not None:
            self._dimmer.set(self.driver_raw)
        if self._relay is not None:
            self._relay.set(level_pct > 0)
