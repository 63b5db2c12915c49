"""A 4-20 mA sensor at an analogue pin: its value, or a broken wire, or a short circuit (NAMUR NE 43).

The current is that of the shunt's voltage, the mean of some readings. Below 3.6 mA the wire is broken, above 21 mA, or
where the converter has come to its end, something is shorted. Loaded only where the node table has such a point.
"""

from micropython import const

from node import board, slots
from protocols import node_table_layout as layout
from protocols import quality
from protocols.node_table_layout import point_at, u16

_READINGS = const(16)
_BROKEN_UA = const(3600)
_SHORTED_UA = const(21000)
_ZERO_UA = const(4000)
_SPAN_UA = const(16000)
_FULL_UV = const(3100000)


class CurrentLoop:
    """The point of one slot; `sample` reads it now."""

    def __init__(self, table: bytes, slot: int, node_slots: slots.Slots) -> None:
        at = point_at(table, slot)
        self._slot = slot
        self._slots = node_slots
        self._adc = board.open_adc(table[at + 19])
        self._shunt_tenths = u16(table, at + 20)
        self._span = _s32(table, at + 12)
        self._zero = _s32(table, at + 24)
        self._low = _s32(table, at + 4)
        self._high = _s32(table, at + 8)

    def sample(self) -> None:
        """Make a sample of the current that flows now, or note why there is none. Allocates nothing."""
        microvolts = 0
        for _ in range(_READINGS):
            microvolts += self._adc.read_uv()
        microvolts //= _READINGS
        current = microvolts * 10 // self._shunt_tenths
        if current < _BROKEN_UA:
            self._slots.fail(self._slot, 1, quality.WIRE_BREAK)
        elif current > _SHORTED_UA or microvolts >= _FULL_UV:
            self._slots.fail(self._slot, 1, quality.SHORT_CIRCUIT)
        else:
            self._take(self._zero + ((current - _ZERO_UA) * self._span + _SPAN_UA // 2) // _SPAN_UA)

    def _take(self, value: int) -> None:
        if self._low <= value <= self._high:
            self._slots.sample(self._slot, value)
        else:
            self._slots.fail(self._slot, 1, quality.RANGE)


def _s32(table: bytes, at: int) -> int:
    high = u16(table, at)
    return (high - 0x10000 if high & 0x8000 else high) << 16 | u16(table, at + 2)


def is_one(table: bytes, slot: int) -> bool:
    """Whether the slot's point is a current loop at a pin that this board has for it."""
    at = point_at(table, slot)
    return table[at] == layout.ANALOG and table[at + 19] in board.ADC_PINS
