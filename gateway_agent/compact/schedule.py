"""Which group comes next when nothing unusual happens: telemetry.md, "Telemetry", step 1."""

from collections.abc import Iterator
from heapq import heapify, heappop
from itertools import islice

from gateway_agent.compact.limits import MAX_SKIPS
from gateway_agent.compact.range_coder import Coder
from gateway_agent.compact.state import GROUP_CONTEXTS, State
from gateway_agent.uplink.errors import FormatError


class Schedule:
    """Goes by the due times of the state, and moves those on of groups that do not come."""

    def __init__(self, coder: Coder, state: State) -> None:
        self._coder = coder
        self._state = state

    def _order(self) -> Iterator[int]:
        """Groups in the order in which they are expected."""
        keys = [
            (due + late, group)
            for group, (due, late) in enumerate(zip(self._state.due_ms, self._state.table.late_ms, strict=True))
            if due is not None
        ]
        heapify(keys)
        while keys:
            yield heappop(keys)[1]

    def is_next(self, wanted: int, time_ms: int, waiting: set[tuple[int, int]]) -> bool:
        """Whether the group comes when it is due, and those that are due before it do not come at all."""
        due_ms = self._state.due_ms
        if due_ms[wanted] != time_ms:
            return False
        for skips, group in enumerate(self._order()):
            if group == wanted:
                return skips <= MAX_SKIPS
            if (group, due_ms[group]) in waiting:
                return False
        return False

    def next_group(self, wanted: int) -> int:
        """The group, after those that were due before it and did not come."""
        state = self._state
        for group in islice(self._order(), MAX_SKIPS + 1):
            if self._coder.bit(state.groups, group * GROUP_CONTEXTS, group == wanted):
                return group
            due = state.due_ms[group]
            state.due_ms[group] = None if due is None else due + state.table.periods_ms[group]
        raise FormatError(f"none of the first {MAX_SKIPS + 1} groups that are due comes")
