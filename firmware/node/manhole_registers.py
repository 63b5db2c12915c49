"""Registers of the manhole: its cover and alarms, and the command that acknowledges and learns."""

from node import manhole, register_map
from node.register_map import put
from protocols import modbus, node_map, rtu

_WITHOUT_TAG = 2


class ManholeRegisters:
    """The blocks manhole and manhole command."""

    def __init__(self, registers: register_map.RegisterMap, watched: manhole.Manhole) -> None:
        self._manhole = watched
        registers.add(node_map.MANHOLE, node_map.MANHOLE_REGISTERS, self._fill)
        registers.add(
            node_map.MANHOLE_COMMAND,
            node_map.MANHOLE_COMMAND_REGISTERS,
            self._fill_nothing,
            self._take,
            register_map.GUARDED,
        )

    def _fill(self, image: bytearray) -> None:
        put(image, 0, self._manhole.state)
        put(image, node_map.MANHOLE_TILT_TENTHS - node_map.MANHOLE, self._manhole.tilt_tenths())
        put(image, node_map.MANHOLE_BACKGROUND_LEARNED - node_map.MANHOLE, 1 if self._manhole.is_learned() else 0)
        put(image, node_map.MANHOLE_ALARMS - node_map.MANHOLE, self._manhole.latched)

    def _take(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """Both fields in one write, or the acknowledgement alone."""
        if offset:
            return modbus.ILLEGAL_DATA_VALUE
        learn = rtu.get_u16(buffer, at + 2) if count >= _WITHOUT_TAG else 0
        if learn > 1:
            return modbus.ILLEGAL_DATA_VALUE
        if learn and not self._manhole.learn_again():
            return modbus.ILLEGAL_DATA_VALUE
        self._manhole.acknowledge(rtu.get_u16(buffer, at))
        return 0

    def _fill_nothing(self, image: bytearray) -> None:
        """What was commanded is not told: the image is zero already."""
