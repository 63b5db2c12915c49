"""The slots of a node: which of them hold a sample that has not been seen yet, and when it was taken."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway_agent.collect.latest import LatestValues
from gateway_agent.collect.node_events import s32
from gateway_agent.collect.slots import stamp
from gateway_agent.records import Reading
from protocols import modbus, node_map, quality

SLOTS_PER_READ = modbus.MAX_READ_REGISTERS // node_map.SLOT_REGISTERS
_AGE_OLD = 0xFFFE
_AGE_UNIT_MS = 10
_SAME_MS = 5 * _AGE_UNIT_MS
_STEP_MS = 1_000
"""A clock that was moved by more was set, and not only slewed."""


@dataclass(frozen=True, slots=True)
class NodePoint:
    """The point of one slot: its full name, exponent and unit, and how often it is measured."""

    name: str
    device: str
    exponent: int
    unit: str
    every_ms: int


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last sample of a slot: its counter (None: of another start of the node), when it was taken by the monotonic
    clock, the unix time that it carries, and what the clock was set to then."""

    counter: int | None
    taken_ms: int
    time_ms: int
    offset_ms: int


class SlotBook:
    """Remembers the last sample of each slot, so that a sample is taken once and times only grow."""

    def __init__(self, points: Sequence[NodePoint], latest: LatestValues) -> None:
        self.points = points
        self._latest = latest
        self._seen: dict[int, _Seen] = {}
        for point in points:
            latest.announce(point.name, point.exponent, point.unit)

    def forget(self) -> None:
        """Forget all counters: the node has started again.

        When is still known, for what it has measured since may have been taken before its new start was noticed.
        """
        self._seen = {slot: replace(seen, counter=None) for slot, seen in self._seen.items()}

    def reads(self) -> list[tuple[int, int]]:
        """The fewest reads that cover all slots: (address, registers)."""
        return [
            (
                node_map.SLOTS + node_map.SLOT_REGISTERS * first,
                node_map.SLOT_REGISTERS * min(SLOTS_PER_READ, len(self.points) - first),
            )
            for first in range(0, len(self.points), SLOTS_PER_READ)
        ]

    def take(
        self, address: int, registers: Sequence[int], answered_ms: int, offset_ms: int = 0, is_trusted: bool = True
    ) -> list[Reading]:
        """The new good samples in an answer that was complete at `answered_ms` of the monotonic clock.

        Unix time is that plus `offset_ms`. A moment may be late by the time that the answer took, never early
        (docs/decisions/0103). A sample of a node belongs to the multiple of its period before it, for a node has no
        phases; it may carry that when unix time `is_trusted`.
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
            taken_ms = answered_ms - _AGE_UNIT_MS * age
            self._latest.good(point.name, value, taken_ms)
            if self._is_new(first + offset, state & 0xFF, taken_ms):
                time_ms = taken_ms + offset_ms
                if is_trusted:
                    time_ms = self._stamp(first + offset, time_ms, offset_ms)
                self._seen[first + offset] = _Seen(state & 0xFF, taken_ms, time_ms, offset_ms)
                samples.append(Reading(point.name, time_ms, value, point.exponent))
        return samples

    def no_value(self, address: int, count: int, number: int) -> None:
        """Note that a read got no answer, with the quality that its points have now."""
        first = (address - node_map.SLOTS) // node_map.SLOT_REGISTERS
        points = self.points[first : first + count // node_map.SLOT_REGISTERS]
        self._latest.bad((point.name for point in points), number)

    def _is_new(self, slot: int, counter: int, taken_ms: int) -> bool:
        """Whether the sample differs from the last one: by its counter, or by its time when a counter came round."""
        seen = self._seen.get(slot)
        if seen is None:
            return True
        apart_ms = abs(taken_ms - seen.taken_ms)
        if seen.counter is None:
            is_new = apart_ms >= _SAME_MS
            if not is_new:
                self._seen[slot] = replace(seen, counter=counter)
            return is_new
        half_ms = self.points[slot].every_ms // 2
        return seen.counter != counter or apart_ms >= max(half_ms, 2 * _AGE_UNIT_MS)

    def _stamp(self, slot: int, taken_ms: int, offset_ms: int) -> int:
        """What a new sample carries that was taken at `taken_ms` of unix time."""
        every_ms = self.points[slot].every_ms
        seen = self._seen.get(slot)
        last_ms = None if seen is None else seen.time_ms
        if seen is not None and last_ms is not None and abs(offset_ms - seen.offset_ms) > _STEP_MS:
            last_ms += offset_ms - seen.offset_ms
        return stamp(taken_ms, taken_ms - taken_ms % every_ms, -(-every_ms // 2), last_ms)
