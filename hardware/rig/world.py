"""The world around the pole: it moves the simulated devices, all from one seed.

Scenes (`Air`, `Mains`, `Lamp`, `Manhole`) work out physical quantities; `place` ties a device's points to a scene by
the names of its points; every `period_s` seconds of unix time, at whole multiples, all devices get new values. Other
things happen at moments of their own: a cover opens, gas leaks, a lamp fails.

To try it: `world = World(7, clock)`, `world.place(device, world.air)`, `world.start()`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

from gateway_agent.profiles.point import Point
from hardware.rig.air import Air, AirHour, air_file, read_air
from hardware.rig.clock import RigClock
from hardware.rig.devices import SimulatedDevice
from hardware.rig.lamp_physics import Lamp
from hardware.rig.mains import Mains
from hardware.rig.manhole import Manhole
from hardware.rig.quantities import Feed

_BETWEEN_POLLS_MS = 1500
"""When, within a refresh period of 2 s, nobody polls: a moment for things to happen."""
_CUT_MS = 0.5
"""How much later timers are set, so that a clock cut to whole milliseconds shows the wanted one."""


class Scene(Protocol):
    """A part of the world. `names` gives the quantity for points that are named otherwise."""

    names: Mapping[str, str]
    quantities: dict[str, float]

    def advance(self, seconds: float) -> None:
        """Work out the quantities for `seconds` after the start."""
        ...


@dataclass(frozen=True)
class CoverMoments:
    """When the cover opens and closes, milliseconds of unix time."""

    open_ms: int
    close_ms: int


class World:
    """One pole's surroundings. `air`, `mains` and `manhole` are there from the start; lamps are added.

    `period_s` is the refresh period; `seconds_per_hour` is how long a recorded hour of the air lasts (3600 is true).
    `refreshes` counts the refreshes. Nothing moves before `start()`, but placed devices hold their first values.
    """

    def __init__(
        self,
        seed: int,
        clock: RigClock,
        *,
        period_s: float = 2.0,
        seconds_per_hour: float = 3600.0,
        hours: Sequence[AirHour] | None = None,
        cover_open: Callable[[], bool] = lambda: False,
    ) -> None:
        self.seed = seed
        self.clock = clock
        self.period_ms = round(period_s * 1000)
        self.air = Air(seed, hours or read_air(air_file()), seconds_per_hour)
        self.mains = Mains(seed)
        self.manhole = Manhole(seed, self.air, cover_open)
        self.refreshes = 0
        self._scenes: list[Scene] = [self.air, self.mains, self.manhole]
        self._placed: list[tuple[SimulatedDevice, Scene, list[Feed]]] = []
        self._start_ms = clock.unix_ms()
        self._next_ms = 0
        self._timer: asyncio.TimerHandle | None = None
        self._moments: set[asyncio.TimerHandle] = set()

    def lamp(self, driver: SimulatedDevice) -> Lamp:
        """Add a lamp whose level is that of a simulated driver; ValueError when the device drives no lamp."""
        output = driver.lamp
        if output is None:
            raise ValueError(f"{driver.name} drives no lamp")
        lamp = Lamp(f"{self.seed}/{driver.name}", lambda: output.level_pct, self.mains, self.air)
        self._scenes.append(lamp)
        self.mains.advance(self._seconds(self.clock.unix_ms()))
        return lamp

    def place(self, device: SimulatedDevice, scene: Scene) -> None:
        """Let a scene move a device's points from now on.

        A point whose quantity the scene does not have holds 0, or the middle of its range where 0 is not plausible.
        A lamp's read-back is left to the lamp. Raises ValueError when a unit does not fit its quantity.
        """
        feeds = []
        for name, point in device.points.items():
            if device.lamp is not None and name == device.lamp.driver.read_back:
                continue
            quantity = scene.names.get(name, name)
            if quantity in scene.quantities:
                feeds.append(Feed(point, quantity, f"{self.seed}/{device.name}/{name}"))
            else:
                device.set(name, _still(point))
        self._placed.append((device, scene, feeds))
        self._move(device, scene, feeds)

    def start(self) -> None:
        """Begin to refresh, at the next multiple of the period."""
        now_ms = self.clock.unix_ms()
        self._next_ms = now_ms - now_ms % self.period_ms
        self._wait()

    def stop(self) -> None:
        """Stand still; what was scheduled does not happen."""
        for timer in (self._timer, *self._moments):
            if timer is not None:
                timer.cancel()
        self._timer = None
        self._moments.clear()

    def at(self, unix_ms: int, happen: Callable[[], None]) -> None:
        """Let something happen at a moment of unix time."""

        def due() -> None:
            self._moments.discard(timer)
            happen()

        timer = self.clock.loop.call_at(self.clock.loop_time(unix_ms + _CUT_MS), due)
        self._moments.add(timer)

    def _seconds(self, unix_ms: int) -> float:
        return (unix_ms - self._start_ms) / 1000

    def _wait(self) -> None:
        """Until the next multiple of the period; those that a busy computer missed are left out."""
        now_ms = self.clock.unix_ms()
        self._next_ms += self.period_ms * max(1, -(-(now_ms - self._next_ms) // self.period_ms))
        self._timer = self.clock.loop.call_at(self.clock.loop_time(self._next_ms + _CUT_MS), self._refresh)

    def _refresh(self) -> None:
        self.refreshes += 1
        seconds = self._seconds(self._next_ms)
        for scene in self._scenes:
            scene.advance(seconds)
        for device, scene, feeds in self._placed:
            self._move(device, scene, feeds, self._next_ms)
        self._wait()

    def _move(self, device: SimulatedDevice, scene: Scene, feeds: list[Feed], planned_ms: int | None = None) -> None:
        for feed in feeds:
            device.set(feed.point.name, feed.counts(scene.quantities[feed.quantity]))
        device.refresh(planned_ms)


def _still(point: Point) -> int:
    return 0 if point.low <= 0 <= point.high else (point.low + point.high) // 2


def cover_moments(seed: int, start_ms: int, seconds: float, period_s: float = 2.0) -> CoverMoments:
    """When, in a run of `seconds`, the cover opens (after a quarter to nearly a half) and closes (after two thirds).

    Both lie where no poll is under way, so that what was read before and after is beyond doubt.
    """
    random = Random(f"{seed}/cover")
    period_ms = round(period_s * 1000)

    def moment(earliest: float, latest: float) -> int:
        at_ms = start_ms + round(1000 * seconds * random.uniform(earliest, latest))
        return at_ms - at_ms % period_ms + _BETWEEN_POLLS_MS * period_ms // 2000

    return CoverMoments(moment(0.25, 0.45), moment(0.6, 0.75))
