"""The loop that empties the journal towards the platform.

Alarms go first and alone, results and events at once, telemetry every `batch_s` or as soon as `batch_readings` wait,
and after an outage the past last and slowly (backfill.py). One exchange is in flight at a time, and the same bytes are
sent again, with growing pauses, until the platform has acknowledged them; only an alarm may overtake. What the platform
has acknowledged leaves the journal, and its mailbox goes to whoever listens. Storing never waits for any of this.

The first exchange of a run asks what the platform has: where it has numbers that the journal is giving again, the end
of the journal was lost, and a new epoch begins.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway_agent.clock import Clock
from gateway_agent.journal import ALARM, TELEMETRY, Journal
from gateway_agent.records import Command
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.answer import Answer, decode_answer
from gateway_agent.uplink.backfill import Allowance
from gateway_agent.uplink.batches import PAYLOAD_BYTES, Batch, Batcher
from gateway_agent.uplink.client import CoapClient, ExchangeFailed, Refused, Timing
from gateway_agent.uplink.errors import FormatError, UplinkError
from gateway_agent.uplink.security import CLEAR

log = logging.getLogger("gatepost.uplink")

_RECENT_S = 60.0
_NOT_FOR_US = "4."
"""Codes of RFC 7252, 5.9.2, by which a platform says that it will never answer this; 5.xx may pass."""
_CONTENT_REFUSED = ("4.00", "4.13", "4.22")
_REFUSALS_BEFORE_HELD = 3
_MAX_HELD = 8


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the platform is and how often it hears from us. Times in seconds.

    `security` must be spelled out: "clear" is the only kind so far. After a failed exchange the pause begins with
    `retry_first_s` and doubles up to `retry_longest_s`, each shortened at random by up to half. The past is sent at
    `backfill_bytes_per_hour` on the air, headers and answers included; 0 is as fast as it goes.
    """

    gateway: str
    url: str
    security: str
    batch_s: float = 900.0
    batch_readings: int = 200
    payload_bytes: int = PAYLOAD_BYTES
    backfill_bytes_per_hour: int = 0
    retry_first_s: float = 2.0
    retry_longest_s: float = 60.0
    timing: Timing = field(default_factory=Timing)


@dataclass
class UplinkCounters:
    """Since the start. `problem` is None while the platform answers, else a sentence; `clock_offset_ms` is the
    platform's clock minus ours at its last answer; `last_answer_ms` is when that was (unix milliseconds)."""

    exchanges: int = 0
    failures: int = 0
    refusals: int = 0
    acknowledged_records: int = 0
    acknowledged_readings: int = 0
    stray_acknowledgements: int = 0
    set_aside_records: int = 0
    problem: str | None = None
    last_answer_ms: int | None = None
    clock_offset_ms: int | None = None


class _Overtaken(Exception):  # noqa: N818 - not an error: an alarm goes first
    """An alarm came while something else was being sent."""


