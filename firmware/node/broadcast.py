"""Registers of what all lamps of a line are told at once: a level for groups, or an emergency.

Written to unit 0 it reaches every node and nobody answers; written to the node's own unit id it reaches that one. What
a group and an emergency do to the lamp is lamp_control's.
"""

from micropython import const

from node import clock, lamp_control, register_map
from node.register_map import u32
from protocols import modbus, node_map, rtu

GROUP_LEVEL = const(1)
EMERGENCY = const(2)

_FIELDS = const(8)


class Broadcasts:
    """The block broadcast."""

    def __init__(
        self, registers: register_map.RegisterMap, control: lamp_control.LampControl, node_clock: clock.Clock
    ) -> None:
        self._control = control
        self._clock = node_clock
        registers.add(
            node_map.BROADCAST,
            node_map.BROADCAST_REGISTERS,
            self._fill,
            self._take,
            register_map.GUARDED | register_map.BROADCAST,
        )

    def _take(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """All fields at once. What does not concern this lamp is right too; what is out of range or late is not."""
        if offset or count != _FIELDS or self._has_expired(u32(buffer, at + 12)):
            return modbus.ILLEGAL_DATA_VALUE
        action = rtu.get_u16(buffer, at)
        groups = rtu.get_u16(buffer, at + 2)
        level_pct = rtu.get_u16(buffer, at + 4)
        hold_s = rtu.get_u16(buffer, at + 8)
        if action == EMERGENCY:
            return 0 if self._control.take_emergency(level_pct, hold_s) else modbus.ILLEGAL_DATA_VALUE
        if action != GROUP_LEVEL:
            return modbus.ILLEGAL_DATA_VALUE
        if not groups & self._control.groups:
            return 0
        fade_s = rtu.get_u16(buffer, at + 6)
        is_taken = self._control.take_group(groups, level_pct, fade_s, hold_s, rtu.get_u16(buffer, at + 10))
        return 0 if is_taken else modbus.ILLEGAL_DATA_VALUE

    def _has_expired(self, expires_s: int) -> bool:
        now = self._clock
        now.update()
        return expires_s != 0 and now.is_set and now.unix_s(now.seconds, now.millis) > expires_s

    def _fill(self, image: bytearray) -> None:
        """What was told is not kept: the image is zero already."""
