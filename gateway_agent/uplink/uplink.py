"""The loop that empties the journal towards the platform.

Alarms go first and alone, results and events at once, telemetry every `batch_s` or as soon as `batch_readings` wait.
One exchange is in flight at a time, and the same bytes are sent again, with growing pauses, until the platform has
acknowledged them; only an alarm may overtake. What the platform has acknowledged leaves the journal, and its mailbox
goes to whoever listens. Storing never waits for any of this.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from gateway_agent.clock import Clock
from gateway_agent.journal import ALARM, TELEMETRY, Journal, JournalUnavailable
from gateway_agent.records import Command
from gateway_agent.uplink.answer import Answer, decode_answer
from gateway_agent.uplink.batches import PAYLOAD_BYTES, Batch, Batcher
from gateway_agent.uplink.client import AirCount, CoapClient, ExchangeFailed, Refused, Timing
from gateway_agent.uplink.errors import FormatError, UplinkError

log = logging.getLogger("gatepost.uplink")

CLEAR = "clear"
_CONTENT_REFUSED = ("4.00", "4.13", "4.22")
_REFUSALS_BEFORE_HELD = 3
_MAX_HELD = 8


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the platform is and how often it hears from us. Times in seconds.

    `security` must be spelled out: "clear" is the only kind so far. After a failed exchange the pause begins with
    `retry_first_s` and doubles up to `retry_longest_s`, each shortened at random by up to half.
    """

    gateway: str
    url: str
    security: str
    batch_s: float = 900.0
    batch_readings: int = 200
    payload_bytes: int = PAYLOAD_BYTES
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
        on_time: Callable[[int, int], None] | None = None,
        random: Random | None = None,
    ) -> None:
        """`units` gives the SenML unit of each point; `on_commands` gets each mailbox that is not empty.

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
        self._client = CoapClient(settings.url, settings.timing)
        self._batcher = Batcher(journal, settings.gateway, units or {}, settings.payload_bytes)
        self._query = (f"g={settings.gateway}", f"e={journal.epoch}")
        self._wake = asyncio.Event()
        self._alarm = asyncio.Event()
        self._owed_readings = 0
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
                self._wake.clear()
                try:
                    batch = await self._batcher.next_batch(await self._is_telemetry_due())
                except JournalUnavailable as error:
                    self._note_problem(str(error))
                    await asyncio.sleep(self.settings.retry_first_s)
                    continue
                if batch is None:
                    await self._wait_for_work()
                else:
                    await self._deliver(batch)
        finally:
            await self._client.close()

    async def drain(self) -> None:
        """Commit what waits, send everything now, and return when the journal is empty. `run` must be running.

        Raises JournalUnavailable when the disk cannot be written.
        """
        await self._journal.flush()
        changed = asyncio.Event()
        unsubscribe = self._journal.subscribe(changed.set)
        try:
            while self._journal.depth:
                self._owed_readings = self._journal.waiting_readings
                self._wake.set()
                await changed.wait()
                changed.clear()
        finally:
            unsubscribe()

    def _look_at_journal(self) -> None:
        if self._journal.waiting(ALARM):
            self._alarm.set()
        else:
            self._alarm.clear()
        self._wake.set()

    async def _is_telemetry_due(self) -> bool:
        if self._owed_readings > 0 and self._journal.waiting(TELEMETRY):
            return True
        now_ms = self._clock.monotonic_ms()
        is_time = now_ms - self._last_telemetry_ms >= self.settings.batch_s * 1000
        if is_time and self._journal.pending_readings and self._journal.trouble is None:
            await self._flush()
        self._owed_readings = 0
        if is_time or self._journal.waiting_readings >= self.settings.batch_readings:
            self._owed_readings = self._journal.waiting_readings
            self._last_telemetry_ms = now_ms
        return self._owed_readings > 0

    async def _flush(self) -> None:
        try:
            await self._journal.flush()
        except JournalUnavailable as error:
            # What is on the disk already can be sent all the same.
            self._note_problem(str(error))

    async def _wait_for_work(self) -> None:
        left_ms = self._last_telemetry_ms + self.settings.batch_s * 1000 - self._clock.monotonic_ms()
        try:
            async with asyncio.timeout(max(0.001, left_ms / 1000)):
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
        if self._on_time is not None:
            self._on_time(answer.platform_ms, self._clock.monotonic_ms() - begun_ms)
        return await self._take_answer(batch, answer)

    async def _exchange(self, batch: Batch) -> bytes:
        post = asyncio.create_task(self._client.post(batch.payload, self._query), name="uplink exchange")
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
        now_ms = self._clock.unix_ms()
        self.counters.last_answer_ms = now_ms
        self.counters.clock_offset_ms = answer.platform_ms - now_ms
        taken = [sequence for sequence in batch.sequences if _is_within(sequence, answer.acknowledged)]
        named = sum(last - first + 1 for first, last in answer.acknowledged)
        self.counters.stray_acknowledgements += named - len(taken)
        if answer.commands and self._on_commands is not None:
            self._on_commands(answer.commands)
        if not taken:
            self._note_problem(f"{self.settings.url} answers and acknowledges nothing of what it was sent")
            return False
        self._note_success()
        self.counters.acknowledged_records += len(taken)
        if batch.record_class == TELEMETRY and len(taken) == len(batch.sequences):
            self.counters.acknowledged_readings += batch.readings
            self._owed_readings -= batch.readings
        await self._acknowledge(taken)
        await self._set_held_aside()
        if not self._journal.depth:
            self._batcher.one_by_one = False
        return True

    async def _acknowledge(self, sequences: list[int]) -> None:
        while True:
            try:
                await self._journal.acknowledge(sequences)
                return
            except JournalUnavailable as error:
                self._note_problem(str(error))
                await asyncio.sleep(self.settings.retry_first_s)

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
            try:
                await self._journal.set_aside(sequence, "record-refused")
            except JournalUnavailable as error:
                self._note_problem(str(error))
                return
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
