"""The byte budget: what a month's plan leaves, and how telemetry is stretched so that it lasts. docs/budget.md.

Everything on the air is counted by kind, IPv4 and UDP headers and repetitions included, and the count of the billing
month is kept in a small file. As the plan runs short telemetry is sent less often, then as windows (pace.py); the past
after an outage may take what is to spare, and a platform that is away is asked as often as the plan allows. Alarms,
events, results and commands are never held back, and a part of the plan is kept for them.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from math import inf
from pathlib import Path
from typing import Literal

from gateway_agent.clock import Clock
from gateway_agent.uplink import coap_message as kinds
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.billing_month import begin_of, end_of
from gateway_agent.uplink.pace import DAY_MS, LONGEST_S, Pace, Pacer, Spent
from gateway_agent.whole_file import write_whole

log = logging.getLogger("gatepost.uplink")

WRITE_EVERY_MS = 600_000
"""The count is written down so often; what was sent since is missing from it after a power cut."""
KEPT_BACK = 0.05
"""Share of the plan that telemetry may not use: alarms, events, commands and keys need it."""
USED_UP_S = 6 * 3600.0
"""How far windows of an hour are apart when the plan is used up, unless commands must come sooner with answers."""
ASKING = 0.25
"""Share of the plan's pace at which a platform that does not answer may be asked again."""
ASKED_AT_LEAST_S = 3600.0
_ONCE = (kinds.TRANSFER, kinds.SECURITY, kinds.GREETING, kinds.BACKFILL)
"""Kinds that say nothing of the days to come."""
_OUTAGE_MS = 3_600_000
"""A platform that did not answer for so long makes what went in that time worthless as a measure."""
_VERSION = 1

Overrun = Literal["windows", "hold"]


@dataclass
class MonthCount:
    """Bytes on the air of one billing month, by kind."""

    begins_ms: int
    by_kind: dict[str, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_kind.values())


@dataclass(frozen=True, slots=True)
class Plan:
    """A month's plan: its bytes (None: nobody counts), the day on which it begins anew at midnight in `zone`, and what
    happens to telemetry when it is used up: windows of an hour, or nothing until it begins anew."""

    bytes: int | None = None
    begins_day: int = 1
    zone: tzinfo = UTC
    overrun: Overrun = "windows"


