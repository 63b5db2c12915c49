"""What each register of the node means: reads take a snapshot, writes act. The map is protocols/node_map.py."""

from node import board, clock, events, identity, lamp, poller, slots
from protocols import modbus, node_map, rtu

_IMAGE_REGISTERS = 88


def _put(image: bytearray, register: int, value: int) -> None:
    rtu.put_u16(image, 2 * register, value)


def _put_u32(image: bytearray, register: int, value: int) -> None:
    rtu.put_u16(image, 2 * register, value >> 16)
    rtu.put_u16(image, 2 * register + 2, value)


def _u32(buffer: bytes | bytearray, at: int) -> int:
    return rtu.get_u16(buffer, at) << 16 | rtu.get_u16(buffer, at + 2)


class RegisterMap:
    """The registers of one node. Each call is one snapshot: nothing changes while an answer is written.

    `frames` and `crc_errors` are counted by the server, `since_request_ms` is how long ago the request ended.
    """

    def __init__(
        self,
        digest: int,
        device_count: int,
        node_clock: clock.Clock,
        node_slots: slots.Slots,
        node_events: events.Events,
        node_poller: poller.Poller,
        node_lamp: lamp.Lamp,
    ) -> None:
        self.frames = 0
        self.crc_errors = 0
        self.since_request_ms = 0
        self.heap_free_bytes = board.heap_free_bytes()
        self._digest = digest
        self._device_count = device_count
        self._clock = node_clock
        self._slots = node_slots
        self._events = node_events
        self._poller = node_poller
        self._lamp = node_lamp
        self._image = bytearray(2 * _IMAGE_REGISTERS)
        self._command = bytearray(2 * node_map.LAMP_COMMAND_REGISTERS)
        self._blocks = (
            (node_map.EVENTS, node_map.EVENTS_REGISTERS, self._fill_events),
            (node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS, self._fill_lamp_state),
            (node_map.HEALTH, node_map.HEALTH_REGISTERS, self._fill_health),
            (node_map.IDENTITY, node_map.IDENTITY_REGISTERS, self._fill_identity),
            (node_map.LAMP_COMMAND, node_map.LAMP_COMMAND_REGISTERS, self._fill_lamp_command),
            (node_map.TIME, node_map.TIME_REGISTERS, self._fill_time),
            (node_map.SETTINGS, node_map.SETTINGS_REGISTERS, self._fill_nothing),
            (node_map.EVENT_ACKNOWLEDGEMENT, node_map.EVENT_ACKNOWLEDGEMENT_REGISTERS, self._fill_nothing),
        )

    def read(self, address: int, count: int, buffer: bytearray, at: int) -> int:
        """Write `count` registers from `address` on into `buffer[at:]`; returns 0 or ILLEGAL_DATA_ADDRESS."""
        self._clock.update()
        if address >= node_map.SLOTS:
            return self._read_slots(address - node_map.SLOTS, count, buffer, at)
        for first, length, fill in self._blocks:
            if address >= first and address + count <= first + length:
                image = self._image
                for index in range(2 * length):
                    image[index] = 0
                fill(image)
                offset = 2 * (address - first)
                for index in range(2 * count):
                    buffer[at + index] = image[offset + index]
                return 0
        return modbus.ILLEGAL_DATA_ADDRESS

    def write(self, address: int, count: int, buffer: bytearray, at: int) -> int:
        """Carry out a write of `count` registers from `buffer[at:]` to `address`; returns 0 or an exception code.

        Time and acknowledgement are taken as a whole or not at all (ILLEGAL_DATA_VALUE). The lamp's registers may be
        written one by one; the one with the sequence sets the command going.
        """
        if address >= node_map.TIME and address + count <= node_map.TIME + node_map.TIME_REGISTERS:
            return self._write_time(count, buffer, at)
        offset = address - node_map.LAMP_COMMAND
        if offset >= 0 and offset + count <= node_map.LAMP_COMMAND_REGISTERS:
            for index in range(2 * count):
                self._command[2 * offset + index] = buffer[at + index]
            if offset == 0:
                self._lamp.take_command(rtu.get_u16(self._command, 0), *self._command_fields())
            return 0
        offset = address - node_map.EVENT_ACKNOWLEDGEMENT
        if offset >= 0 and offset + count <= node_map.EVENT_ACKNOWLEDGEMENT_REGISTERS:
            if offset or count < 4 or not self._events.acknowledge(_u32(buffer, at), _u32(buffer, at + 4)):
                return modbus.ILLEGAL_DATA_VALUE
            return 0
        return modbus.ILLEGAL_DATA_ADDRESS

    def _write_time(self, count: int, buffer: bytearray, at: int) -> int:
        if count != node_map.TIME_REGISTERS:
            return modbus.ILLEGAL_DATA_VALUE
        millis = rtu.get_u16(buffer, at + 4)
        if millis > 999:
            return modbus.ILLEGAL_DATA_VALUE
        millis += self.since_request_ms
        self._clock.set(_u32(buffer, at) + millis // 1000, millis % 1000)
        return 0

    def _command_fields(self) -> "tuple[int, int, int]":
        command = self._command
        return rtu.get_u16(command, 2), rtu.get_u16(command, 4), _u32(command, 6)

    def _read_slots(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        if offset + count > node_map.SLOT_REGISTERS * self._slots.count:
            return modbus.ILLEGAL_DATA_ADDRESS
        for register in range(offset, offset + count):
            rtu.put_u16(buffer, at, self._slot_register(register >> 2, register & 3))
            at += 2
        return 0

    def _slot_register(self, slot: int, register: int) -> int:
        node_slots = self._slots
        if register == 0:
            return node_slots.values[slot] >> 16
        if register == 1:
            return node_slots.values[slot]
        if register == node_map.SLOT_QUALITY_COUNTER:
            return node_slots.qualities[slot] << 8 | node_slots.counters[slot]
        return node_slots.age(slot)

    def _fill_identity(self, image: bytearray) -> None:
        _put(image, 0, node_map.IDENTITY_MAGIC_VALUE)
        _put(image, node_map.IDENTITY_MAP_VERSION, node_map.IDENTITY_MAP_VERSION_VALUE)
        _put(image, node_map.IDENTITY_FIRMWARE_VERSION, identity.FIRMWARE_MAJOR << 8 | identity.FIRMWARE_MINOR)
        _put(image, node_map.IDENTITY_FIRMWARE_PATCH, identity.FIRMWARE_PATCH)
        _put_u32(image, node_map.IDENTITY_CONFIG_DIGEST, self._digest)
        _put(image, node_map.IDENTITY_SLOT_COUNT, self._slots.count)
        _put(image, node_map.IDENTITY_DEVICE_COUNT, self._device_count)
        _put_u32(image, node_map.IDENTITY_NODE_EPOCH, self._events.epoch)
        _put(image, node_map.IDENTITY_BOARD, board.BOARD_NUMBER)
        _put(image, node_map.IDENTITY_EVENT_CAPACITY, events.CAPACITY)

    def _fill_health(self, image: bytearray) -> None:
        now = self._clock
        first = node_map.HEALTH
        _put_u32(image, node_map.HEALTH_UPTIME_S - first, now.seconds)
        _put(image, node_map.HEALTH_RESET_CAUSE - first, board.reset_cause())
        _put_u32(image, node_map.HEALTH_HEAP_FREE_BYTES - first, self.heap_free_bytes)
        _put(image, node_map.HEALTH_TIME_STATE - first, 1 if now.is_set else 0)
        _put_u32(image, node_map.HEALTH_UNIX_S - first, now.unix_s(now.seconds, now.millis))
        _put(image, node_map.HEALTH_UNIX_MS - first, now.unix_ms(now.millis))
        _put_u32(image, node_map.HEALTH_POLLS_GOOD - first, self._poller.good)
        _put_u32(image, node_map.HEALTH_POLLS_FAILED - first, self._poller.failed)
        _put(image, node_map.HEALTH_SLOW_DEVICES - first, self._poller.units.lost_count())
        _put_u32(image, node_map.HEALTH_SERVER_FRAMES - first, self.frames)
        _put_u32(image, node_map.HEALTH_SERVER_CRC_ERRORS - first, self.crc_errors)

    def _fill_time(self, image: bytearray) -> None:
        now = self._clock
        _put_u32(image, 0, now.unix_s(now.seconds, now.millis))
        _put(image, 2, now.unix_ms(now.millis))

    def _fill_lamp_command(self, image: bytearray) -> None:
        for index in range(2 * (node_map.LAMP_COMMAND_AUTH_COUNTER - node_map.LAMP_COMMAND)):
            image[index] = self._command[index]

    def _fill_lamp_state(self, image: bytearray) -> None:
        first = node_map.LAMP_STATE
        _put(image, node_map.LAMP_STATE_COMMAND_SEQUENCE - first, self._lamp.sequence)
        _put(image, node_map.LAMP_STATE_RESULT - first, self._lamp.result)
        _put(image, node_map.LAMP_STATE_REASON - first, self._lamp.reason)
        _put(image, node_map.LAMP_STATE_COMMANDED_PCT - first, self._lamp.commanded_pct)
        _put(image, node_map.LAMP_STATE_ACTUAL_PCT - first, self._lamp.actual_pct)
        _put(image, node_map.LAMP_STATE_DRIVER_RAW - first, self._lamp.driver_raw)

    def _fill_events(self, image: bytearray) -> None:
        kept = self._events
        first = node_map.EVENTS
        count = min(kept.count, node_map.EVENT_COUNT)
        _put_u32(image, node_map.EVENTS_OLDEST - first, kept.oldest)
        _put_u32(image, node_map.EVENTS_NEWEST - first, kept.newest)
        _put_u32(image, node_map.EVENTS_OVERFLOW - first, kept.overflow)
        _put(image, node_map.EVENTS_COUNT_IN_WINDOW - first, count)
        for index in range(count):
            at = node_map.EVENT - first + index * node_map.EVENT_REGISTERS
            self._fill_event(image, at, kept.oldest + index)

    def _fill_event(self, image: bytearray, at: int, sequence: int) -> None:
        kept = self._events
        _put_u32(image, at + node_map.EVENT_SEQUENCE, sequence)
        _put(image, at + node_map.EVENT_CODE, kept.code(sequence))
        _put(image, at + node_map.EVENT_SLOT, kept.slot(sequence))
        _put_u32(image, at + node_map.EVENT_VALUE, kept.value(sequence))
        _put_u32(image, at + node_map.EVENT_UNIX_S, kept.unix_s(sequence))
        _put(image, at + node_map.EVENT_UNIX_MS, kept.unix_ms(sequence))
        _put(image, at + node_map.EVENT_TIME_STATE, 1 if self._clock.is_set else 0)

    def _fill_nothing(self, image: bytearray) -> None:
        """Registers that are written but have nothing to tell read as zero; the image is zero already."""
