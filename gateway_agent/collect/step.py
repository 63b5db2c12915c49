"""Keeping in step with a unit, so that the answer to one request is never taken for the answer to another.

Modbus RTU numbers nothing: a device that answers late, or that has one old answer in its pipe, gives well-formed
numbers that belong to something else. Two things tell: time (the line is left quiet after a miss, so that a late answer
comes while nobody waits for it) and length. After every miss, and at the start, a unit is in doubt. It is trusted
again when it has answered a probe: a read whose number of registers differs from everything that it still owes.
A unit that gives no sound at all to a probe may be one that ignores lengths that it does not like; it is then asked
the same question twice in a row and only the second answer counts.
"""

from collections.abc import Collection, Sequence

from gateway_agent.collect.request import Read
from protocols import modbus

_DEBT_MEMORY = 8


class Step:
    """What is known about one unit's pipe.

    `planned_counts` are the register counts of everything that is ever asked of the unit: a process that ran before
    this one may have left any of them unanswered. `prefixes` names, per request, the counts that end between points.
    """

    def __init__(self, planned_counts: Collection[int]) -> None:
        self._planned = frozenset(planned_counts)
        self._owed: list[int] = []
        self._silent_probe = False
        self.is_sure = False

    @property
    def may_ask_twice(self) -> bool:
        """Whether the last probe met complete silence, so that its length may be what the device dislikes."""
        return self._silent_probe

    def missed(self, count: int) -> None:
        """Note that a read of `count` registers got no answer that counts."""
        self.is_sure = False
        self._owed.append(count)
        del self._owed[:-_DEBT_MEMORY]

    def probe_was_silent(self, silent: bool) -> None:
        """Note whether anything at all was heard after a probe that failed."""
        self._silent_probe = silent

    def proved(self) -> None:
        """Note that the unit gave the answer that only the last request can have called for."""
        self.is_sure = True
        self._owed.clear()
        self._silent_probe = False

    def probe(self, ask: Read, prefixes: Sequence[int] = ()) -> Read:
        """A read like `ask` whose answer has a length that the unit does not owe.

        Counts out of `prefixes` (where a point of the profile ends) are preferred, for some devices refuse to cut a
        value in two. When all lengths are owed, the one that was owed for the longest time is taken.
        """
        shorter = [count for count in prefixes if count < ask.count]
        candidates = [*shorter, *(count for count in range(1, ask.count) if count not in shorter)]
        if ask.count < modbus.MAX_READ_REGISTERS and ask.address + ask.count < 0x10000:
            candidates.append(ask.count + 1)
        fresh = [count for count in candidates if count not in self._owed]
        unplanned = [count for count in fresh if count not in self._planned]
        if unplanned or fresh:
            count = (unplanned or fresh)[0]
        else:
            count = min(candidates, key=lambda count: len(self._owed) - self._owed[::-1].index(count))
        return Read(ask.unit, ask.function, ask.address, count)
