"""Counting the closings of a contact: a tipping-bucket rain gauge, a meter's pulse output.

An edge counts when none came within the pin's debounce time before it, so that a reed that chatters counts once. The
count begins at 0 with each start. Loaded only where the node table has such a point.
"""

from node import board, slots, ticks
from protocols import node_table
from protocols import node_table_layout as layout


class Pulses:
    """The counter of one slot; `count` wraps to 0 at 2**30."""

    def __init__(self, table: bytes, slot: int, node_slots: slots.Slots) -> None:
        flags = node_table.slot_flags(table, slot)
        pull = board.PULL_NONE
        if flags & layout.PULL_UP:
            pull = board.PULL_UP
        elif flags & layout.PULL_DOWN:
            pull = board.PULL_DOWN
        self.count = 0
        self._slot = slot
        self._slots = node_slots
        self._debounce_ms = node_table.slot_debounce_ms(table, slot)
        self._last = ticks.later(ticks.now(), -self._debounce_ms)
        rising = bool(flags & layout.ACTIVE_HIGH)
        self._pin = board.open_counter(node_table.slot_pin(table, slot), pull, rising, self._on_edge)

    def _on_edge(self, _pin) -> None:  # type: ignore[no-untyped-def]
        now = ticks.now()
        since = ticks.between(now, self._last)
        self._last = now
        if since < 0 or since >= self._debounce_ms:
            self.count = (self.count + 1) & 0x3FFFFFFF

    def sample(self) -> None:
        """Make a sample of the count. Allocates nothing."""
        self._slots.sample(self._slot, self.count)
