"""Registers of the events: a window on the oldest ones, and the gateway's acknowledgement."""

from node import clock, events, register_map
from node.register_map import put, put_u32, u32
from protocols import modbus, node_map

_ACKNOWLEDGEMENT_WITHOUT_TAG = 4


class EventRegisters:
    """The blocks events and event acknowledgement."""

    def __init__(
        self, registers: register_map.RegisterMap, node_events: events.Events, node_clock: clock.Clock
    ) -> None:
        self._events = node_events
        self._clock = node_clock
        registers.add(node_map.EVENTS, node_map.EVENTS_REGISTERS, self._fill)
        registers.add(
            node_map.EVENT_ACKNOWLEDGEMENT,
            node_map.EVENT_ACKNOWLEDGEMENT_REGISTERS,
            self._fill_nothing,
            self._take_acknowledgement,
            register_map.GUARDED,
        )

    def _fill(self, image: bytearray) -> None:
        kept = self._events
        first = node_map.EVENTS
        count = min(kept.count, node_map.EVENT_COUNT)
        put_u32(image, node_map.EVENTS_OLDEST - first, kept.oldest)
        put_u32(image, node_map.EVENTS_NEWEST - first, kept.newest)
        put_u32(image, node_map.EVENTS_OVERFLOW - first, kept.overflow)
        put(image, node_map.EVENTS_COUNT_IN_WINDOW - first, count)
        for index in range(count):
            at = node_map.EVENT - first + index * node_map.EVENT_REGISTERS
            self._fill_event(image, at, kept.oldest + index)

    def _fill_event(self, image: bytearray, at: int, sequence: int) -> None:
        kept = self._events
        put_u32(image, at + node_map.EVENT_SEQUENCE, sequence)
        put(image, at + node_map.EVENT_CODE, kept.code(sequence))
        put(image, at + node_map.EVENT_SLOT, kept.slot(sequence))
        put_u32(image, at + node_map.EVENT_VALUE, kept.value(sequence))
        put_u32(image, at + node_map.EVENT_UNIX_S, kept.unix_s(sequence))
        put(image, at + node_map.EVENT_UNIX_MS, kept.unix_ms(sequence))
        put(image, at + node_map.EVENT_TIME_STATE, 1 if self._clock.is_set else 0)

    def _take_acknowledgement(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """Epoch and sequence are taken as a whole or not at all."""
        if offset or count < _ACKNOWLEDGEMENT_WITHOUT_TAG:
            return modbus.ILLEGAL_DATA_VALUE
        return 0 if self._events.acknowledge(u32(buffer, at), u32(buffer, at + 4)) else modbus.ILLEGAL_DATA_VALUE

    def _fill_nothing(self, image: bytearray) -> None:
        """What has been acknowledged is not told: the image is zero already."""
