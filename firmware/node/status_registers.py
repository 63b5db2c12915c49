"""Registers that tell who the node is and how it is, and the one block that sets its clock."""

from micropython import const

from node import board, clock, events, identity, log, register_map
from node.register_map import put, put_u32, u32
from protocols import log_codes, modbus, node_map, node_table, rtu
from protocols import node_table_layout as layout

_TIME_FIELDS = const(3)
_TOLD_OFF_S = const(2)


class StatusRegisters:
    """The blocks identity, health and time. `table` is None where there is no whole one, `poller` in safe mode."""

    def __init__(
        self,
        registers: register_map.RegisterMap,
        table: "bytes | None",
        slot_count: int,
        node_clock: clock.Clock,
        node_events: events.Events,
    ) -> None:
        self.poller = None  # set by the full node
        self._registers = registers
        self._digest = 0 if table is None else layout.u32(table, layout.DIGEST_AT)
        self._slot_count = slot_count
        self._device_count = 0 if table is None else node_table.device_count(table)
        self._clock = node_clock
        self._events = node_events
        registers.add(node_map.HEALTH, node_map.HEALTH_REGISTERS, self._fill_health)
        registers.add(node_map.IDENTITY, node_map.IDENTITY_REGISTERS, self._fill_identity)
        registers.add(
            node_map.TIME,
            node_map.TIME_REGISTERS,
            self._fill_time,
            self._take_time,
            register_map.GUARDED | register_map.BROADCAST,
        )

    def _fill_identity(self, image: bytearray) -> None:
        put(image, 0, node_map.IDENTITY_MAGIC_VALUE)
        put(image, node_map.IDENTITY_MAP_VERSION, node_map.IDENTITY_MAP_VERSION_VALUE)
        put(image, node_map.IDENTITY_FIRMWARE_VERSION, identity.FIRMWARE_MAJOR << 8 | identity.FIRMWARE_MINOR)
        put(image, node_map.IDENTITY_FIRMWARE_PATCH, identity.FIRMWARE_PATCH)
        put_u32(image, node_map.IDENTITY_CONFIG_DIGEST, self._digest)
        put(image, node_map.IDENTITY_SLOT_COUNT, self._slot_count)
        put(image, node_map.IDENTITY_DEVICE_COUNT, self._device_count)
        put_u32(image, node_map.IDENTITY_NODE_EPOCH, self._events.epoch)
        put(image, node_map.IDENTITY_BOARD, board.BOARD_NUMBER)
        put(image, node_map.IDENTITY_EVENT_CAPACITY, events.CAPACITY)

    def _fill_health(self, image: bytearray) -> None:
        now = self._clock
        first = node_map.HEALTH
        put_u32(image, node_map.HEALTH_UPTIME_S - first, now.seconds)
        put(image, node_map.HEALTH_RESET_CAUSE - first, board.reset_cause())
        put_u32(image, node_map.HEALTH_HEAP_FREE_BYTES - first, self._registers.heap_free_bytes)
        put(image, node_map.HEALTH_TIME_STATE - first, 1 if now.is_set else 0)
        put_u32(image, node_map.HEALTH_UNIX_S - first, now.unix_s(now.seconds, now.millis))
        put(image, node_map.HEALTH_UNIX_MS - first, now.unix_ms(now.millis))
        node_poller = self.poller
        if node_poller is not None:
            put_u32(image, node_map.HEALTH_POLLS_GOOD - first, node_poller.good)
            put_u32(image, node_map.HEALTH_POLLS_FAILED - first, node_poller.failed)
            put(image, node_map.HEALTH_SLOW_DEVICES - first, node_poller.units.lost_count())
        put_u32(image, node_map.HEALTH_SERVER_FRAMES - first, self._registers.frames)
        put_u32(image, node_map.HEALTH_SERVER_CRC_ERRORS - first, self._registers.crc_errors)

    def _fill_time(self, image: bytearray) -> None:
        now = self._clock
        put_u32(image, 0, now.unix_s(now.seconds, now.millis))
        put(image, 2, now.unix_ms(now.millis))

    def _take_time(self, _offset: int, count: int, buffer: bytearray, at: int) -> int:
        """The time is taken as a whole or not at all."""
        if count != _TIME_FIELDS:
            return modbus.ILLEGAL_DATA_VALUE
        millis = rtu.get_u16(buffer, at + 4)
        if millis > 999:
            return modbus.ILLEGAL_DATA_VALUE
        millis += self._registers.since_request_ms
        now = self._clock
        now.update()
        off_s = u32(buffer, at) + millis // 1000 - now.unix_s(now.seconds, now.millis) if now.is_set else 0
        if not now.is_set or not -_TOLD_OFF_S <= off_s <= _TOLD_OFF_S:
            log.note(log_codes.CLOCK_SET, off_s)
        now.set(u32(buffer, at) + millis // 1000, millis % 1000)
        return 0