class ByteBudget:
    """Counts, and says at which pace telemetry goes. Without a plan it only counts."""

    def __init__(
        self,
        file: Path,
        clock: Clock,
        plan: Plan | None = None,
        batch_s: float = 900.0,
        answers_within_s: float = inf,
    ) -> None:
        """`file` keeps the count. Batches are `batch_s` apart; where commands come with their answers alone, they may
        not be further apart than `answers_within_s`."""
        self.plan = plan or Plan()
        self._file = file
        self._clock = clock
        self._batch_s = batch_s
        self._longest_s = min(LONGEST_S, answers_within_s)
        self._used_up_s = min(USED_UP_S, max(LONGEST_S, answers_within_s))
        self._pacer = Pacer(batch_s, self._longest_s)
        self._seen: dict[str, int] = {}
        self._spent = Spent()
        self._datagrams_seen = 0
        self._away_ms: int | None = None
        self._written_ms: int | None = None
        self._is_written = True
        self.month = self._read()

    @property
    def is_used_up(self) -> bool:
        """Whether nothing is left for telemetry."""
        return self.plan.bytes is not None and self._left_bytes() <= 0

    @property
    def is_stretched(self) -> bool:
        """Whether readings do not go as they are."""
        return self.pace.window_s is not None or not self.pace.may_send_telemetry

    @property
    def pace(self) -> Pace:
        """How telemetry goes now."""
        if not self.is_used_up:
            return self._pacer.pace
        if self.plan.overrun == "hold":
            return Pace(may_send_telemetry=False)
        return Pace(1, 3600, self._used_up_s)

    @property
    def telling(self) -> str:
        """The pace in words, for log and platform."""
        pace = self.pace
        if not pace.may_send_telemetry:
            return "the plan is used up, telemetry waits for the month to begin anew"
        window = "" if pace.window_s is None else f" as windows of {pace.window_s} s"
        why = "the plan is used up, " if self.is_used_up else ""
        return f"{why}telemetry goes each {self.batch_s:g} s{window}"

    @property
    def batch_s(self) -> float:
        """How far batches are apart now."""
        return self.pace.apart_s(self._batch_s, self._longest_s)

    @property
    def has_room_for_past(self) -> bool:
        """Whether readings of the past may go as they are: what is left is more than the rest of the month needs.

        Before anything is known of that, a third of what is left may go.
        """
        if self.plan.bytes is None:
            return True
        left, a_day = self._left_bytes(), self._pacer.bytes_a_day
        if a_day is None:
            return left > 2 * self._seen.get(kinds.BACKFILL, 0)
        return left > a_day * self._left_ms() / DAY_MS

    def pause_s(self, tried_bytes: int) -> float:
        """How long to wait after a try of so many bytes that was not answered, so that tries take no more than their
        share of the plan; an hour at most."""
        if self.plan.bytes is None:
            return 0.0
        bytes_a_s = ASKING * 1000 * max(0.0, self._left_bytes()) / self._left_ms()
        return min(ASKED_AT_LEAST_S, tried_bytes / bytes_a_s) if bytes_a_s else ASKED_AT_LEAST_S

    def count(self, air: AirCount, *, is_away: bool = False) -> None:
        """Take what was sent and received since the last call, and look whether the pace is right.

        While the platform `is_away` nothing can be learnt of what a pace costs.
        """
        self._turn_month()
        telemetry = rest = 0
        for kind, traffic in air.by_kind.items():
            added = traffic.on_air_bytes - self._seen.get(kind, 0)
            if not added:
                continue
            self._is_written = False
            self._seen[kind] = traffic.on_air_bytes
            self.month.by_kind[kind] = self.month.by_kind.get(kind, 0) + added
            if kind == kinds.TELEMETRY:
                telemetry += added
            elif kind not in _ONCE:
                rest += added
        sent = air.by_kind[kinds.TELEMETRY].sent if kinds.TELEMETRY in air.by_kind else 0
        spent = self._spent
        datagrams, self._datagrams_seen = sent - self._datagrams_seen, sent
        self._spent = Spent(spent.telemetry_bytes + telemetry, spent.datagrams + datagrams, spent.rest_bytes + rest)
        self._look(is_away)

    async def keep(self, *, now: bool = False) -> None:
        """Write the count down when it is time, or `now`: the first of a run at once, for a run may be short."""
        now_ms = self._clock.monotonic_ms()
        is_time = self._written_ms is None or now_ms - self._written_ms >= WRITE_EVERY_MS
        if self._is_written or not (now or is_time):
            return
        self._written_ms = now_ms
        self._is_written = True
        content = [_VERSION, self.month.begins_ms, self.month.by_kind, self._pacer.step]
        try:
            await asyncio.to_thread(write_whole, self._file, json.dumps(content).encode())
        except OSError as error:
            self._is_written = False
            log.warning("%s: the count of bytes cannot be written down (%s)", self._file, error.strerror)

    @property
    def status(self) -> Mapping[str, object]:
        """For the status: bytes of the month by kind, the plan, what the month will come to, and the pace."""
        pace = self.pace
        return {
            "month_begins_ms": self.month.begins_ms,
            "used_bytes": self.month.total,
            "by_kind": dict(sorted(self.month.by_kind.items())),
            "plan_bytes": self.plan.bytes,
            "expected_bytes": self._expected(),
            "batch_factor": pace.batch_factor,
            "batch_s": self.batch_s,
            "window_s": pace.window_s,
            "sends_telemetry": pace.may_send_telemetry,
        }

    def _expected(self) -> int:
        """What the month comes to at this pace; until that is known, when it goes on as it did so far."""
        a_day = self._pacer.bytes_a_day
        if a_day is not None:
            return self.month.total + round(a_day * self._left_ms() / DAY_MS)
        gone_ms = max(DAY_MS // 24, self._clock.unix_ms() - self.month.begins_ms)
        return self.month.total * (gone_ms + self._left_ms()) // gone_ms

    def _left_bytes(self) -> float:
        return (self.plan.bytes or 0) * (1 - KEPT_BACK) - self.month.total

    def _left_ms(self) -> int:
        end_ms = end_of(self.month.begins_ms, self.plan.begins_day, self.plan.zone)
        return max(1, end_ms - self._clock.unix_ms())

    def _look(self, is_away: bool) -> None:
        if self.plan.bytes is None:
            return
        now_ms = self._clock.monotonic_ms()
        if is_away:
            self._away_ms = now_ms if self._away_ms is None else self._away_ms
            return
        was_away = self._away_ms is not None and now_ms - self._away_ms >= _OUTAGE_MS
        self._away_ms = None
        if was_away or self.is_used_up:
            # What went meanwhile tells nothing of what a step costs.
            self._pacer.begin()
            return
        left_ms = self._left_ms()
        if not self._pacer.look(now_ms, self._spent, self._left_bytes(), left_ms):
            return
        used, days = self.month.total, left_ms / DAY_MS
        log.warning("%d of %d bytes are used, %.1f days are left: %s", used, self.plan.bytes, days, self.telling)

    def _turn_month(self) -> None:
        """Begin a new count when the month is over, by a clock that can be trusted."""
        if not self._clock.is_trusted:
            return
        begins_ms = begin_of(self._clock.unix_ms(), self.plan.begins_day, self.plan.zone)
        if begins_ms > self.month.begins_ms:
            log.info("a new month begins; the last one took %d bytes on the air", self.month.total)
            self.month = MonthCount(begins_ms)
        elif begins_ms < self.month.begins_ms:
            # It was begun by a clock that was ahead, or the plan's day was changed: what was sent was sent.
            self.month.begins_ms = begins_ms
        else:
            return
        self._is_written = False

    def _read(self) -> MonthCount:
        try:
            version, begins_ms, by_kind, step = json.loads(self._file.read_bytes())
            if version == _VERSION:
                kept = MonthCount(int(begins_ms), {str(kind): int(count) for kind, count in by_kind.items()})
                self._pacer.step = min(max(int(step), 0), len(self._pacer.steps) - 1)
                return kept
            log.warning("%s is of another version; the month is counted from now on", self._file)
        except FileNotFoundError:
            log.info("%s is not there; the month is counted from now on", self._file)
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read (%s); the month is counted from now on", self._file, error)
        return MonthCount(begin_of(self._clock.unix_ms(), self.plan.begins_day, self.plan.zone))
