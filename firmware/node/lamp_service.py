"""The lamp of a node: driver, control, schedule and registers, put together, and the two tasks that carry it."""

import asyncio

from micropython import const

from node import (
    broadcast,
    client,
    clock,
    events,
    lamp_control,
    lamp_registers,
    register_map,
    schedule_file,
    slots,
    supervisor,
    units,
)
from protocols import event_codes, node_table, task_codes
from protocols import node_table_layout as layout

_TICK_MS = const(1000)
_UNKNOWN_ERROR = const(-1)
_TICK_S = const(10)
_DRIVER_S = const(120)


class LampService:
    """The lamp that node table `table` describes, on the sensor bus or on pins."""

    def __init__(
        self,
        table: bytes,
        bus: client.Client,
        node_units: units.Units,
        node_slots: slots.Slots,
        node_events: events.Events,
        node_clock: clock.Clock,
        registers: register_map.RegisterMap,
    ) -> None:
        if node_table.lamp_present(table):
            from node import lamp

            driver = lamp.Lamp(table, bus, node_units, node_slots)
        else:
            from node import lamp_pins

            driver = lamp_pins.LampPins(table)  # type: ignore[assignment]
        self.driver = driver
        self.control = lamp_control.LampControl(
            driver, node_slots, node_events, node_clock, layout.u32(table, layout.DIGEST_AT)
        )
        self.schedule = schedule_file.ScheduleFile(self.control)
        self._events = node_events
        lamp_registers.LampRegisters(registers, self.control, self.schedule)
        broadcast.Broadcasts(registers, self.control, node_clock)

    def tasks(self, watch: supervisor.Supervisor):  # type: ignore[no-untyped-def]
        """The tasks to run, each with its seat."""
        return (
            self.driver.run(watch.seat(task_codes.LAMP, _DRIVER_S, self.driver.wake)),
            self._follow(watch.seat(task_codes.SCHEDULE, _TICK_S)),
        )

    async def _follow(self, seat: supervisor.Seat) -> None:
        """Look once a second what the lamp shall do, for ever."""
        while True:
            seat.check_in()
            self.control.tick()
            try:
                self.schedule.keep()
            except OSError as error:
                self._events.add(event_codes.FLASH_FAILED, event_codes.NO_SLOT, error.errno or _UNKNOWN_ERROR)
            await asyncio.sleep_ms(_TICK_MS)
