"""Reading the table that a node runs on: what to ask, how to read the answers, how to drive the lamp.

The table is one `bytes`; every function takes it and an index and gives small integers, without objects per entry and
without allocating. `check` a table once; afterwards no index below its count can lead outside it. The layout is told
in spec/node-table.md. Made by `node_table_writer`.
"""

import binascii

from protocols import node_table_layout as layout
from protocols.errors import CRC, LENGTH, SHORT, VERSION, WireError
from protocols.node_table_decode import decode_point as decode_point
from protocols.node_table_layout import point_at, s8, u16, u32


def check(table: bytes) -> None:
    """Nothing when the table is whole; else WireError: SHORT, VERSION, LENGTH, CRC or VALUE.

    Run it once before the table is used; `detail` is where in the table the fault was seen. A table that passes
    cannot lead any function below outside itself or outside an answer.
    """
    if len(table) < layout.HEADER_BYTES:
        raise WireError(SHORT, len(table))
    if table[0:4] != layout.MAGIC or table[layout.VERSION_AT] != layout.VERSION:
        raise WireError(VERSION, layout.VERSION_AT)
    if u32(table, layout.LENGTH_AT) != len(table):
        raise WireError(LENGTH, layout.LENGTH_AT)
    if binascii.crc32(memoryview(table)[layout.CHECKED_FROM :]) != u32(table, layout.DIGEST_AT):
        raise WireError(CRC, layout.DIGEST_AT)
    from protocols import node_table_check  # no one keeps it

    node_table_check.check_entries(table)


def device_count(table: bytes) -> int:
    """How many devices the node serves."""
    return table[layout.DEVICE_COUNT_AT]


def request_count(table: bytes) -> int:
    """How many requests there are for all devices together."""
    return table[layout.REQUEST_COUNT_AT]


def slot_count(table: bytes) -> int:
    """How many slots the node fills, one for each point."""
    return table[layout.SLOT_COUNT_AT]


def frame_count(table: bytes) -> int:
    """How many kinds of frame the node's serial sensor sends; 0 where the second UART is a sensor bus or unused."""
    return table[layout.FRAME_COUNT_AT]


def has_type(table: bytes, first: int, last: int) -> bool:
    """Whether a point's type is one of layout's, from `first` to `last`."""
    for slot in range(slot_count(table)):  # noqa: SIM110 - any() would make a generator on the heap
        if first <= slot_type(table, slot) <= last:
            return True
    return False


def has_manhole(table: bytes) -> bool:
    """Whether the node watches a manhole."""
    return u16(table, layout.MANHOLE_AT) != 0


def baud(table: bytes) -> int:
    """Bits per second of the sensor bus, 0 where the node has none."""
    return u32(table, layout.BAUD_AT)


def parity(table: bytes) -> int:
    """Parity of the sensor bus: layout.PARITY_NONE, PARITY_EVEN or PARITY_ODD."""
    return table[layout.PARITY_AT]


def stop_bits(table: bytes) -> int:
    """Stop bits of the sensor bus, 1 or 2."""
    return table[layout.STOP_BITS_AT]


def node_unit(table: bytes) -> int:
    """The node's own unit id on the pole bus."""
    return table[layout.NODE_UNIT_AT]


def pole_baud(table: bytes) -> int:
    """Bits per second of the pole bus."""
    return u32(table, layout.POLE_BAUD_AT)


def pole_parity(table: bytes) -> int:
    """Parity of the pole bus: layout.PARITY_NONE, PARITY_EVEN or PARITY_ODD."""
    return table[layout.POLE_PARITY_AT]


def pole_stop_bits(table: bytes) -> int:
    """Stop bits of the pole bus, 1 or 2."""
    return table[layout.POLE_STOP_BITS_AT]


def _device_at(table: bytes, device: int) -> int:
    return u16(table, layout.DEVICES_AT) + device * layout.DEVICE_BYTES


