"""Registers of the lamp: its command and what became of it, its schedule and what holds just now."""

from node import lamp_control, register_map, schedule_file
from node.register_map import put, put_u32, u32
from protocols import modbus, node_map, rtu


class LampRegisters:
    """The blocks lamp command, lamp state, lamp schedule and schedule command."""

    def __init__(
        self,
        registers: register_map.RegisterMap,
        control: lamp_control.LampControl,
        schedule: schedule_file.ScheduleFile,
    ) -> None:
        self._control = control
        self._schedule = schedule
        self._command = bytearray(2 * (node_map.LAMP_COMMAND_AUTH_COUNTER - node_map.LAMP_COMMAND))
        registers.add(node_map.LAMP_STATE, node_map.LAMP_STATE_REGISTERS, self._fill_state)
        registers.add(node_map.LAMP_SCHEDULE, node_map.LAMP_SCHEDULE_REGISTERS, self._fill_schedule)
        registers.add(
            node_map.LAMP_COMMAND,
            node_map.LAMP_COMMAND_REGISTERS,
            self._fill_command,
            self._take_command,
            register_map.GUARDED,
        )
        registers.add(
            node_map.SCHEDULE_COMMAND,
            node_map.SCHEDULE_COMMAND_REGISTERS,
            self._fill_nothing,
            self._take_schedule,
            register_map.GUARDED,
            schedule.content,
        )

    def _take_command(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """The registers may be written one by one; the one with the sequence sets the command going.

        How long it holds and why are forgotten then, so that a shorter write does not take them from an older one.
        """
        command = self._command
        for index in range(2 * count):
            command[2 * offset + index] = buffer[at + index]
        if offset == 0:
            self._control.take_command(
                rtu.get_u16(command, 0),
                rtu.get_u16(command, 2),
                rtu.get_u16(command, 4),
                u32(command, 6),
                u32(command, 10),
                rtu.get_u16(command, 14),
            )
            for index in range(10, 16):
                command[index] = 0
        return 0

    def _take_schedule(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        if offset or count != 2 or not self._schedule.use(u32(buffer, at)):
            return modbus.ILLEGAL_DATA_VALUE
        return 0

    def _fill_command(self, image: bytearray) -> None:
        for index in range(len(self._command)):
            image[index] = self._command[index]

    def _fill_state(self, image: bytearray) -> None:
        first = node_map.LAMP_STATE
        control = self._control
        put(image, node_map.LAMP_STATE_COMMAND_SEQUENCE - first, control.sequence)
        put(image, node_map.LAMP_STATE_RESULT - first, control.result)
        put(image, node_map.LAMP_STATE_REASON - first, control.reason)
        put(image, node_map.LAMP_STATE_COMMANDED_PCT - first, control.driver.commanded_pct)
        put(image, node_map.LAMP_STATE_ACTUAL_PCT - first, control.driver.actual_pct)
        put(image, node_map.LAMP_STATE_DRIVER_RAW - first, control.driver.driver_raw)

    def _fill_schedule(self, image: bytearray) -> None:
        first = node_map.LAMP_SCHEDULE
        control = self._control
        put(image, node_map.LAMP_SCHEDULE_GROUPS - first, control.groups)
        put(image, node_map.LAMP_SCHEDULE_SOURCE - first, control.source)
        put(image, node_map.LAMP_SCHEDULE_OVERRIDE_LEFT_S - first, control.override_left_s)
        put(image, node_map.LAMP_SCHEDULE_PROGRAMME - first, control.programme)
        put(image, node_map.LAMP_SCHEDULE_FAULTS - first, control.faults.bits)
        put_u32(image, node_map.LAMP_SCHEDULE_DIGEST - first, control.schedule_digest)
        put(image, node_map.LAMP_SCHEDULE_DAYS_LEFT - first, max(control.days_left, 0))

    def _fill_nothing(self, image: bytearray) -> None:
        """What was told is not kept: the image is zero already."""
