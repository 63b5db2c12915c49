"""What every node has, also in safe mode: the pole bus, events, log, settings, update, and the way it started."""

import asyncio
import gc

from micropython import const

from node import (
    board,
    boot_registers,
    clock,
    event_keeper,
    event_registers,
    events,
    files,
    line,
    log,
    register_map,
    server,
    settings_file,
    slots,
    start,
    status_registers,
    supervisor,
    update_gate,
)
from protocols import event_codes, log_codes, log_file, node_table, task_codes
from protocols import node_table_layout as layout

SAFE_UNIT = const(247)
"""Unit id of a node that has no whole table; it then speaks 19200 8N1."""

_SAFE_BAUD = const(19200)
_HOUSEKEEPING_MS = const(60000)
_LITTLE_HEAP_BYTES = const(8192)

# Seconds after which a task that has not checked in counts as gone.
_BRIEF_S = const(10)
_HOUSEKEEPING_S = const(90)
_UPDATE_S = const(60)


class Core:
    """The parts that need no device. `table` is a checked node table, or None where there is no whole one."""

    def __init__(self, table: "bytes | None", this_start: start.Start, node_clock: clock.Clock) -> None:
        self.start = this_start
        self.clock = node_clock
        is_safe = not this_start.is_full
        self.slots = slots.Slots(0 if table is None or is_safe else node_table.slot_count(table), self.clock)
        is_kept = not this_start.flash_error
        self.events = events.Events(this_start.epoch, self.clock, is_kept)
        self.keeper = event_keeper.EventKeeper(self.events, self.clock) if is_kept else None
        self._tell_start()
        self.registers = register_map.RegisterMap(self.clock, self.slots)
        event_registers.EventRegisters(self.registers, self.events)
        self.status = status_registers.StatusRegisters(self.registers, table, self.slots.count, self.clock, self.events)
        boot_registers.BootRegisters(self.registers, this_start)
        self.settings = settings_file.SettingsFile(self.registers)
        files.add(settings_file.FIRST_FILE, settings_file.FIRST_FILE, self.settings.read, self.settings.write)
        files.add(log_file.FILE, log_file.FILE, log.read, None)
        self.update = update_gate.UpdateGate(
            self.registers, self.events, None if is_safe else self.slots, None if is_safe else table, this_start
        )
        unit = SAFE_UNIT
        if table is None:
            pole_port = board.open_pole_port(_SAFE_BAUD, layout.PARITY_NONE, 1)
        else:
            unit = node_table.node_unit(table)
            pole_port = board.open_pole_port(
                node_table.pole_baud(table), node_table.pole_parity(table), node_table.pole_stop_bits(table)
            )
        self._guard(unit)
        self.server = server.Server(line.Line(pole_port), unit, self.registers)

    def tasks(self, watch: supervisor.Supervisor) -> list:  # type: ignore[type-arg]
        """The coroutines that carry all this, each with its seat."""
        found = [
            self.server.run(watch.seat(task_codes.SERVER, _BRIEF_S, self.server.wake)),
            self.settings.run(watch.seat(task_codes.SETTINGS, _BRIEF_S, self.settings.wake)),
            self.update.run(watch.seat(task_codes.UPDATE, _UPDATE_S, self.update.wake)),
            self._keep_house(watch.seat(task_codes.HOUSEKEEPING, _HOUSEKEEPING_S)),
        ]
        if self.keeper is not None:
            found.append(self.keeper.run(watch.seat(task_codes.EVENT_KEEPER, _BRIEF_S, self.keeper.wake)))
        return found

    def _tell_start(self) -> None:
        this = self.start
        self.events.add(event_codes.NODE_STARTED, event_codes.NO_SLOT, this.reason)
        if this.flash_error:
            self.events.add(event_codes.FLASH_FAILED, event_codes.NO_SLOT, this.flash_error)
        if not this.is_full:
            self.events.add(event_codes.SAFE_MODE, event_codes.NO_SLOT, this.mode)
            log.note(log_codes.SAFE_MODE, this.mode)

    def _guard(self, unit: int) -> None:
        """Where the node has a key, guarded registers want a tag from now on; where it has lost it, none is right."""
        from node import factory

        key = factory.node_key()
        is_broken = factory.state() == factory.BROKEN
        if is_broken:
            log.note(log_codes.IDENTITY_BROKEN)
        if key is not None or is_broken:
            from node import guard

            guard.Guard(self.registers, unit, key, factory.broadcast_key())

    async def _keep_house(self, seat: supervisor.Seat) -> None:
        """Once a minute: collect garbage when nobody waits for it, save the log, forget crashes after a good hour."""
        is_short = False
        while True:
            seat.check_in()
            gc.collect()
            self.registers.heap_free_bytes = board.heap_free_bytes()
            if self.registers.heap_free_bytes < _LITTLE_HEAP_BYTES and not is_short:
                is_short = True
                log.note(log_codes.MEMORY_SHORT, self.registers.heap_free_bytes)
            self.clock.update()
            log.keep()
            if self.start.note_good_time(self.clock.seconds):
                log.keep(True)
                board.reset()
            await asyncio.sleep_ms(_HOUSEKEEPING_MS)
