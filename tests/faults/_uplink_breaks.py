"""What is broken in a run, and when: one thing at one step, or many things at random.

A step is a datagram at the relay; a commit is one of the gateway's journal. What is broken is ended in that instant.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults._uplink_world import UplinkWorld

GATEWAY, GATEWAY_AT_COMMIT, PLATFORM, PLATFORM_WITHOUT_STATE, PLATFORM_WITHOUT_KEYS, PLATFORM_OLDER = (
    "gateway",
    "gateway-at-commit",
    "platform",
    "platform-without-state",
    "platform-without-keys",
    "platform-older",
)
STATE_TABLES = ("states", "uploads")
"""Tables of the platform's database that a platform without its state has lost: states of chains, channel tables."""
AWAY_S = 5.0
"""How long a platform is away, in virtual time; longer than a datagram is under way."""

Restart = asyncio.Task[None]

_BREAK: dict[str, Callable[[UplinkWorld, float], Restart]] = {
    GATEWAY: lambda world, _: world.restart_gateway(),
    GATEWAY_AT_COMMIT: lambda world, _: world.restart_gateway(),
    PLATFORM: lambda world, away_s: world.restart_platform(away_s=away_s),
    PLATFORM_WITHOUT_STATE: lambda world, away_s: world.restart_platform(without=STATE_TABLES, away_s=away_s),
    PLATFORM_WITHOUT_KEYS: lambda world, away_s: world.restart_platform(without_keys=True, away_s=away_s),
    PLATFORM_OLDER: lambda world, away_s: world.restart_platform(older=True, away_s=away_s),
}


class Breaking:
    """A run's breaks, from `begin` on. `end` waits for what is starting again, and tells how many breaks there were."""

    def __init__(self) -> None:
        self.restarts: list[Restart] = []

    async def end(self) -> int:
        """No more breaks."""
        await asyncio.gather(*self.restarts)
        return len(self.restarts)


@dataclass(frozen=True, slots=True)
class Break:
    """`what` is ended at a step, whose datagram `is_delivered` or lost, or after a commit. An older database of the
    platform is that of half the steps."""

    what: str
    step: int
    is_delivered: bool = False

    def begin(self, world: UplinkWorld) -> Breaking:
        """From now on steps and commits count."""
        breaking = Breaking()

        def at_commit(commit: int) -> None:
            if commit == self.step and not breaking.restarts:
                breaking.restarts.append(_BREAK[self.what](world, AWAY_S))

        def at_step(step: int) -> bool:
            if breaking.restarts or step > self.step:
                return True
            if self.what == PLATFORM_OLDER and step == self.step // 2:
                world.remember_platform()
            if step < self.step:
                return True
            breaking.restarts.append(_BREAK[self.what](world, AWAY_S))
            return self.is_delivered

        if self.what == GATEWAY_AT_COMMIT:
            world.on_commit = at_commit
        else:
            world.relay.on_step = at_step
        return breaking


@dataclass(frozen=True, slots=True)
class Storm:
    """Anything is ended at random steps, one after the other, with a share of `often` of all steps."""

    seed: int
    often: float = 0.06

    def begin(self, world: UplinkWorld) -> Breaking:
        """From now on it breaks."""
        breaking, random = Breaking(), Random(self.seed)
        kinds = (GATEWAY, PLATFORM, PLATFORM_WITHOUT_STATE, PLATFORM_WITHOUT_KEYS, PLATFORM_OLDER)

        def at_step(step: int) -> bool:
            if step % 5 == 0 and random.random() < 0.5:
                world.remember_platform()
            if random.random() >= self.often or not all(restart.done() for restart in breaking.restarts):
                return True
            breaking.restarts.append(_BREAK[random.choice(kinds)](world, random.choice((AWAY_S, 30.0, 200.0))))
            return random.random() < 0.5

        world.relay.on_step = at_step
        return breaking
