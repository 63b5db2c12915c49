"""The slots of a node: which of them hold a sample that has not been seen yet, and when it was taken."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.node_events import s32
from gateway_agent.records import Reading
from protocols import modbus, node_map, quality

SLOTS_PER_READ = modbus.MAX_READ_REGISTERS // node_map.SLOT_REGISTERS
_AGE_OLD = 0xFFFE
_AGE_UNIT_MS = 10
_SAME_MS = 5 * _AGE_UNIT_MS


@dataclass(frozen=True, slots=True)
class NodePoint:
    """The point of one slot: its full name, exponent and unit, and how often it is measured."""

    name: str
    device: str
    exponent: int
    unit: str
    every_ms: int


class SlotBook:
    """Remembers the sample counter of each slot, so that a sample is taken once."""

    def __init__(self, points: Sequence[NodePoint], latest: LatestValues) -> None:
        self.points = points
        self._latest = latest
        self._seen: dict[int, tuple[int | None, int]] = {}
        for point in points:
            latest.announce(point.name, point.exponent, point.unit)

    def forget(self) -> None:
        """Forget all counters: the node has started again.

        When is still known, for what it has measured since may have been taken before its new start was noticed.
        """
        self._seen = {slot: (None, time_ms) for slot, (_, time_ms) in self._seen.items()}

    def reads(self) -> list[tuple[int, int]]:
        """The fewest reads that cover all slots: (address, registers)."""
        return [
            (
                node_map.SLOTS + node_map.SLOT_REGISTERS * first,
                node_map.SLOT_REGISTERS * min(SLOTS_PER_READ, len(self.points) - first),
            )
            for first in range(0, len(self.points), SLOTS_PER_READ)
        ]

    def take(self, address: int, registers: Sequence[int], answered_ms: int) -> list[Reading]:
        """The new good samples in an answer that was complete at `answered_ms` (unix milliseconds).

        A stamp may be late by the time that the answer took, never early (docs/decisions/0103).
        """
        samples = []
        first = (address - node_map.SLOTS) // node_map.SLOT_REGISTERS
        for offset in range(len(registers) // node_map.SLOT_REGISTERS):
            at = offset * node_map.SLOT_REGISTERS
            point = self.points[first + offset]
            state = registers[at + node_map.SLOT_QUALITY_COUNTER]
            age = registers[at + node_map.SLOT_AGE_10MS]
            if state >> 8 != quality.GOOD or age >= _AGE_OLD:
                bad = quality.STALE if state >> 8 == quality.GOOD else state >> 8
                self._latest.bad([point.name], min(bad, len(quality.NAMES) - 1))
                continue
            value = s32(registers, at + node_map.SLOT_VALUE)
            time_ms = answered_ms - _AGE_UNIT_MS * age
            self._latest.good(point.name, value, time_ms)
            if self._is_new(first + offset, state & 0xFF, time_ms):
                samples.append(Reading(point.name, time_ms, value, point.exponent))
        return samples

    def no_value(self, address: int, count: int, number: int) -> None:
        """Note that a read got no answer, with the quality that its points have now."""
        first = (address - node_map.SLOTS) // node_map.SLOT_REGISTERS
        points = self.points[first : first + count // node_map.SLOT_REGISTERS]
        self._latest.bad((point.name for point in points), number)

    def _is_new(self, slot: int, counter: int, time_ms: int) -> bool:
        """Whether the sample differs from the last one: by its counter, or by its time when a counter came round."""
        seen = self._seen.get(slot)
        self._seen[slot] = (counter, time_ms)
        if seen is None:
            return True
        last_counter, last_ms = seen
        if last_counter is None:
            return abs(time_ms - last_ms) >= _SAME_MS
        half_ms = self.points[slot].every_ms // 2
        if last_counter == counter and abs(time_ms - last_ms) < max(half_ms, 2 * _AGE_UNIT_MS):
            self._seen[slot] = seen
            return False
        return True