class Uplink:
    """Sends what the journal holds. `counters` and `air` count since the start."""

    def __init__(
        self,
        settings: UplinkSettings,
        journal: Journal,
        clock: Clock,
        *,
        units: Mapping[str, str] | None = None,
        on_commands: Callable[[Sequence[Command]], None] | None = None,
        on_time: Callable[[int, int], Awaitable[None]] | None = None,
        random: Random | None = None,
    ) -> None:
        """`units` gives the SenML unit of each point; `on_commands` gets each mailbox, empty ones too.

        `on_time` is told at once the platform's unix time in each answer, and the milliseconds since the request.

        Raises UplinkError when the settings cannot be used.
        """
        if settings.security != CLEAR:
            raise UplinkError(
                f'uplink security "{settings.security}" is not available; write security = "clear" to send in the '
                "clear, which is for a laboratory or a protected network only"
            )
        self.settings = settings
        self.counters = UplinkCounters()
        self._journal = journal
        self._clock = clock
        self._on_commands = on_commands
        self._on_time = on_time
        self._random = random or Random()
        self._client = CoapClient(settings.url, settings.timing, security=CLEAR)
        self._batcher = Batcher(journal, settings.gateway, units or {}, settings.payload_bytes)
        self._allowance = Allowance(settings.backfill_bytes_per_hour, clock)
        self._wake = asyncio.Event()
        self._alarm = asyncio.Event()
        self._due_up_to = 0
        self._past_readings = 0
        self._is_draining = False
        self._last_telemetry_ms = clock.monotonic_ms()
        self._refusals_in_a_row = 0
        journal.subscribe(self._look_at_journal)
        self._look_at_journal()

    @property
    def air(self) -> AirCount:
        """What this uplink has put on the air and received, repetitions included."""
        return self._client.air

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                if not self._journal.is_asked:
                    await self._greet()
                self._wake.clear()
                await self._see_what_is_due()
                with_past = self._is_draining or self._allowance.wait_s() <= 0
                batch = await self._batcher.next_batch(self._due_up_to, with_past)
                if batch is None:
                    await self._wait_for_work(with_past)
                else:
                    await self._deliver(batch)
        finally:
            await self._client.close()

    async def drain(self) -> None:
        """Commit what waits, send everything now, and return when the journal is empty. `run` must be running."""
        await self._journal.flush()
        changed = asyncio.Event()
        unsubscribe = self._journal.subscribe(changed.set)
        self._is_draining = True
        try:
            while self._journal.depth:
                self._wake.set()
                await changed.wait()
                changed.clear()
        finally:
            self._is_draining = False
            unsubscribe()

    async def _greet(self) -> None:
        """Ask the platform what it has of us, until it answers; nothing is sent before."""
        pause_s = self.settings.retry_first_s
        while True:
            self.counters.exchanges += 1
            begun_ms = self._clock.monotonic_ms()
            try:
                answer = decode_answer(await self._client.get(self._query(self._journal.epoch_to_ask)))
            except (ExchangeFailed, Refused, FormatError) as error:
                if isinstance(error, Refused) and error.code.startswith(_NOT_FOR_US):
                    # A platform that cannot be asked takes records all the same.
                    log.info("%s: %s; it does not tell what it has", self.settings.url, error)
                    await self._journal.heard_highest(0)
                    break
                self.counters.failures += 1
                self._note_problem(str(error))
                await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, self.settings.retry_longest_s)
            else:
                await self._hear(answer, begun_ms)
                highest = answer.highest or 0
                if not await self._journal.heard_highest(highest):
                    first = self._journal.unasked_from
                    log.error(
                        "the platform has records up to %d, and the journal has given %d and what follows again: its "
                        "end was lost; a new epoch begins there",
                        highest,
                        first,
                    )
                self._note_success()
                break
        await self._look_back()

    def _query(self, epoch: int, is_late: bool = False) -> tuple[str, ...]:
        return (f"g={self.settings.gateway}", f"e={epoch}", *(("b=1",) if is_late else ()))

    async def _look_back(self) -> None:
        """The platform is reached (again): what is older than a moment is the past from now on."""
        recent_ms = round(1000 * max(2 * self.settings.batch_s, _RECENT_S))
        last, readings = await self._journal.last_before(self._clock.unix_ms() - recent_ms)
        self._batcher.past_up_to, self._past_readings = last, readings

    def _look_at_journal(self) -> None:
        if self._journal.waiting(ALARM):
            self._alarm.set()
        else:
            self._alarm.clear()
        self._wake.set()

    async def _see_what_is_due(self) -> None:
        """Let all telemetry of the present be due when it is time, or when enough of it waits."""
        now_ms = self._clock.monotonic_ms()
        is_time = self._is_draining or now_ms - self._last_telemetry_ms >= self.settings.batch_s * 1000
        if is_time and self._journal.pending_readings:
            await self._journal.flush()
        # What was counted as the past may have been thinned or set aside since; there is none once it is through.
        past = self._past_readings if self._batcher.past_up_to else 0
        present = self._journal.waiting_readings - past
        if is_time or present >= self.settings.batch_readings:
            self._due_up_to = self._journal.last_sequence
            self._last_telemetry_ms = now_ms

    async def _wait_for_work(self, with_past: bool) -> None:
        left_s = (self._last_telemetry_ms - self._clock.monotonic_ms()) / 1000 + self.settings.batch_s
        if not with_past and self._batcher.has_past():
            left_s = min(left_s, self._allowance.wait_s())
        try:
            async with asyncio.timeout(max(0.001, left_s)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, batch: Batch) -> None:
        """Send one message until it is acknowledged, refused for good, or overtaken by an alarm."""
        pause_s = self.settings.retry_first_s
        while True:
            try:
                if await self._try_once(batch):
                    return
            except _Overtaken:
                return
            if batch.record_class != ALARM and self._alarm.is_set():
                return
            await self._pause(pause_s * self._random.uniform(0.5, 1.0), batch)
            pause_s = min(2 * pause_s, self.settings.retry_longest_s)
            if batch.record_class != ALARM and self._alarm.is_set():
                return

    async def _try_once(self, batch: Batch) -> bool:
        """One exchange; whether this message is done with."""
        self.counters.exchanges += 1
        before_bytes = self.air.on_air_bytes
        begun_ms = self._clock.monotonic_ms()
        try:
            answer = decode_answer(await self._exchange(batch))
        except ExchangeFailed as error:
            self.counters.failures += 1
            self._note_problem(str(error))
            return False
        except FormatError as error:
            self.counters.failures += 1
            self._note_problem(f"{self.settings.url} gives an answer that cannot be read: {error}")
            return False
        except Refused as error:
            self.counters.refusals += 1
            return await self._meet_refusal(batch, error)
        finally:
            if batch.is_late:
                self._allowance.spend(self.air.on_air_bytes - before_bytes)
        await self._hear(answer, begun_ms)
        return await self._take_answer(batch, answer)

    async def _exchange(self, batch: Batch) -> bytes:
        post = asyncio.create_task(
            self._client.post(batch.payload, self._query(batch.epoch, batch.is_late)), name="uplink exchange"
        )
        alarm = asyncio.create_task(self._alarm.wait(), name="uplink looks for alarms")
        try:
            if batch.record_class != ALARM:
                await asyncio.wait({post, alarm}, return_when=asyncio.FIRST_COMPLETED)
                # On a link that works the answer is on its way; on one that does not, the alarm must not wait for it.
                await asyncio.wait({post}, timeout=self.settings.timing.ack_timeout_s)
                if not post.done():
                    raise _Overtaken
            return await post
        finally:
            alarm.cancel()
            post.cancel()
            await asyncio.gather(post, alarm, return_exceptions=True)

    async def _take_answer(self, batch: Batch, answer: Answer) -> bool:
        taken = [sequence for sequence in batch.sequences if _is_within(sequence, answer.acknowledged)]
        named = sum(last - first + 1 for first, last in answer.acknowledged)
        self.counters.stray_acknowledgements += named - len(taken)
        if not taken:
            self._note_problem(f"{self.settings.url} answers and acknowledges nothing of what it was sent")
            return False
        was_away = self.counters.problem is not None
        self._note_success()
        self.counters.acknowledged_records += len(taken)
        if batch.record_class == TELEMETRY and len(taken) == len(batch.sequences):
            self.counters.acknowledged_readings += batch.readings
            if batch.is_late:
                self._past_readings -= batch.readings
        await self._batcher.took(batch, taken)
        if was_away:
            await self._look_back()
        await self._set_held_aside()
        if not self._journal.depth:
            self._batcher.one_by_one = False
        return True

    async def _hear(self, answer: Answer, begun_ms: int) -> None:
        if self._on_time is not None:
            # Times that were a guess are corrected before anything with them is sent.
            await self._on_time(answer.platform_ms, self._clock.monotonic_ms() - begun_ms)
        now_ms = self._clock.unix_ms()
        self.counters.last_answer_ms = now_ms
        self.counters.clock_offset_ms = answer.platform_ms - now_ms
        if self._on_commands is not None:
            self._on_commands(answer.commands)

    async def _meet_refusal(self, batch: Batch, error: Refused) -> bool:
        """A refused record is found by sending each alone, and held back when it alone is refused again and again.

        It is set aside for good only after the platform has accepted something else: one that refuses everything makes
        us wait, not throw away.
        """
        self._note_problem(f"{self.settings.url}: {error}")
        if error.code not in _CONTENT_REFUSED:
            return False
        if len(batch.sequences) > 1:
            self._batcher.one_by_one = True
            return True
        self._refusals_in_a_row += 1
        if self._refusals_in_a_row < _REFUSALS_BEFORE_HELD or len(self._batcher.held) >= _MAX_HELD:
            return False
        self._refusals_in_a_row = 0
        self._batcher.held.add(batch.sequences[0])
        self._batcher.one_by_one = False
        return True

    async def _set_held_aside(self) -> None:
        for sequence in sorted(self._batcher.held):
            await self._journal.set_aside(sequence, "record-refused")
            self._batcher.held.discard(sequence)
            self.counters.set_aside_records += 1
            log.error("journal record %d is refused by the platform, which takes others; it is set aside", sequence)

    async def _pause(self, seconds: float, batch: Batch) -> None:
        if batch.record_class == ALARM:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._alarm.wait()
        except TimeoutError:
            return

    def _note_problem(self, problem: str) -> None:
        if problem != self.counters.problem:
            log.warning("%s. What is stored stays stored; it is tried again.", problem)
        self.counters.problem = problem

    def _note_success(self) -> None:
        if self.counters.problem is not None:
            log.info("%s answers again", self.settings.url)
        self.counters.problem = None
        self._refusals_in_a_row = 0


def _is_within(sequence: int, spans: Sequence[tuple[int, int]]) -> bool:
    return any(first <= sequence <= last for first, last in spans)
