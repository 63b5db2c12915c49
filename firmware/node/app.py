"""Puts a node together and runs it: what starts in which order is told in docs/node.md."""

import asyncio
import gc
import sys

from micropython import const

from node import (
    board,
    client,
    clock,
    event_registers,
    events,
    inputs,
    line,
    poller,
    register_map,
    server,
    slots,
    status_registers,
    store,
    supervisor,
)
from protocols import event_codes, node_table
from protocols import node_table_layout as layout

_TABLE_FILE = "node.tab"
_HOUSEKEEPING_MS = const(60000)
_UNKNOWN_ERROR = const(-1)
_RESTART_MS = const(5000)
_IDLE_BAUD = const(9600)

# Seconds after which a task that has not checked in counts as gone.
_BRIEF_S = const(10)
_EXCHANGE_S = const(40)
_HOUSEKEEPING_S = const(90)


class Node:
    """All parts of one node that runs on `table`, a checked node table, in epoch `epoch`."""

    def __init__(self, table: bytes, epoch: int) -> None:
        self.clock = clock.Clock()
        self.slots = slots.Slots(node_table.slot_count(table), self.clock)
        self.events = events.Events(epoch, self.clock)
        self.events.add(event_codes.NODE_STARTED, event_codes.NO_SLOT, board.reset_cause())
        self.inputs = inputs.Inputs(table, self.slots, self.events)
        sensor_port = board.open_sensor_port(
            node_table.baud(table) or _IDLE_BAUD, node_table.parity(table), node_table.stop_bits(table)
        )
        self.bus = client.Client(line.Line(sensor_port))
        self.poller = poller.Poller(table, self.bus, self.slots, self.inputs, self.events, self.clock)
        self.registers = register_map.RegisterMap(self.clock, self.slots)
        event_registers.EventRegisters(self.registers, self.events, self.clock)
        self.lamp = self._lamp(table)
        status_registers.StatusRegisters(
            self.registers,
            layout.u32(table, layout.DIGEST_AT),
            self.slots.count,
            node_table.device_count(table),
            self.clock,
            self.events,
            self.poller,
        )
        pole_port = board.open_pole_port(
            node_table.pole_baud(table), node_table.pole_parity(table), node_table.pole_stop_bits(table)
        )
        self.server = server.Server(line.Line(pole_port), node_table.node_unit(table), self.registers)

    def _lamp(self, table: bytes):  # type: ignore[no-untyped-def]
        """The lamp, None on a node that has none; what it needs is loaded only then."""
        if not node_table.lamp_present(table) and not node_table.lamp_has_pins(table):
            from node import no_lamp

            no_lamp.NoLamp(self.registers)
            return None
        from node import lamp_service

        return lamp_service.LampService(
            table, self.bus, self.poller.units, self.slots, self.events, self.clock, self.registers
        )

    async def run(self) -> None:
        """Run all tasks for ever; an error in one of them ends all."""
        watch = supervisor.Supervisor()
        await asyncio.gather(
            self.server.run(watch.seat(supervisor.SERVER, _BRIEF_S, self.server.wake)),
            self.poller.run(watch.seat(supervisor.POLLER, _EXCHANGE_S)),
            self.inputs.run(watch.seat(supervisor.INPUTS, _BRIEF_S, self.inputs.wake)),
            self._keep_house(watch.seat(supervisor.HOUSEKEEPING, _HOUSEKEEPING_S)),
            watch.run(),
            *(self.lamp.tasks(watch) if self.lamp is not None else ()),
        )

    async def _keep_house(self, seat: supervisor.Seat) -> None:
        """Collect garbage when nobody waits for it and note the free heap for the health registers."""
        while True:
            seat.check_in()
            gc.collect()
            self.registers.heap_free_bytes = board.heap_free_bytes()
            await asyncio.sleep_ms(_HOUSEKEEPING_MS)


async def _run_until_error() -> None:
    table = store.read_table(_TABLE_FILE)
    node_table.check(table)
    flash_error = 0
    try:
        epoch = store.next_epoch()
    except OSError as error:
        epoch = store.random_epoch()
        flash_error = error.errno or _UNKNOWN_ERROR
    node = Node(table, epoch)
    if flash_error:
        node.events.add(event_codes.FLASH_FAILED, event_codes.NO_SLOT, flash_error)
    await node.run()


async def _live() -> None:
    try:
        await _run_until_error()
    except Exception as error:
        sys.print_exception(error)
    await asyncio.sleep_ms(_RESTART_MS)
    board.reset()


def main() -> None:
    """Start the node. An error is printed on the console and the board starts again five seconds later."""
    asyncio.run(_live())
