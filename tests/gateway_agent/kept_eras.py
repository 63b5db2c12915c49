"""A machine whose clocks a test moves, and eras that are kept in memory."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gateway_agent.journal import JournalUnavailable
from gateway_agent.records import Era


class Machine:
    """A `Clock` without a battery: `true_ms` is the right time, the system's clock is off by `system_off_ms`.

    `is_trusted` is what the kernel says of the system's clock.
    """

    def __init__(self, true_ms: int) -> None:
        self.true_ms = true_ms
        self.is_trusted = False
        self.boots = 0
        self.reboot(0)

    def reboot(self, system_ms: int) -> None:
        """Start anew, with the system's clock at `system_ms` and the monotonic one at its beginning."""
        self.boots += 1
        self._started_ms = self.true_ms
        self.system_off_ms = system_ms - self.true_ms
        self.is_trusted = False

    def unix_ms(self) -> int:
        return self.true_ms + self.system_off_ms

    def monotonic_ms(self) -> int:
        return self.true_ms - self._started_ms

    def boot_id(self) -> str:
        return f"boot {self.boots}"


class KeptEras:
    """An EraKeeper in memory; `is_away` is a disk that cannot be written."""

    def __init__(self) -> None:
        self.known: dict[int, Era] = {}
        self.is_away = False
        self.commit_s = 0.0

    def eras(self) -> Sequence[Era]:
        return list(self.known.values())

    async def begin_era(self, boot_id: str, offset_ms: int, trusted: bool) -> Era:
        await self._commit()
        era = Era(len(self.known) + 1, boot_id, offset_ms, trusted, 0 if trusted else None)
        self.known[era.number] = era
        return era

    async def correct_eras(self, shifts: Mapping[int, int]) -> None:
        await self._commit()
        for number, shift_ms in shifts.items():
            assert self.known[number].shift_ms is None, "an era is corrected once"
            self.known[number] = replace(self.known[number], shift_ms=shift_ms)

    async def _commit(self) -> None:
        if self.commit_s:
            await asyncio.sleep(self.commit_s)
        if self.is_away:
            raise JournalUnavailable("the disk is full")
