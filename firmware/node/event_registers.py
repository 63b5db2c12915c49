"""Registers of the events: a window on the oldest ones, and the gateway's acknowledgement."""

from node import events, register_map
from node.register_map import put, put_u32, u32
from protocols import modbus, node_map

_ACKNOWLEDGEMENT_WITHOUT_TAG = 4


class EventRegisters:
    """The blocks events and event acknowledgement."""

    def __init__(self, registers: register_map.RegisterMap, node_events: events.Events) -> None:
        self._events = node_events
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
        told = kept.window()
        ago = kept.epochs_ago(0) if told else 0
        put_u32(image, node_map.EVENTS_OLDEST - first, kept.sequence(0) if told else 0)
        put_u32(image, node_map.EVENTS_NEWEST - first, kept.sequence(told - 1) if ago else kept.newest)
        put_u32(image, node_map.EVENTS_OVERFLOW - first, kept.overflow)
        put(image, node_map.EVENTS_EPOCHS_AGO - first, ago)
        told = min(told, node_map.EVENT_COUNT)
        put(image, node_map.EVENTS_COUNT_IN_WINDOW - first, told)
        for index in range(told):
            self._fill_event(image, node_map.EVENT - first + index * node_map.EVENT_REGISTERS, index)

    def _fill_event(self, image: bytearray, at: int, index: int) -> None:
        kept = self._events
        put_u32(image, at + node_map.EVENT_SEQUENCE, kept.sequence(index))
        put(image, at + node_map.EVENT_CODE, kept.code(index))
        put(image, at + node_map.EVENT_SLOT, kept.slot(index))
        put_u32(image, at + node_map.EVENT_VALUE, kept.value(index))
        put_u32(image, at + node_map.EVENT_UNIX_S, kept.unix_s(index))
        put(image, at + node_map.EVENT_UNIX_MS, kept.unix_ms(index))
        put(image, at + node_map.EVENT_TIME_STATE, 1 if kept.time_is_unix(index) else 0)

    def _take_acknowledgement(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """Epoch and sequence are taken as a whole or not at all."""
        if offset or count < _ACKNOWLEDGEMENT_WITHOUT_TAG:
            return modbus.ILLEGAL_DATA_VALUE
        return 0 if self._events.acknowledge(u32(buffer, at), u32(buffer, at + 4)) else modbus.ILLEGAL_DATA_VALUE

    def _fill_nothing(self, image: bytearray) -> None:
        """What has been acknowledged is not told: the image is zero already."""
