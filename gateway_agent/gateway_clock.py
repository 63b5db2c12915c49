"""The gateway's own clock: time that can be trusted, on a machine that may not know the time when it starts.

Unix time is always the monotonic clock plus an offset, and the offset is ours: a system clock that somebody sets moves
nothing. A stretch of one offset is an *era*. An era that began before the right time was known is a guess; when the
right time comes, the next era begins, and what the guess was off by is told to the journal, for every such era of this
start of the machine, because its monotonic clock has gone on. So a reading keeps the stamp that it was given, and
whoever reads it adds its era's shift (docs/decisions/0104).

Within an era time never goes back: a source that moves by a second or less is followed by `1 / _MS_FOR_1_MS_OF_SLEW` of
the time that passes. One that moves by more begins an era.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from gateway_agent.clock import Clock
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.platform_time import EARLIEST_MS, PlatformTime
from gateway_agent.records import Era

_LOG = logging.getLogger(__name__)

Trust = Literal["auto", "system", "platform"]
Source = Literal["none", "system", "platform"]
STEP_MS = 1_000
"""A trusted source that moves by more begins a new era."""
LOOK_EVERY_S = 1.0
_MS_FOR_1_MS_OF_SLEW = 200
_JITTER_MS = 2
"""Two clocks that are read one after the other, in whole milliseconds, seem to move by so much."""


class EraKeeper(Protocol):
    """Where eras are kept: the journal.

    What is given to it carries the era whose `begin_era` returned last: it changes over in the very step in which
    `begin_era` returns, for the clock gives the old time until then.
    """

    def eras(self) -> Sequence[Era]:
        """All eras that were known when it was opened, of every boot."""
        ...

    async def begin_era(self, boot_id: str, offset_ms: int, trusted: bool) -> Era:
        """Begin the next era and return it when it is on the disk. Raises JournalUnavailable: it has not begun."""
        ...

    async def correct_eras(self, shifts: Mapping[int, int]) -> None:
        """Keep the `shift_ms` of eras, by their numbers. Raises JournalUnavailable."""
        ...


class GatewayClock:
    """A `Clock` on a base clock; `trust` is that of pole.toml.

    `era` is the one in force, None before the first look. `before_step` are called with the old time still in force, to
    hand on what carries it and to keep nothing more that does; `after_step` get the milliseconds by which time has
    moved, 0 when the new era could not begin.
    """

    def __init__(self, base: Clock, trust: Trust = "auto") -> None:
        self.before_step: list[Callable[[], None]] = []
        self.after_step: list[Callable[[int], None]] = []
        self.era: Era | None = None
        self.source: Source = "none"
        self._base = base
        self._trust = trust
        self._boot_id = base.boot_id()
        self._platform = PlatformTime()
        self._keeper: EraKeeper | None = None
        self._is_trusted = False
        self._uncorrected: dict[int, int] = {}
        self._trouble: str | None = None
        self._looking = asyncio.Lock()
        told = self._told()
        if told is None:
            # Surely wrong, and so is any other guess; but times below zero are none that a journal or SenML can tell.
            self._set(max(base.unix_ms(), EARLIEST_MS) - base.monotonic_ms())
        else:
            offset_ms, self.source = told
            self._set(offset_ms)
            self._is_trusted = True

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z; steps only between eras."""
        now_ms = self._base.monotonic_ms()
        return now_ms + self._offset_at(now_ms)

    def monotonic_ms(self) -> int:
        """Milliseconds by the base's monotonic clock."""
        return self._base.monotonic_ms()

    def boot_id(self) -> str:
        """The boot id of the base clock."""
        return self._boot_id

    @property
    def is_trusted(self) -> bool:
        """Whether the right time was ever told in this run; it is then held over the monotonic clock."""
        return self._is_trusted

    @property
    def system_off_ms(self) -> int:
        """By how much this clock is ahead of the system's."""
        return self.unix_ms() - self._base.unix_ms()

    def keep_eras(self, keeper: EraKeeper) -> None:
        """Let `keeper` keep the eras. Without the right time, what an earlier run of this boot held for it goes on."""
        self._keeper = keeper
        known = [era for era in keeper.eras() if era.boot_id == self._boot_id]
        self._uncorrected = {era.number: era.offset_ms for era in known if not era.trusted and era.shift_ms is None}
        if known and not self.is_trusted:
            newest = max(known, key=lambda era: era.number)
            self._set(newest.offset_ms + (newest.shift_ms or 0))

    def heard_platform(self, platform_ms: int, round_trip_ms: int) -> None:
        """Take the platform's unix time from an answer that has just come; the next look goes by it."""
        if not self._platform.hear(platform_ms, round_trip_ms, self._base.monotonic_ms()):
            _LOG.debug("the platform's time %d after %d ms is not believed", platform_ms, round_trip_ms)

    async def run(self) -> None:
        """Look once a second, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Begin the first era, follow the source of trust, and have what was a guess corrected.

        While the journal cannot be written everything stays as it is, and the next look tries again. Looks take turns.
        """
        async with self._looking:
            await self._look()

    async def _look(self) -> None:
        if self._keeper is None:
            raise RuntimeError("a clock without a keeper of its eras cannot look")
        try:
            if self.era is None:
                self.era = await self._begin(self._keeper, self._offset_now(), self.is_trusted)
            told = self._told()
            if told is not None:
                await self._follow(self._keeper, *told)
            self._trouble = None
        except JournalUnavailable as error:
            if self._trouble is None:
                _LOG.warning("the clock stays as it is until the journal can be written: %s", error)
            self._trouble = str(error)

    def _told(self) -> tuple[int, Source] | None:
        """The right offset and who tells it; None while nobody does."""
        now_ms = self._base.monotonic_ms()
        # Read before the kernel is asked: a clock that is set by hand between the two is not believed.
        system_ms = self._base.unix_ms() - now_ms
        if self._trust == "system" or (self._trust == "auto" and self._base.is_trusted):
            return system_ms, "system"
        offset_ms = self._platform.offset_ms(now_ms, self._offset_now() if self.is_trusted else None)
        return None if offset_ms is None else (offset_ms, "platform")

    async def _follow(self, keeper: EraKeeper, offset_ms: int, source: Source) -> None:
        # First, so that a power cut between the two leaves no guess that nobody can correct any more.
        await self._correct(keeper, offset_ms)
        if not self.is_trusted or abs(offset_ms - self._offset_now()) > STEP_MS:
            await self._step(keeper, offset_ms)
            _LOG.info("time is told by the %s, the system's clock is %+d ms off", source, -self.system_off_ms)
        elif abs(offset_ms - self._aim_ms) > _JITTER_MS:
            self._set(self._offset_now(), offset_ms)
        self.source = source

    async def _step(self, keeper: EraKeeper, offset_ms: int) -> None:
        by_ms = 0
        for hand_on in self.before_step:
            hand_on()
        try:
            self.era = await self._begin(keeper, offset_ms, True)
            by_ms = offset_ms - self._offset_now()
            self._set(offset_ms)
            self._is_trusted = True
        finally:
            for tell in self.after_step:
                tell(by_ms)

    async def _begin(self, keeper: EraKeeper, offset_ms: int, trusted: bool) -> Era:
        era = await keeper.begin_era(self._boot_id, offset_ms, trusted)
        if not trusted:
            self._uncorrected[era.number] = offset_ms
        return era

    async def _correct(self, keeper: EraKeeper, offset_ms: int) -> None:
        """Tell what the guesses of this boot were off by, now that the right offset is known."""
        if self._uncorrected:
            await keeper.correct_eras({number: offset_ms - guess_ms for number, guess_ms in self._uncorrected.items()})
            self._uncorrected.clear()

    def _set(self, offset_ms: int, aim_ms: int | None = None) -> None:
        """Have this offset now, and go from it to another in small steps."""
        self._offset_ms = offset_ms
        self._aim_ms = offset_ms if aim_ms is None else aim_ms
        self._set_at_ms = self._base.monotonic_ms()

    def _offset_now(self) -> int:
        return self._offset_at(self._base.monotonic_ms())

    def _offset_at(self, monotonic_ms: int) -> int:
        slewed_ms = (monotonic_ms - self._set_at_ms) // _MS_FOR_1_MS_OF_SLEW
        return self._offset_ms + max(-slewed_ms, min(slewed_ms, self._aim_ms - self._offset_ms))
