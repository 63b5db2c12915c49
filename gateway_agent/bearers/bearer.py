"""One bearer: a way out with all that belongs to it, and what is known of its health.

A bearer over which nobody answers counts as down, and is to be tried again after a pause, a minute at first and an hour
at most, shortened at random.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gateway_agent.bearers.openings import Openings
from gateway_agent.bearers.round_trip import Bounds, RoundTrips
from gateway_agent.clock import Clock
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.batches import PAYLOAD_BYTES
from gateway_agent.uplink.budget import ByteBudget
from gateway_agent.uplink.timing import Timing
from gateway_agent.uplink.way import Way

PAUSE_FIRST_S, PAUSE_LONGEST_S = 60.0, 3600.0
FEWER_RETRANSMISSIONS = 2
"""So often a message is repeated at most where another bearer could carry it."""


@dataclass(frozen=True, slots=True)
class BearerSettings:
    """What is set of a bearer. A command may take `command_delay_s` over it; `payload_bytes` is the longest message,
    `bounds` and `max_retransmit` say when a message is repeated, and how often."""

    name: str
    bounds: Bounds
    command_delay_s: float = 3600.0
    payload_bytes: int = PAYLOAD_BYTES
    max_retransmit: int = 3


class Bearer:
    """`openings` are shared by the bearers of a pole. `air` counts since the start. `problem` says why it is down, None
    while it is up; `heard` is told after each exchange whether it was answered."""

    def __init__(
        self,
        settings: BearerSettings,
        way: Way,
        clock: Clock,
        *,
        budget: ByteBudget | None = None,
        random: Random | None = None,
        heard: Callable[[bool], None] | None = None,
        openings: Openings | None = None,
    ) -> None:
        self.settings = settings
        self.way = way
        self.budget = budget
        self.air = AirCount()
        self.round_trips = RoundTrips(settings.bounds)
        self.problem: str | None = None
        self.failed_ms = 0
        self._clock = clock
        self._random = random or Random()
        self._heard = heard
        self._pause_s = PAUSE_FIRST_S
        self._try_again_ms = 0
        self._openings = openings or Openings()

    @property
    def name(self) -> str:
        """Its name in pole.toml."""
        return self.settings.name

    @property
    def is_up(self) -> bool:
        """Whether somebody answers over it, as far as is known."""
        return self.problem is None

    @property
    def is_used_up(self) -> bool:
        """Whether its plan leaves nothing for telemetry."""
        return self.budget is not None and self.budget.is_used_up

    @property
    def rests_s(self) -> float:
        """How long it is to be left alone still since it failed; 0 or less: it may be tried."""
        return (self._try_again_ms - self._clock.monotonic_ms()) / 1000

    def timing(self, *, has_other: bool) -> Timing:
        """When to repeat a message now; less often where the message could go over another bearer instead."""
        most = self.settings.max_retransmit
        return Timing(self.round_trips.wait_s, min(most, FEWER_RETRANSMISSIONS) if has_other else most)

    def answered(self, round_trip_s: float, transmissions: int) -> None:
        """An exchange was answered, so long after its first of so many datagrams."""
        self.round_trips.answered(round_trip_s, transmissions, self._clock.unix_ms())
        self.problem = None
        self._pause_s = PAUSE_FIRST_S
        if self._heard is not None:
            self._heard(True)

    def unanswered(self, problem: str) -> None:
        """Nobody has answered."""
        self.round_trips.unanswered()
        self.broken(problem)
        if self._heard is not None:
            self._heard(False)

    def broken(self, problem: str) -> None:
        """Nothing can be sent over it."""
        now_ms = self._clock.monotonic_ms()
        self.problem, self.failed_ms = problem, now_ms
        self._try_again_ms = now_ms + round(1000 * self._pause_s * self._random.uniform(0.5, 1.0))
        self._pause_s = min(2 * self._pause_s, PAUSE_LONGEST_S)

    def may_be_back(self) -> None:
        """What kept it from working may be over: it may be tried at once."""
        self._try_again_ms = 0

    async def wait_to_open(self) -> None:
        """Return when another link may be opened."""
        await self._openings.wait()
