"""Registers of the lamp: its command and what became of it."""

from node import lamp, register_map
from node.register_map import put, u32
from protocols import node_map, rtu


class LampRegisters:
    """The blocks lamp command and lamp state."""

    def __init__(self, registers: register_map.RegisterMap, node_lamp: lamp.Lamp) -> None:
        self._lamp = node_lamp
        self._command = bytearray(2 * node_map.LAMP_COMMAND_REGISTERS)
        registers.add(node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS, self._fill_state)
        registers.add(node_map.LAMP_COMMAND, node_map.LAMP_COMMAND_REGISTERS, self._fill_command, self._take_command)

    def _take_command(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """The registers may be written one by one; the one with the sequence sets the command going."""
        command = self._command
        for index in range(2 * count):
            command[2 * offset + index] = buffer[at + index]
        if offset == 0:
            self._lamp.take_command(
                rtu.get_u16(command, 0), rtu.get_u16(command, 2), rtu.get_u16(command, 4), u32(command, 6)
            )
        return 0

    def _fill_command(self, image: bytearray) -> None:
        for index in range(2 * (node_map.LAMP_COMMAND_AUTH_COUNTER - node_map.LAMP_COMMAND)):
            image[index] = self._command[index]

    def _fill_state(self, image: bytearray) -> None:
        first = node_map.LAMP_STATE
        put(image, node_map.LAMP_STATE_COMMAND_SEQUENCE - first, self._lamp.sequence)
        put(image, node_map.LAMP_STATE_RESULT - first, self._lamp.result)
        put(image, node_map.LAMP_STATE_REASON - first, self._lamp.reason)
        put(image, node_map.LAMP_STATE_COMMANDED_PCT - first, self._lamp.commanded_pct)
        put(image, node_map.LAMP_STATE_ACTUAL_PCT - first, self._lamp.actual_pct)
        put(image, node_map.LAMP_STATE_DRIVER_RAW - first, self._lamp.driver_raw)
