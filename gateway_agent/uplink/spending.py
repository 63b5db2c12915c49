"""What goes over the air held against the plan, and the pace that it leaves; without a plan everything goes as set."""

from random import Random

from gateway_agent.bearers.choice import Bearers
from gateway_agent.clock import Clock
from gateway_agent.journal import Journal
from gateway_agent.records import Event
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.budget import WRITE_EVERY_MS, ByteBudget
from gateway_agent.uplink.pace import Pace


class Spending:
    """The budgets of the bearers, as the uplink asks them. Times in seconds."""

    def __init__(
        self, bearers: Bearers, air: AirCount, batch_s: float, journal: Journal, clock: Clock, random: Random
    ) -> None:
        """`air` is what all of them have sent and received."""
        self._bearers = bearers
        self._air = air
        self._batch_s = batch_s
        self._journal = journal
        self._clock = clock
        self._random = random

    @property
    def budget(self) -> ByteBudget | None:
        """That of the bearer that is used now, None where nobody counts."""
        return self._bearers.current.budget

    @property
    def pace(self) -> Pace:
        """How telemetry goes now."""
        return Pace() if self.budget is None else self.budget.pace

    @property
    def batch_s(self) -> float:
        """How far telemetry batches are apart now."""
        return self._batch_s if self.budget is None else self.budget.batch_s

    @property
    def has_room_for_past(self) -> bool:
        """Whether readings of the past may go as they are."""
        return self.budget is None or self.budget.has_room_for_past

    @property
    def look_every_s(self) -> float | None:
        """How often `count` must be called at least; None: nobody counts."""
        return None if self.budget is None else WRITE_EVERY_MS / 1000

    def earned_s(self, before_bytes: int) -> float:
        """How long the plan makes us wait for another try, after one that began at so many bytes on the air."""
        if self.budget is None:
            return 0.0
        return self._random.uniform(1.0, 1.25) * self.budget.pause_s(self._air.on_air_bytes - before_bytes)

    async def count(self, *, is_away: bool) -> None:
        """Take what went since the last call, and tell of a pace that changes; `is_away`: nobody answers."""
        for bearer in self._bearers:
            budget = bearer.budget
            if budget is None:
                continue
            before = budget.pace
            budget.count(bearer.air, is_away=is_away or bearer is not self._bearers.current)
            await budget.keep()
            if budget.pace != before:
                await self.tell(budget.telling)

    async def tell(self, detail: str) -> None:
        """Let the platform know why fewer readings come, or more again."""
        await self._journal.add_event(Event("uplink", "event", "pace", self._clock.unix_ms(), detail=detail))
