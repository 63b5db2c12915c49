"""All that a node serves beyond its core: sensors, inputs and the lamp, as the node table has them."""

from micropython import const

from node import board, core, inputs, line, poller, sensors, supervisor
from protocols import node_table, task_codes

_IDLE_BAUD = const(9600)

# Seconds after which a task that has not checked in counts as gone.
_BRIEF_S = const(10)
_EXCHANGE_S = const(40)
_COVER_S = const(90)


_LAMP_MODULES = ("lamp_faults", "lamp_control", "schedule_file", "lamp_service")


def more_modules(table: bytes) -> "tuple[str, ...]":
    """What this table needs beside, to be loaded one after the other."""
    found = sensors.modules(table)
    if node_table.lamp_present(table):
        return found + _LAMP_MODULES + ("lamp",)
    return found + _LAMP_MODULES + ("lamp_pins",) if node_table.lamp_has_pins(table) else found


class FullNode:
    """The parts of one node that runs on `table`, a checked node table, around its `core`."""

    def __init__(self, table: bytes, node_core: core.Core) -> None:
        self.core = node_core
        self.inputs = inputs.Inputs(table, node_core.slots, node_core.events)
        sensor_port = board.open_sensor_port(
            node_table.baud(table) or _IDLE_BAUD, node_table.parity(table), node_table.stop_bits(table)
        )
        self.bus = sensors.open_bus(table, line.Line(sensor_port))
        self.poller = poller.Poller(table, self.bus, node_core.slots, self.inputs, node_core.events, node_core.clock)
        node_core.status.poller = self.poller  # type: ignore[assignment]
        self.cover = sensors.watch_cover(table, node_core)
        sensors.open_own_points(table, node_core, self.poller, self.cover)
        self.lamp = self._lamp(table)

    def _lamp(self, table: bytes):  # type: ignore[no-untyped-def]
        """The lamp, None on a node that has none; what it needs is loaded only then."""
        if not node_table.lamp_present(table) and not node_table.lamp_has_pins(table):
            from node import no_lamp

            no_lamp.NoLamp(self.core.registers)
            return None
        from node import lamp_service

        return lamp_service.LampService(
            table,
            self.bus,
            self.poller.units,
            self.core.slots,
            self.core.events,
            self.core.clock,
            self.core.registers,
        )

    def tasks(self, watch: supervisor.Supervisor) -> list:  # type: ignore[type-arg]
        """The coroutines that carry all this, each with its seat."""
        found = [
            self.poller.run(watch.seat(task_codes.POLLER, _EXCHANGE_S)),
            self.inputs.run(watch.seat(task_codes.INPUTS, _BRIEF_S, self.inputs.wake)),
        ]
        if self.cover is not None:
            found.append(self.cover.run(watch.seat(task_codes.MANHOLE, _COVER_S)))
        if self.lamp is not None:
            found.extend(self.lamp.tasks(watch))
        return found
