"""When to poll: slots on the grid of unix time, so that every agent, restarted or not, measures at the same moments.

Why a sample carries its slot: docs/decisions/0104-slots-and-eras.md.
"""

import asyncio

from gateway_agent.clock import Clock

_LONGEST_SLEEP_MS = 30_000
_FAR_BACK_MS = 5_000
"""Longer than a busy computer oversleeps, so that short periods are not skipped for ever on one."""
ON_TIME_MS = 1_000
"""A sample that was taken no later than this after its slot carries the slot."""


def slot_after(now_ms: int, period_ms: int, phase_ms: int) -> int:
    """The first multiple of `period_ms` plus `phase_ms` that is later than `now_ms`; all in unix milliseconds."""
    return ((now_ms - phase_ms) // period_ms + 1) * period_ms + phase_ms


def stamp(taken_ms: int, slot_ms: int, less_than_ms: int, last_ms: int | None = None) -> int:
    """The time that a sample of `slot_ms` carries when it was taken at `taken_ms`; all in unix milliseconds.

    That is its slot when it was taken on time, less than `less_than_ms` after it; but never the time of the sample
    before, `last_ms`, nor an earlier one. Otherwise it is the moment itself.
    """
    late_ms = taken_ms - slot_ms
    is_on_time = 0 <= late_ms <= ON_TIME_MS and late_ms < less_than_ms
    return slot_ms if is_on_time and (last_ms is None or slot_ms > last_ms) else taken_ms


class Slots:
    """The slots of one period and phase. A slot that passes while the caller is busy is skipped and counted.

    The clock may be set meanwhile: nobody waits longer than one period for it, and a slot that then lies far back is
    none that was waited for.
    """

    def __init__(self, clock: Clock, period_ms: int, phase_ms: int = 0) -> None:
        self.period_ms = period_ms
        self.skipped = 0
        self._clock = clock
        self._phase_ms = phase_ms
        self._last_ms: int | None = None

    async def next(self) -> int:
        """Wait for the next slot and return its unix milliseconds."""
        slot_ms = slot_after(self._clock.unix_ms(), self.period_ms, self._phase_ms)
        if self._last_ms is not None and slot_ms - self._last_ms < 10 * self.period_ms:
            self.skipped += max(0, (slot_ms - self._last_ms) // self.period_ms - 1)
        while (wait_ms := slot_ms - self._clock.unix_ms()) > 0 or wait_ms < -max(self.period_ms, _FAR_BACK_MS):
            if abs(wait_ms) > self.period_ms:
                slot_ms = slot_after(self._clock.unix_ms(), self.period_ms, self._phase_ms)
                wait_ms = slot_ms - self._clock.unix_ms()
            await asyncio.sleep(min(wait_ms, _LONGEST_SLEEP_MS, self.period_ms) / 1000)
        self._last_ms = slot_ms
        return slot_ms
