"""One direction of a radio link: one datagram after the other at the bit rate, its weather, its order."""

import asyncio
from collections.abc import Callable
from math import exp
from random import Random

from hardware.rig.modem.radio_profiles import RadioProfile, Weather
from hardware.rig.relay import HEADER_BYTES

_AFTER_S = 1e-6


class Way:
    """A direction of a link of `profile`; all chance comes from `random`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, random: Random, profile: RadioProfile) -> None:
        self._loop = loop
        self._random = random
        self._profile = profile
        self._flights: set[_Flight] = set()
        self._free_s = 0.0
        self._last_arrival_s = 0.0
        self._is_foul = False
        self._looked_s = 0.0

    @property
    def waiting(self) -> int:
        """Datagrams on their way, sent or not."""
        return len(self._flights)

    @property
    def sending(self) -> int:
        """Datagrams that have not left yet."""
        return sum(not flight.has_left for flight in self._flights)

    def carry(self, data: bytes, from_s: float, arrived: Callable[[bool], None], sent: Callable[[], None]) -> None:
        """Send at the earliest `from_s`: `sent` when its last bit has left, `arrived(lost)` when it is there."""
        profile = self._profile
        begin_s = max(from_s, self._free_s)
        self._free_s = begin_s + (len(data) + HEADER_BYTES) * 8 / profile.bit_per_s
        weather = self._weather(begin_s)
        # Half of what a round trip takes by itself; the bit rate comes on top.
        arrival_s = self._free_s + self._random.uniform(*weather.one_way_s)
        if profile.keeps_order:
            arrival_s = max(arrival_s, self._last_arrival_s + _AFTER_S)
            self._last_arrival_s = arrival_s
        lost = self._random.random() < weather.loss
        flight = _Flight(arrived)
        self._flights.add(flight)

        def left() -> None:
            flight.has_left = True
            sent()

        def came() -> None:
            self._flights.discard(flight)
            arrived(lost)

        flight.timers = (self._loop.call_at(self._free_s, left), self._loop.call_at(arrival_s, came))

    def clear(self, *, what_has_left: bool) -> None:
        """Lose what has not left yet, and where it is asked for what has."""
        for flight in list(self._flights):
            if what_has_left or not flight.has_left:
                for timer in flight.timers:
                    timer.cancel()
                self._flights.discard(flight)
                flight.arrived(True)
        self._free_s = self._loop.time()

    def _weather(self, now_s: float) -> Weather:
        profile = self._profile
        share = profile.foul_share
        if not share:
            return profile.fair
        # A two-state chain in continuous time, looked at when a datagram is sent: how much it has forgotten since.
        rate = 1 / profile.foul_s / (1 - share)
        forgotten = 1 - exp(-rate * max(0.0, now_s - self._looked_s))
        self._looked_s = now_s
        foul_now = share * forgotten + (1 - forgotten) * self._is_foul
        self._is_foul = self._random.random() < foul_now
        return profile.foul if self._is_foul else profile.fair


class _Flight:
    """A datagram on its way."""

    __slots__ = ("arrived", "has_left", "timers")

    def __init__(self, arrived: Callable[[bool], None]) -> None:
        self.arrived = arrived
        self.has_left = False
        self.timers: tuple[asyncio.TimerHandle, ...] = ()
