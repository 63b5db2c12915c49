"""Digital inputs: a level counts when it has lasted for the pin's debounce time; alarms among them become events."""

import array
import asyncio

from micropython import const

from node import board, events, slots, supervisor, ticks
from protocols import event_codes, node_table
from protocols import node_table_layout as layout

_LOOK_EVERY_MS = const(10)

UNKNOWN = const(-1)


class Inputs:
    """All points of the node table that are pins. A point that is an alarm and active at the start is an event too."""

    def __init__(self, table: bytes, node_slots: slots.Slots, node_events: events.Events) -> None:
        self._changed = asyncio.ThreadSafeFlag()
        self._slots = node_slots
        self._events = node_events
        self._numbers: "list[int]" = []
        self._pins: "list[board.Input]" = []
        self._flags: "list[int]" = []
        self._debounce_ms: "list[int]" = []
        for slot in range(node_table.slot_count(table)):
            if node_table.slot_type(table, slot) == layout.PIN and node_table.slot_pin(table, slot) in board.INPUT_PINS:
                self._open(table, slot)
        count = len(self._numbers)
        self._states = bytearray(count)
        self._pending = bytearray(count)
        self._since = array.array("i", [0] * count)
        for index in range(count):
            self._states[index] = self._level(index)
            if self._states[index]:
                self._tell(index)

    def _open(self, table: bytes, slot: int) -> None:
        flags = node_table.slot_flags(table, slot)
        pull = board.PULL_NONE
        if flags & layout.PULL_UP:
            pull = board.PULL_UP
        elif flags & layout.PULL_DOWN:
            pull = board.PULL_DOWN
        self._numbers.append(slot)
        self._pins.append(board.Input(node_table.slot_pin(table, slot), pull, self._changed))
        self._flags.append(flags)
        self._debounce_ms.append(node_table.slot_debounce_ms(table, slot))

    def state(self, slot: int) -> int:
        """1 when the input of the slot is active, 0 when not, UNKNOWN when this board has no such pin."""
        for index in range(len(self._numbers)):
            if self._numbers[index] == slot:
                return self._states[index]
        return UNKNOWN

    def wake(self) -> None:
        """Let the task look at the pins though there was no edge."""
        self._changed.set()

    async def run(self, seat: supervisor.Seat) -> None:
        """Watch the pins for ever; sleeps until an edge."""
        while True:
            seat.check_in()
            await self._changed.wait()
            wait = self._look()
            while wait > 0:
                await asyncio.sleep_ms(wait)
                seat.check_in()
                wait = self._look()

    def _level(self, index: int) -> int:
        flags = self._flags[index]
        active = 1 if flags & layout.ACTIVE_HIGH else 0
        state = 1 if self._pins[index].level() == active else 0
        return state ^ 1 if flags & layout.INVERTED else state

    def _look(self) -> int:
        """Milliseconds until the next look; 0 when every input has settled."""
        wait = 0
        now = ticks.now()
        for index in range(len(self._numbers)):
            if self._level(index) == self._states[index]:
                self._pending[index] = 0
                continue
            if not self._pending[index]:
                self._pending[index] = 1
                self._since[index] = now
            left = self._debounce_ms[index] - ticks.between(now, self._since[index])
            if left <= 0:
                self._accept(index)
            else:
                wait = _LOOK_EVERY_MS
        return wait

    def _accept(self, index: int) -> None:
        self._pending[index] = 0
        self._states[index] ^= 1
        self._slots.sample(self._numbers[index], self._states[index])
        self._tell(index)

    def _tell(self, index: int) -> None:
        if self._flags[index] & layout.ALARM:
            state = self._states[index]
            code = event_codes.INPUT_RAISED if state else event_codes.INPUT_CLEARED
            self._events.add(code, self._numbers[index], state)
