"""Points that the node measures itself, digital inputs apart: current loops, pulses, the tilt of a cover.

Each kind is loaded only where the node table has it.
"""

from node import slots
from protocols import node_table, quality
from protocols import node_table_layout as layout
from protocols.node_table_layout import point_at


class OwnPoints:
    """All such points of the table; `cover` is the cover's angle, a `cover_angle.CoverAngle`, where it has one."""

    def __init__(self, table: bytes, node_slots: slots.Slots, cover) -> None:  # type: ignore[no-untyped-def]
        self._table = table
        self._slots = node_slots
        self._cover = cover
        self._sensors = {}
        for slot in range(node_table.slot_count(table)):
            kind = node_table.slot_type(table, slot)
            if kind == layout.ANALOG:
                from node import current_loop

                if current_loop.is_one(table, slot):
                    self._sensors[slot] = current_loop.CurrentLoop(table, slot, node_slots)
            elif kind == layout.PULSE:
                from node import pulses

                self._sensors[slot] = pulses.Pulses(table, slot, node_slots)  # type: ignore[assignment]

    def sample(self, slot: int) -> None:
        """Make a sample of the slot's point, or note why there is none; FAULT where the board has no such pin."""
        if node_table.slot_type(self._table, slot) == layout.TILT:
            self._sample_tilt(slot)
        elif slot in self._sensors:
            self._sensors[slot].sample()
        else:
            self._slots.fail(slot, 1, quality.FAULT)

    def _sample_tilt(self, slot: int) -> None:
        cover = self._cover
        if not cover.is_known:
            self._slots.fail(slot, 1, quality.NO_ANSWER if cover.is_lost else quality.WARMING_UP)
        elif self._table[point_at(self._table, slot) + 2] == layout.TILT_FROM_UPRIGHT:
            self._slots.sample(slot, cover.from_upright)
        elif cover.is_learned:
            self._slots.sample(slot, cover.from_background)
        else:
            self._slots.fail(slot, 1, quality.WARMING_UP)
