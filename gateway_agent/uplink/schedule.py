"""When telemetry is due, and what of it is the past.

Everything of the present is due each `batch_s`, or as soon as `batch_readings` wait; where the plan runs short, windows
that have ended take its place. When the platform is reached (again), what is older than a moment is the past from then
on, and goes last.
"""

from gateway_agent.journal import TELEMETRY
from gateway_agent.journal.codec import SPANS_S
from gateway_agent.uplink.uplink_parts import UplinkParts

_RECENT_S = 60.0
_LATE_ANSWER = 1.5
"""A batch that was due brings no answer where no window has ended; a command may be late by so much then."""
_PAST_WINDOW_S = 3600
"""What is past becomes windows of an hour where the plan has no room for it."""


class Schedule:
    """Telemetry up to the sequence `due_up_to` is due. `is_draining`: all is due, whatever time it is.
    `past_readings` are those that still wait of what was the past when the platform was reached."""

    def __init__(self, parts: UplinkParts) -> None:
        self.is_draining = False
        self.due_up_to = 0
        self.past_readings = 0
        self._parts = parts
        self._past_before_ms = 0
        self._last_ms = parts.clock.monotonic_ms()

    @property
    def next_in_s(self) -> float:
        """Until telemetry is due again, in seconds; below 0 when it is late."""
        return (self._last_ms - self._parts.clock.monotonic_ms()) / 1000 + self._parts.spending.batch_s

    async def look_back(self) -> None:
        """The platform is reached (again): what is older than a moment is the past from now on."""
        parts = self._parts
        recent_ms = round(1000 * max(2 * parts.spending.batch_s, _RECENT_S))
        self._past_before_ms = parts.clock.unix_ms() - recent_ms
        last, readings = await parts.journal.last_before(self._past_before_ms)
        parts.batcher.past_up_to, self.past_readings = last, readings

    async def see_what_is_due(self) -> None:
        """Let all telemetry of the present be due when it is time, or when enough of it waits."""
        parts, pace = self._parts, self._parts.spending.pace
        now_ms = parts.clock.monotonic_ms()
        is_time = self.is_draining or self.next_in_s <= 0
        if is_time and parts.journal.pending_readings:
            await parts.journal.flush()
        # What was counted as the past may have been thinned or set aside since; there is none once it is through.
        past = self.past_readings if parts.batcher.past_up_to else 0
        gone = parts.unconfirmed.readings + parts.batcher.taken_readings
        present = parts.journal.waiting_readings - past - gone
        if not (pace.may_send_telemetry or self.is_draining):
            self.due_up_to = 0
            self._last_ms = now_ms if is_time else self._last_ms
            return
        if pace.window_s is not None and not self.is_draining:
            if is_time:
                # What is of a window that has not ended waits for its end; windows go as what is past does.
                await self._make_windows(pace.window_s, parts.clock.unix_ms())
                self._last_ms = now_ms
        elif is_time or present >= parts.settings.batch_readings * pace.batch_factor:
            self.due_up_to = parts.journal.last_sequence
            self._last_ms = now_ms

    async def see_what_is_past(self) -> None:
        """Let the past become windows where the plan has no room for its readings."""
        parts = self._parts
        if not parts.batcher.past_up_to or self.is_draining:
            return
        if parts.spending.has_room_for_past or not parts.spending.pace.may_send_telemetry:
            return
        await parts.batcher.settle()
        await self._make_windows(_PAST_WINDOW_S, self._past_before_ms)
        await parts.spending.tell(f"the plan has no room for the past, which goes as windows of {_PAST_WINDOW_S} s")
        parts.batcher.past_up_to = self.past_readings = 0

    def commands_wait(self) -> bool:
        """Whether a plan that runs short has kept us from the answers that bring commands."""
        parts, pace, within_s = self._parts, self._parts.spending.pace, self._parts.command_delay_s
        if self.is_draining or within_s < parts.settings.batch_s:
            return False
        if pace.may_send_telemetry and pace.window_s is None:
            return False
        return parts.confirmation.silence_s >= within_s * (_LATE_ANSWER if pace.may_send_telemetry else 1)

    async def _make_windows(self, window_s: int, before_ms: int) -> None:
        """Let what waits from before a time become windows that have ended by then; nothing is left out of them."""
        levels = [TELEMETRY + level for level, span_s in enumerate(SPANS_S) if span_s <= window_s]
        before_ms = before_ms // (1000 * window_s) * 1000 * window_s
        for record_class in levels:
            while await self._parts.journal.thin(record_class, before_ms):
                continue
