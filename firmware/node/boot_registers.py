"""Registers that tell how the node came to run what it runs, and which terminal it is."""

from node import boot_state, log, register_map, start, two_copies
from node.register_map import put, put_u32
from protocols import node_map


class BootRegisters:
    """The blocks boot and terminal."""

    def __init__(self, registers: register_map.RegisterMap, this_start: start.Start) -> None:
        from node import factory

        self._start = this_start
        self._settings_sequence = two_copies.sequence(two_copies.SETTINGS)
        self._terminal_code = factory.terminal_code()
        registers.add(node_map.BOOT, node_map.BOOT_REGISTERS, self._fill_boot)
        registers.add(node_map.TERMINAL, node_map.TERMINAL_REGISTERS, self._fill_terminal)

    def _fill_boot(self, image: bytearray) -> None:
        state = self._start.state
        first = node_map.BOOT
        put(image, 0, self._start.reason)
        put(image, node_map.BOOT_RUNNING_SLOT - first, boot_state.running_slot())
        put(image, node_map.BOOT_PREVIOUS_SLOT - first, state.previous)
        put(image, node_map.BOOT_LEFT_REASON - first, state.left_reason)
        put(image, node_map.BOOT_SAFE_MODE - first, self._start.mode)
        put(image, node_map.BOOT_CRASHES - first, state.crashes)
        put_u32(image, node_map.BOOT_BOOTS - first, state.boots)
        put_u32(image, node_map.BOOT_SETTINGS_SEQUENCE - first, self._settings_sequence)
        put_u32(image, node_map.BOOT_LOG_NEWEST - first, log.newest())

    def _fill_terminal(self, image: bytearray) -> None:
        for index in range(len(self._terminal_code)):
            image[index] = self._terminal_code[index]
