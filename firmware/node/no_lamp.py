"""The lamp's registers on a node that has none: every command is refused with the reason NO_LAMP."""

from node import register_map
from node.register_map import put
from protocols import lamp_codes, node_map, rtu


class NoLamp:
    """Answers for the blocks lamp command and lamp state."""

    def __init__(self, registers: register_map.RegisterMap) -> None:
        self._sequence = 0
        registers.add(node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS, self._fill_state)
        registers.add(
            node_map.LAMP_COMMAND,
            node_map.LAMP_COMMAND_REGISTERS,
            self._fill_nothing,
            self._take_command,
            register_map.GUARDED,
        )

    def _take_command(self, offset: int, _count: int, buffer: bytearray, at: int) -> int:
        if offset == 0:
            self._sequence = rtu.get_u16(buffer, at)
        return 0

    def _fill_state(self, image: bytearray) -> None:
        first = node_map.LAMP_STATE
        put(image, node_map.LAMP_STATE_COMMAND_SEQUENCE - first, self._sequence)
        if self._sequence:
            put(image, node_map.LAMP_STATE_RESULT - first, lamp_codes.REFUSED)
            put(image, node_map.LAMP_STATE_REASON - first, lamp_codes.NO_LAMP)
        put(image, node_map.LAMP_STATE_COMMANDED_PCT - first, lamp_codes.LEVEL_UNKNOWN)
        put(image, node_map.LAMP_STATE_ACTUAL_PCT - first, lamp_codes.LEVEL_UNKNOWN)

    def _fill_nothing(self, image: bytearray) -> None:
        """What was told is not kept: the image is zero already."""
