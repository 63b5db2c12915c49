"""The radio link of the uplink's faults: a relay that can be stopped at each step, and forgets who was ended.

A step is one datagram at the relay, in either direction. Whoever is called at a step says whether it goes on its way.
"""

from collections.abc import Callable
from typing import Self

from hardware.rig.relay import AirCount, RadioFaults, Relay

OnStep = Callable[[int], bool]
"""Gets the number of a step, from 0 on, and says whether its datagram is delivered."""


class SteppedRelay(Relay):
    """`steps` counts datagrams of both directions. `on_step` may be set; without it everything is delivered."""

    def __init__(self, platform: tuple[str, int], seed: int, faults: RadioFaults) -> None:
        super().__init__(platform, seed, faults)
        self.steps = 0
        self.on_step: OnStep | None = None
        self._gone: set[tuple[str, int]] = set()

    @classmethod
    async def start_seeded(cls, platform: tuple[str, int], seed: int = 0, faults: RadioFaults | None = None) -> Self:
        """As `start`, with a narrower type."""
        relay = await cls.start(platform, seed=seed, faults=faults)
        assert isinstance(relay, cls)
        return relay

    def forget_agents(self) -> None:
        """The gateway was ended: nothing more comes from its sockets or goes to them."""
        self._gone |= set(self._agents) | set(self._waiting)

    def _from_agent(self, data: bytes, agent: tuple[str, int]) -> None:
        if agent not in self._gone:
            super()._from_agent(data, agent)

    def _from_platform(self, data: bytes, agent: tuple[str, int]) -> None:
        if agent not in self._gone:
            super()._from_platform(data, agent)

    def _carry(self, count: AirCount, data: bytes, deliver: Callable[[], None]) -> None:
        step, self.steps = self.steps, self.steps + 1
        if self.on_step is None or self.on_step(step):
            super()._carry(count, data, deliver)
