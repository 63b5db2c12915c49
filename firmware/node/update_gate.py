"""The update's registers, and the task that loads the modules of an update when one begins and drops them after it.

What is here stays in the heap all year, so it is small: the work is in node/update.py and node/trial.py.
"""

import asyncio
import gc
import sys

from micropython import const

from node import events, identity, modules, register_map, slots, start, supervisor
from node.register_map import put, put_u32, u32
from protocols import modbus, node_map, rtu, update_codes

_PAUSE_MS = const(1)
_COMMAND_REGISTERS = const(5)

_TO_RECEIVE = (
    "protocols.bundle",
    "node.update_floor",
    "node.update_slot",
    "node.update_signature",
    "node.update",
)
_TO_TRY = ("protocols.bundle", "node.update_floor", "node.trial")
_LOADED_ONCE = ("node.update_past",)


class UpdateGate:
    """State of the update: `total` and `digest` name the bundle, `received` says how much of it is here.

    `boot` is the one boot state of this start. `slots` and `table` are None in safe mode.
    """

    def __init__(
        self,
        registers: register_map.RegisterMap,
        node_events: events.Events,
        node_slots: "slots.Slots | None",
        table: "bytes | None",
        this_start: start.Start,
    ) -> None:
        from node import update_past

        self.state = update_codes.IDLE
        self.reason = 0
        self.total = 0
        self.digest = 0
        self.received = 0
        self.trial_left_s = 0
        self.is_abandoned = False
        self.registers = registers
        self.events = node_events
        self.slots = node_slots
        self.table = table
        self.boot = this_start.state
        self._wanted = 0
        self._commanded = asyncio.Event()
        update_past.look_back(self, this_start)
        _drop()
        registers.add(node_map.UPDATE, node_map.UPDATE_REGISTERS, self._fill)
        registers.add(
            node_map.UPDATE_COMMAND,
            node_map.UPDATE_COMMAND_REGISTERS,
            self._fill_nothing,
            self._take,
            register_map.GUARDED,
        )

    def wake(self) -> None:
        """Let the task look round though nothing was commanded."""
        self._commanded.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Judge the trial if this start is one; then wait for commands for ever."""
        if self.state == update_codes.TRIAL:
            await _load(_TO_TRY)
            await sys.modules["node.trial"].judge(self, seat)
            _drop()
        while True:
            seat.check_in()
            wanted = self._wanted
            self._wanted = 0
            if wanted:
                await self._carry_out(wanted, seat)
                _drop()
            await self._commanded.wait()
            self._commanded.clear()

    async def _carry_out(self, wanted: int, seat: supervisor.Seat) -> None:
        try:
            await _load(_TO_TRY if wanted == update_codes.TRY else _TO_RECEIVE)
        except MemoryError:
            self.state = update_codes.REFUSED
            self.reason = update_codes.NO_MEMORY
            return
        if wanted == update_codes.TRY:
            await sys.modules["node.trial"].restart(self)
        else:
            await sys.modules["node.update"].receive(self, seat)

    def _fill_nothing(self, image: bytearray) -> None:
        """The command reads as zero."""

    def _fill(self, image: bytearray) -> None:
        first = node_map.UPDATE
        put(image, 0, self.state)
        put(image, node_map.UPDATE_REASON - first, self.reason)
        put_u32(image, node_map.UPDATE_RECEIVED_BYTES - first, self.received)
        put_u32(image, node_map.UPDATE_TOTAL_BYTES - first, self.total)
        put(image, node_map.UPDATE_RUNNING_VERSION - first, identity.FIRMWARE_MAJOR << 8 | identity.FIRMWARE_MINOR)
        put(image, node_map.UPDATE_RUNNING_VERSION - first + 1, identity.FIRMWARE_PATCH)
        put(image, node_map.UPDATE_TRIAL_LEFT_S - first, self.trial_left_s)
        put_u32(image, node_map.UPDATE_MANIFEST_DIGEST - first, self.digest)

    def _take(self, offset: int, count: int, buffer: bytearray, at: int) -> int:
        """A command is written as a whole. The same one again changes nothing, so a write may be repeated."""
        command = rtu.get_u16(buffer, at)
        if offset or count < _COMMAND_REGISTERS or not update_codes.BEGIN <= command <= update_codes.ABANDON:
            return modbus.ILLEGAL_DATA_VALUE
        total = u32(buffer, at + 2)
        digest = u32(buffer, at + 6)
        is_same = total == self.total and digest == self.digest
        is_ready = self.state == update_codes.READY and is_same
        if command == update_codes.ABANDON:
            self.is_abandoned = True
        elif command == update_codes.TRY:
            if not is_ready:
                return modbus.ILLEGAL_DATA_VALUE
            self._wanted = update_codes.TRY
            self._commanded.set()
        elif self.state == update_codes.TRIAL or self._wanted == update_codes.TRY:
            return modbus.SERVER_DEVICE_BUSY
        elif update_codes.PREPARING <= self.state <= update_codes.VERIFYING:
            if not is_same:
                self.is_abandoned = True
                return modbus.SERVER_DEVICE_BUSY
        elif not is_ready:
            self.total = total
            self.digest = digest
            self.received = 0
            self.reason = 0
            self.is_abandoned = False
            self.state = update_codes.PREPARING
            self._wanted = update_codes.BEGIN
            self._commanded.set()
        return 0


async def _load(names: "tuple[str, ...]") -> None:
    """Load one module after the other, so that what is needed only while one is loaded does not pile up."""
    for name in names:
        __import__(name)
        gc.collect()
        await asyncio.sleep_ms(_PAUSE_MS)


def _drop() -> None:
    """Forget the modules that only an update needs."""
    for names in (_TO_RECEIVE, _TO_TRY, _LOADED_ONCE):
        modules.forget(names)
    gc.collect()
