"""The update's registers, and the task that loads the modules of an update when one begins and drops them after it.

What is here stays in the heap all year, so it is small: the work is in node/update.py and node/trial.py. The numbers of
states and reasons are those of protocols/update_codes.py, which is not loaded for them.
"""

import asyncio
import gc
import sys

from micropython import const

import node
from node import board, events, files, identity, register_map, slots, start, supervisor
from node.register_map import put, put_u32, u32
from protocols import event_codes, modbus, node_map, rtu, start_codes

_LOOK_MS = const(200)
_ANSWER_MS = const(500)
_FIRST_FILE = const(1)
_LAST_FILE = const(1000)
_COMMAND_REGISTERS = const(5)

_BEGIN, _TRY, _ABANDON = const(1), const(2), const(3)
_IDLE, _PREPARING, _RECEIVING, _VERIFYING = const(0), const(1), const(2), const(3)
_READY, _TRIAL, _KEPT, _REFUSED, _WENT_BACK = const(4), const(5), const(6), const(7), const(8)
_FLASH_FAILED, _NO_MEMORY = const(12), const(15)
_RESTARTED, _CRASHED, _CANNOT_START = const(22), const(23), const(24)

_LOADED = ("update", "update_slot", "update_signature", "trial")
_LOADED_PROTOCOLS = ("bundle", "update_codes")


class UpdateGate:
    """State of the update: `total` and `digest` name the bundle, `received` says how much of it is here.

    `boot` is the one boot state of this start. `node_slots` and `table` are None in safe mode.
    """

    def __init__(
        self,
        registers: register_map.RegisterMap,
        node_events: events.Events,
        node_slots: "slots.Slots | None",
        table: "bytes | None",
        this_start: start.Start,
    ) -> None:
        self.state = _IDLE
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
        self._look_back(this_start)
        registers.add(node_map.UPDATE, node_map.UPDATE_REGISTERS, self._fill)
        registers.add(node_map.UPDATE_COMMAND, node_map.UPDATE_COMMAND_REGISTERS, self._fill_nothing, self._take)

    async def run(self, seat: supervisor.Seat) -> None:
        """Judge the trial if this start is one; then wait for commands for ever."""
        if self.state == _TRIAL:
            from node import trial

            await trial.judge(self, seat)
            _drop()
        while True:
            seat.check_in()
            wanted = self._wanted
            self._wanted = 0
            if wanted == _BEGIN:
                await self._receive(seat)
            elif wanted == _TRY:
                await self._try()
            await asyncio.sleep_ms(_LOOK_MS)

    def _look_back(self, this_start: start.Start) -> None:
        """What the last start of an update has led to."""
        left_reason = self.boot.left_reason
        if self.boot.is_on_trial:
            self.state = _TRIAL
        elif left_reason == start_codes.UPDATED:
            self.state = _KEPT
        elif left_reason:
            self.state = _WENT_BACK
            self.reason = left_reason
            if left_reason == start_codes.TRIAL_ENDED:
                is_crash = this_start.left_slot and start_codes.IS_CRASH[this_start.reason]
                self.reason = _CRASHED if is_crash else _RESTARTED
            elif left_reason == start_codes.NOT_STARTING:
                self.reason = _CANNOT_START
            elif left_reason == start_codes.CRASHED:
                self.reason = _CRASHED
            if this_start.left_slot:
                self.events.add(event_codes.UPDATE_WENT_BACK, event_codes.NO_SLOT, self.reason)

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
        if offset or count < _COMMAND_REGISTERS:
            return modbus.ILLEGAL_DATA_VALUE
        command = rtu.get_u16(buffer, at)
        total = u32(buffer, at + 2)
        digest = u32(buffer, at + 6)
        is_same = total == self.total and digest == self.digest
        if command == _ABANDON:
            self.is_abandoned = True
            return 0
        if command == _TRY:
            if self.state != _READY or not is_same:
                return modbus.ILLEGAL_DATA_VALUE
            self._wanted = _TRY
            return 0
        if command != _BEGIN:
            return modbus.ILLEGAL_DATA_VALUE
        if self.state == _TRIAL or self._wanted == _TRY:
            return modbus.SERVER_DEVICE_BUSY
        if self.state == _PREPARING or self.state == _RECEIVING or self.state == _VERIFYING:
            if is_same:
                return 0
            self.is_abandoned = True
            return modbus.SERVER_DEVICE_BUSY
        if self.state != _READY or not is_same:
            self._begin(total, digest)
        return 0

    def _begin(self, total: int, digest: int) -> None:
        self.total = total
        self.digest = digest
        self.received = 0
        self.reason = 0
        self.is_abandoned = False
        self.state = _PREPARING
        self._wanted = _BEGIN

    async def _receive(self, seat: supervisor.Seat) -> None:
        """Receive one bundle; afterwards `state` is READY, REFUSED or IDLE, and the modules are gone."""
        gc.collect()
        try:
            await self._receive_with_modules(seat)
        except MemoryError:
            self.state = _REFUSED
            self.reason = _NO_MEMORY
        except OSError:
            self.state = _REFUSED
            self.reason = _FLASH_FAILED
        files.remove(_FIRST_FILE)
        _drop()

    async def _receive_with_modules(self, seat: supervisor.Seat) -> None:
        from node import update

        try:
            job = update.Update(self, seat)
            files.add(_FIRST_FILE, _LAST_FILE, None, job.take)
            await job.run()
            self.state = _READY
        except update.RefusedError as refused:
            self.state = _REFUSED
            self.reason = refused.args[0]
        except update.StoppedError as stopped:
            self.state = _IDLE
            self.reason = stopped.args[0]

    async def _try(self) -> None:
        """Restart into the version that is ready, once the answer to the command has gone out."""
        from node import trial

        await asyncio.sleep_ms(_ANSWER_MS)
        try:
            trial.stage(self.boot, self.slots)
        except OSError:
            self.state = _REFUSED
            self.reason = _FLASH_FAILED
            _drop()
            return
        board.reset()


def _drop() -> None:
    """Forget the modules that only an update needs."""
    for name in _LOADED:
        if sys.modules.pop("node." + name, None) is not None:
            delattr(node, name)
    package = sys.modules["protocols"]
    for name in _LOADED_PROTOCOLS:
        if sys.modules.pop("protocols." + name, None) is not None:
            delattr(package, name)
    gc.collect()