def device_unit(table: bytes, device: int) -> int:
    """Unit id of the device; of the first, where it has several. 0 for a device of pins."""
    return table[_device_at(table, device)]


def device_retries(table: bytes, device: int) -> int:
    """How often a request is repeated when there is no right answer."""
    return table[_device_at(table, device) + 1]


def device_zero_tries(table: bytes, device: int) -> int:
    """How often a request is repeated when `decode_point` asks for it."""
    return table[_device_at(table, device) + 2]


def device_period_ms(table: bytes, device: int) -> int:
    """From one poll of the device to the next."""
    return u32(table, _device_at(table, device) + 4)


def device_reply_timeout_ms(table: bytes, device: int) -> int:
    """From the end of a request to the first byte of the answer, at most."""
    return u16(table, _device_at(table, device) + 8)


def device_gap_ms(table: bytes, device: int) -> int:
    """Silence between two requests to the device, at least."""
    return u16(table, _device_at(table, device) + 10)


def device_warm_up_s(table: bytes, device: int) -> int:
    """How long after power-on its values have the quality WARMING_UP."""
    return u16(table, _device_at(table, device) + 12)


def device_zero_wait_ms(table: bytes, device: int) -> int:
    """How long to wait before a request is repeated because of a zero."""
    return u16(table, _device_at(table, device) + 14)


def device_first_request(table: bytes, device: int) -> int:
    """Its requests are this one and the next, `device_request_count` in all."""
    return table[_device_at(table, device) + 16]


def device_request_count(table: bytes, device: int) -> int:
    """How many requests one poll of the device takes; 0 for a device of pins."""
    return table[_device_at(table, device) + 17]


def device_first_slot(table: bytes, device: int) -> int:
    """Its slots are this one and the next, `device_slot_count` in all."""
    return table[_device_at(table, device) + 18]


def device_slot_count(table: bytes, device: int) -> int:
    """How many slots the device fills."""
    return table[_device_at(table, device) + 19]


def _request_at(table: bytes, request: int) -> int:
    return u16(table, layout.REQUESTS_AT) + request * layout.REQUEST_BYTES


def request_device(table: bytes, request: int) -> int:
    """The device that the request is for."""
    return table[_request_at(table, request)]


def request_unit(table: bytes, request: int) -> int:
    """The unit id to ask."""
    return table[_request_at(table, request) + 1]


def request_function(table: bytes, request: int) -> int:
    """Function code, 3 or 4; 0 for a frame of a serial sensor."""
    return table[_request_at(table, request) + 2]


def request_registers(table: bytes, request: int) -> int:
    """How many registers to ask for."""
    return table[_request_at(table, request) + 3]


def request_address(table: bytes, request: int) -> int:
    """The first register; for function 0 the number of the frame."""
    return u16(table, _request_at(table, request) + 4)


def request_first_slot(table: bytes, request: int) -> int:
    """The answer fills this slot and the next, `request_slot_count` in all."""
    return table[_request_at(table, request) + 6]


def request_slot_count(table: bytes, request: int) -> int:
    """How many slots the answer fills."""
    return table[_request_at(table, request) + 7]


def slot_type(table: bytes, slot: int) -> int:
    """Type of the point's value, one of layout.U16 to layout.FIELD."""
    return table[point_at(table, slot)]


def slot_flags(table: bytes, slot: int) -> int:
    """The flags of the point: layout.ALARM, ACTIVE_HIGH, PULL_UP and the like."""
    return table[point_at(table, slot) + 1]


def slot_exponent(table: bytes, slot: int) -> int:
    """The slot's value counts in 10 ** exponent of the point's unit."""
    return s8(table, point_at(table, slot) + 3)


def slot_pin(table: bytes, slot: int) -> int:
    """GPIO of a point of type layout.PIN, PULSE or ANALOG."""
    return table[point_at(table, slot) + 19]


def slot_debounce_ms(table: bytes, slot: int) -> int:
    """How long a pin's new level must last before it counts; for pulses, how near two edges are one."""
    return u16(table, point_at(table, slot) + 20)


