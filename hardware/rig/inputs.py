"""The digital inputs of a node as the rig's world moves them: a cover contact, a door, a float switch."""

from collections.abc import Callable, Mapping

from gateway_agent.clock import Clock
from gateway_agent.profiles.model import Profile
from gateway_agent.profiles.point import PinSource
from gateway_agent.profiles.resolve import resolve
from hardware.rig.truth import Truth


class Inputs:
    """The pin points of one device; each begins at 0, its inactive level.

    `set_pin(number, level)` moves the pin, for example `machine.set_pin`. What a point holds, and from when, goes to
    the truth. To try it: `Inputs(load_profile("cover-contact"), "cover", clock=clock, set_pin=print).set("open", 1)`.
    """

    def __init__(
        self,
        profile: Profile,
        name: str,
        options: Mapping[str, object] | None = None,
        *,
        clock: Clock,
        set_pin: Callable[[int, int], None],
        truth: Truth | None = None,
    ) -> None:
        self.name = name
        self._clock = clock
        self._set_pin = set_pin
        self._truth = truth
        self._pins: dict[str, PinSource] = {
            point.name: point.pin for point in resolve(profile, options).points if point.pin is not None
        }
        self._values: dict[str, int] = {}
        for point in self._pins:
            self.set(point, 0)

    @property
    def points(self) -> tuple[str, ...]:
        """The names of the pin points."""
        return tuple(self._pins)

    def value(self, point: str) -> int:
        """What the point holds now, 0 or 1."""
        return self._values[point]

    def set(self, point: str, value: int) -> None:
        """Make the point 1 (active) or 0; KeyError for an unknown point."""
        pin = self._pins[point]
        self._values[point] = value
        if self._truth is not None:
            self._truth.hold(f"{self.name}/{point}", self._clock.unix_ms(), value, 0)
        self._set_pin(pin.number, value if pin.active_high else 1 - value)
