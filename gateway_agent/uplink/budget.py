"""The byte budget: what a month's plan leaves, and how telemetry is stretched so that it lasts. docs/budget.md.

Everything on the air is counted by kind, IPv4 and UDP headers and repetitions included, and the count of the billing
month is kept in a small file. As the plan runs short telemetry is sent less often, then as windows, in stated steps;
alarms, events, results and commands are never held back, and a part of the plan is kept for them.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from gateway_agent.clock import Clock
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.whole_file import write_whole

log = logging.getLogger("gatepost.uplink")

WRITE_EVERY_MS = 600_000
"""The count is written down so often; what was sent since is missing from it after a power cut."""
LOOK_EVERY_MS = 3_600_000
KEPT_BACK = 0.05
"""Share of the plan that telemetry may not use: alarms, events, commands and keys need it."""
WORTH_LESS = 0.4
"""A step back is made when the plan would last even at more than twice the bytes; so it does not swing."""
_DAY_MS = 86_400_000
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pace:
    """How telemetry goes now: `batch_factor` times `batch_s`; as windows of `window_s` where that is not None; and
    `least_s` between two batches (0: as batch_s and factor say)."""

    batch_factor: int = 1
    window_s: int | None = None
    least_s: float = 0.0


STEPS = (Pace(1), Pace(2), Pace(4), Pace(8), Pace(8, 300), Pace(8, 900), Pace(8, 3600))
"""One after another as the plan runs short. Each costs about half of the one before."""
USED_UP = Pace(8, 3600, 6 * 3600.0)
"""When the plan is used up: the windows of an hour, every six hours, so that the city is not blind."""


@dataclass
class MonthCount:
    """Bytes on the air of one billing month, by kind."""

    begins_ms: int
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_kind.values())


class ByteBudget:
    """Counts, and says at which pace telemetry goes. Without a plan it only counts."""

    def __init__(
        self,
        file: Path,
        clock: Clock,
        plan_bytes: int | None = None,
        begins_day: int = 1,
        zone: tzinfo = UTC,
    ) -> None:
        """`file` keeps the count; the month begins on `begins_day` (1 to 28) at midnight in `zone`."""
        self.plan_bytes = plan_bytes
        self.step = 0
        self._file = file
        self._clock = clock
        self._begins_day = begins_day
        self._zone = zone
        self._seen: dict[str, int] = {}
        self._written_ms = clock.monotonic_ms()
        self._looked_ms: int | None = None
        self._used_at_look = 0
        self.month = self._read()

    @property
    def pace(self) -> Pace:
        """How telemetry goes now."""
        if self.plan_bytes is not None and self.month.total >= self.plan_bytes * (1 - KEPT_BACK):
            return USED_UP
        return STEPS[self.step]

    def count(self, air: AirCount) -> None:
        """Take what was sent and received since the last call, and look whether the pace is right."""
        self._turn_month()
        for kind, traffic in air.by_kind.items():
            added = traffic.on_air_bytes - self._seen.get(kind, 0)
            if added:
                self._seen[kind] = traffic.on_air_bytes
                self.month.by_kind[kind] = self.month.by_kind.get(kind, 0) + added
        self._look()

    async def keep(self, *, now: bool = False) -> None:
        """Write the count down when it is time, or `now`."""
        now_ms = self._clock.monotonic_ms()
        if not now and now_ms - self._written_ms < WRITE_EVERY_MS:
            return
        self._written_ms = now_ms
        content = [_VERSION, self.month.begins_ms, self.month.by_kind, self.step]
        try:
            await asyncio.to_thread(write_whole, self._file, json.dumps(content).encode())
        except OSError as error:
            log.warning("%s: the count of bytes cannot be written down (%s)", self._file, error.strerror)

    @property
    def status(self) -> Mapping[str, object]:
        """For the status: bytes of the month by kind, the plan, what the month will come to, and the pace."""
        pace = self.pace
        return {
            "month_begins_ms": self.month.begins_ms,
            "used_bytes": self.month.total,
            "by_kind": dict(sorted(self.month.by_kind.items())),
            "plan_bytes": self.plan_bytes,
            "expected_bytes": self._expected(),
            "batch_factor": pace.batch_factor,
            "window_s": pace.window_s,
        }

    def _expected(self) -> int:
        """What the month comes to when it goes on as it did so far."""
        gone_ms = max(_DAY_MS // 24, self._now_ms() - self.month.begins_ms)
        return self.month.total * (self._ends_ms() - self.month.begins_ms) // gone_ms

    def _look(self) -> None:
        """Each hour: would what is left last, at the rate of the last hours?"""
        now_ms = self._now_ms()
        if self._looked_ms is None:
            self._looked_ms, self._used_at_look = now_ms, self.month.total
            return
        gone_ms = now_ms - self._looked_ms
        # A step must have shown what it costs: at least three of its batches, which are an hour apart at most.
        if gone_ms < 3 * LOOK_EVERY_MS or self.plan_bytes is None:
            return
        spent = self.month.total - self._used_at_look
        self._looked_ms, self._used_at_look = now_ms, self.month.total
        left_bytes = self.plan_bytes * (1 - KEPT_BACK) - self.month.total
        left_ms = max(1, self._ends_ms() - now_ms)
        needed = spent * left_ms / gone_ms
        if needed > left_bytes and self.step < len(STEPS) - 1:
            self.step += 1
        elif needed < WORTH_LESS * left_bytes and self.step:
            self.step -= 1
        else:
            return
        pace = self.pace
        log.warning(
            "%d of %d bytes of the month are used: telemetry goes every %d batches%s",
            self.month.total,
            self.plan_bytes,
            pace.batch_factor,
            "" if pace.window_s is None else f", as windows of {pace.window_s} s",
        )

    def _turn_month(self) -> None:
        begins_ms = self._begins_ms()
        if begins_ms > self.month.begins_ms:
            log.info("a new month begins; the last one took %d bytes on the air", self.month.total)
            self.month = MonthCount(begins_ms)
            self._looked_ms = None
            self.step = 0

    def _read(self) -> MonthCount:
        begins_ms = self._begins_ms()
        try:
            version, kept_ms, by_kind, step = json.loads(self._file.read_bytes())
            if version == _VERSION and kept_ms >= begins_ms:
                self.step = min(max(int(step), 0), len(STEPS) - 1)
                return MonthCount(int(kept_ms), {str(kind): int(count) for kind, count in by_kind.items()})
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read (%s); the month is counted from now on", self._file, error)
        return MonthCount(begins_ms)

    def _now_ms(self) -> int:
        return self._clock.unix_ms()

    def _begins_ms(self) -> int:
        now = datetime.fromtimestamp(self._now_ms() / 1000, self._zone)
        begins = now.replace(day=self._begins_day, hour=0, minute=0, second=0, microsecond=0)
        if begins > now:
            begins = (begins.replace(day=1) - timedelta(days=1)).replace(day=self._begins_day)
        return round(begins.timestamp() * 1000)

    def _ends_ms(self) -> int:
        begins = datetime.fromtimestamp(self.month.begins_ms / 1000, self._zone)
        following = (begins.replace(day=28) + timedelta(days=4)).replace(day=self._begins_day)
        return round(following.timestamp() * 1000)