def slot_stuck_min(table: bytes, slot: int) -> int:
    """For how many minutes a value out of registers or a sentence may stay the same, 0 for ever."""
    at = point_at(table, slot)
    return 0 if layout.PIN <= table[at] <= layout.TILT else u16(table, at + 20)


def slot_device(table: bytes, slot: int) -> int:
    """The device that the point belongs to."""
    return table[point_at(table, slot) + 22]


def slot_request(table: bytes, slot: int) -> int:
    """The request whose answer holds the point, layout.NONE for a pin."""
    return table[point_at(table, slot) + 23]


def lamp_present(table: bytes) -> bool:
    """Whether the node drives a lamp over its sensor bus."""
    return u16(table, layout.LAMP_AT) != 0


def lamp_has_pins(table: bytes) -> bool:
    """Whether the node drives a lamp by pins of its own."""
    return table[layout.DIMMER_PIN_AT] != 0 or table[layout.RELAY_PIN_AT] != 0


def lamp_dimmer_pin(table: bytes) -> int:
    """GPIO of the lamp's 0-10 V stage, 0 for none."""
    return table[layout.DIMMER_PIN_AT]


def lamp_relay_pin(table: bytes) -> int:
    """GPIO of the lamp's relay, 0 for none."""
    return table[layout.RELAY_PIN_AT]


def lamp_pin_flags(table: bytes) -> int:
    """layout.DIMMER_INVERTED and RELAY_ACTIVE_LOW."""
    return table[layout.LAMP_PIN_FLAGS_AT]


def lamp_device(table: bytes) -> int:
    """The device that drives the lamp; its timing holds for the writes too."""
    return table[u16(table, layout.LAMP_AT)]


def lamp_write_unit(table: bytes) -> int:
    """Unit id to write to."""
    return table[u16(table, layout.LAMP_AT) + 1]


def lamp_write_function(table: bytes) -> int:
    """Function code to write with, 6 or 16; either way one register."""
    return table[u16(table, layout.LAMP_AT) + 2]


def lamp_write_address(table: bytes) -> int:
    """Register that takes the driver's value."""
    return u16(table, u16(table, layout.LAMP_AT) + 4)


def lamp_read_slot(table: bytes) -> int:
    """Slot of the point that holds the driver's present value."""
    return table[u16(table, layout.LAMP_AT) + 3]


def lamp_read_unit(table: bytes) -> int:
    """Unit id to read back from."""
    return table[u16(table, layout.LAMP_AT) + 8]


def lamp_read_function(table: bytes) -> int:
    """Function code to read back with, 3 or 4; one register."""
    return table[u16(table, layout.LAMP_AT) + 9]


def lamp_read_address(table: bytes) -> int:
    """Register that holds the driver's present value."""
    return u16(table, u16(table, layout.LAMP_AT) + 6)


def lamp_settle_ms(table: bytes) -> int:
    """How long after a write the read-back register may still hold the old value."""
    return u16(table, u16(table, layout.LAMP_AT) + 10)


def lamp_value(table: bytes, level_pct: int) -> int:
    """The driver's value for a linear light output of 0 to 100 per cent."""
    return table[u16(table, layout.LAMP_AT) + layout.LAMP_CURVE_AT + level_pct]


def lamp_level(table: bytes, driver_value: int, commanded_pct: int) -> int:
    """The level whose driver's value is nearest to `driver_value`, 0 to 100.

    Neighbouring levels may share a value: where the commanded level's is met it is the commanded one, else the
    highest of the nearest.
    """
    curve = u16(table, layout.LAMP_AT) + layout.LAMP_CURVE_AT
    if table[curve + commanded_pct] == driver_value:
        return commanded_pct
    best = 0
    for level in range(101):
        if abs(table[curve + level] - driver_value) <= abs(table[curve + best] - driver_value):
            best = level
    return best
