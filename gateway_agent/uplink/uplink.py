"""The loop that empties the journal towards the platform.

Alarms go first and alone, results and events at once, telemetry every `batch_s` or as soon as `batch_readings` wait,
and after an outage the past last and slowly (backfill.py). One exchange is in flight at a time. Compact telemetry
mostly goes without an answer; one batch in N is confirmed, and its answer acknowledges all before it (confirmation.py).
Everything else is sent again, with growing pauses, until the platform has acknowledged it; only an alarm may overtake.
What the platform has acknowledged leaves the journal, and its mailbox goes to whoever listens. Storing never waits for
any of this.

The first exchange of a run asks what the platform has: where it has numbers that the journal is giving again, the end
of the journal was lost, and a new epoch begins. The answer also tells which records arrived before the gateway was
ended, which forms of messages are taken, and whether our channel table is known.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from gateway_agent.clock import Clock
from gateway_agent.compact import ChannelTable
from gateway_agent.journal import ALARM, TELEMETRY, Journal
from gateway_agent.journal.codec import SPANS_S
from gateway_agent.records import Command, Event
from gateway_agent.uplink import forms
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.answer import Answer, decode_answer, ranges
from gateway_agent.uplink.backfill import Allowance
from gateway_agent.uplink.batches import PAYLOAD_BYTES, Batcher, Load
from gateway_agent.uplink.budget import WRITE_EVERY_MS, ByteBudget
from gateway_agent.uplink.client import CoapClient, ExchangeFailed, Refused, Timing
from gateway_agent.uplink.coap_message import Reply
from gateway_agent.uplink.confirmation import ANSWERS_WITHIN_S, Confirmation
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.forms import Forms, Message
from gateway_agent.uplink.mailbox import ObservedMailbox
from gateway_agent.uplink.objects import ObjectName
from gateway_agent.uplink.pace import Pace
from gateway_agent.uplink.security import CLEAR, Clear, Security
from gateway_agent.uplink.transfers import Take, Transfers
from gateway_agent.uplink.unconfirmed import Unconfirmed, is_within

log = logging.getLogger("gatepost.uplink")

Result = TypeVar("Result")

_RECENT_S = 60.0
_NOT_FOR_US = "4."
"""Codes of RFC 7252, 5.9.2, by which a platform says that it will never answer this; 5.xx may pass."""
_CONTENT_REFUSED = ("4.00", "4.13", "4.22")
_CONFLICT, _UNSUPPORTED = "4.09", "4.15"
_LATE_ANSWER = 1.5
"""A batch that was due brings no answer where no window has ended; a command may be late by so much then."""
_PAST_WINDOW_S = 3600
"""What is past becomes windows of an hour where the plan has no room for it."""
_REFUSALS_BEFORE_HELD = 3
_MAX_HELD = 8
_TRANSFER_PAUSE_LONGEST_S = 600.0
_LARGEST_SET_AT_ONCE = 1 << 16
"""Sequences that are acknowledged by an answer to the first question; what is beyond is sent again and does no harm."""


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Where the platform is and how often it hears from us. Times in seconds.

    `security` is CLEAR, which is for a laboratory, or what gives the keys. `form` is one of forms.AUTO, SENML_ONLY and
    SELF_CONTAINED. A command may take `command_delay_s` to arrive: where that is less than `batch_s` the mailbox is
    observed. After a failed exchange the pause begins with
    `retry_first_s` and doubles up to `retry_longest_s`, each shortened at random by up to half. The past is sent at
    `backfill_bytes_per_hour` on the air, headers and answers included; 0 is as fast as it goes.
    """

    gateway: str
    url: str
    security: Clear | Security
    batch_s: float = 900.0
    batch_readings: int = 4000
    payload_bytes: int = PAYLOAD_BYTES
    command_delay_s: float = 3600.0
    form: str = forms.AUTO
    backfill_bytes_per_hour: int = 0
    retry_first_s: float = 2.0
    retry_longest_s: float = 60.0
    timing: Timing = field(default_factory=Timing)


@dataclass
class UplinkCounters:
    """Since the start. `unconfirmed_batches` were sent without waiting for an answer, `lost_batches` of them did not
    arrive. `problem` is None while the platform answers, else a sentence; `clock_offset_ms` is the
    platform's clock minus ours at its last answer; `last_answer_ms` is when that was (unix milliseconds)."""

    exchanges: int = 0
    unconfirmed_batches: int = 0
    lost_batches: int = 0
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
        names: Mapping[str, ObjectName] | None = None,
        table: ChannelTable | None = None,
        files: Path | None = None,
        takers: Mapping[str, Take] | None = None,
        budget: ByteBudget | None = None,
        on_commands: Callable[[Sequence[Command]], None] | None = None,
        on_time: Callable[[int, int], Awaitable[None]] | None = None,
        random: Random | None = None,
    ) -> None:
        """`units` gives the SenML unit of each point and `names` its OMA name, `table` the channels of compact batches;
        `files` is the folder for transfers, `takers` take what was fetched; `budget` counts
        the bytes and says how often telemetry goes; `on_commands` gets each mailbox, empty ones
        too.

        `on_time` is told at once the platform's unix time where an answer has it, and the milliseconds since the
        request. Raises UplinkError when the settings cannot be used.
        """
        self.settings = settings
        self.counters = UplinkCounters()
        self._journal = journal
        self._clock = clock
        self._on_commands = on_commands
        self._on_time = on_time
        self._random = random or Random()
        self._client = CoapClient(settings.url, settings.timing, security=settings.security)
        self._batcher = Batcher(journal)
        self._forms = Forms(
            settings.gateway,
            units or {},
            names or {},
            table or ChannelTable(()),
            settings.form,
            settings.payload_bytes,
            clear=settings.security == CLEAR,
        )
        self._confirmation = Confirmation(_answers_within_s(settings), clock)
        self.mailbox = ObservedMailbox(self._client, self._forms.who, clock, self._take_mailbox, self._random)
        self._unconfirmed = Unconfirmed()
        self._must_ask = False
        self._past_before_ms = 0
        self._must_confirm = False
        self.transfers = Transfers(self._client, self._forms.who, files, takers)
        self._next_transfer_ms = 0
        self._transfer_pause_s = settings.retry_first_s
        self._budget = budget
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
        listening = None
        try:
            while True:
                if not self._journal.is_asked:
                    await self._greet()
                if listening is None and self.settings.command_delay_s < self.settings.batch_s:
                    listening = asyncio.create_task(self.mailbox.run(), name="uplink observes the mailbox")
                self._wake.clear()
                await self._count_bytes()
                await self._see_what_is_due()
                await self._see_what_is_past()
                with_past = self._is_draining or (self._pace.may_send_telemetry and self._allowance.wait_s() <= 0)
                load = await self._batcher.next_load(self._due_up_to, with_past)
                is_urgent = load is not None and load.record_class < TELEMETRY
                if self._must_ask and not is_urgent:
                    before_bytes = self.air.on_air_bytes
                    if not await self._ask():
                        pause_s = self._random.uniform(0.5, 1.0) * self.settings.retry_longest_s
                        await self._pause(max(pause_s, self._earned_s(before_bytes)), TELEMETRY)
                elif self._may_transfer() and not is_urgent and (load is None or self.transfers.table_is_wanted):
                    await self._transfer()
                elif load is not None:
                    await self._deliver(load)
                elif self._is_draining and self._unconfirmed:
                    self._must_ask = True
                else:
                    await self._wait_for_work(with_past)
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            self.transfers.close()
            await self._client.close()

    def _may_transfer(self) -> bool:
        return self.transfers.has_work and self._clock.monotonic_ms() >= self._next_transfer_ms

    async def _transfer(self) -> None:
        """One block of a file, or what else a transfer has to say."""
        is_table = self.transfers.table_is_wanted
        self.counters.exchanges += 1
        try:
            is_on = await self._unless_overtaken(self.transfers.step())
        except _Overtaken:
            return
        except ExchangeFailed as error:
            self.counters.failures += 1
            self._note_problem(str(error))
            is_on = False
        else:
            self._note_success()
        if is_table:
            self._forms.has_table = self.transfers.table_is_there
        if is_on:
            self._transfer_pause_s, self._next_transfer_ms = self.settings.retry_first_s, 0
        else:
            self._next_transfer_ms = self._clock.monotonic_ms() + round(1000 * self._transfer_pause_s)
            self._transfer_pause_s = min(2 * self._transfer_pause_s, _TRANSFER_PAUSE_LONGEST_S)

    def look(self) -> None:
        """See whether there is something new to do."""
        self._wake.set()

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
        before_bytes = self.air.on_air_bytes
        while not await self._ask():
            await self._count_bytes()
            least_s = self._earned_s(before_bytes)
            await self._pause(max(pause_s * self._random.uniform(0.5, 1.0), least_s), TELEMETRY)
            pause_s = min(2 * pause_s, self.settings.retry_longest_s)
            before_bytes = self.air.on_air_bytes

    async def _ask(self) -> bool:
        """Ask the platform once what it has of what waits; whether it has answered."""
        is_first = not self._journal.is_asked
        epoch = self._journal.epoch_to_ask if is_first else self._journal.epoch
        begun_ms = self._clock.monotonic_ms()
        self.counters.exchanges += 1
        try:
            reply = await self._client.ask(self._forms.question(epoch, self._journal.first_waiting))
            answer = decode_answer(reply.payload)
        except (ExchangeFailed, Refused, FormatError) as error:
            if not isinstance(error, Refused) or not error.code.startswith(_NOT_FOR_US):
                self.counters.failures += 1
                self._note_problem(str(error))
                return False
            # A platform that cannot be asked takes records all the same.
            log.info("%s: %s; it does not tell what it has", self.settings.url, error)
            answer = Answer((), highest=0)
        else:
            await self._hear(answer, begun_ms)
        self._must_ask = False
        self._forms.offered(answer.offers)
        self._has_table(self._forms.table.digest not in answer.wanted_tables)
        await self._take_what_is_there(answer, epoch, is_first)
        self._note_success()
        await self._look_back()
        return True

    async def _take_what_is_there(self, answer: Answer, epoch: int, is_first: bool) -> None:
        there = answer.acknowledged or ()
        if is_first and not await self._heard_highest(answer.highest or 0):
            there = ()
        await self._count_confirmed(there, epoch)
        await self._batcher.again()
        first, last = self._journal.first_waiting, self._journal.last_sequence
        found: list[int] = []
        for low, high in there:
            most = max(low, first) + _LARGEST_SET_AT_ONCE - len(found)
            found += (
                sequence
                for sequence in range(max(low, first), min(high, last, most) + 1)
                if self._journal.epoch_of(sequence) == epoch
            )
        if found:
            self.counters.acknowledged_records += await self._journal.acknowledge(found)

    async def _heard_highest(self, highest: int) -> bool:
        """Whether the platform knows of no record that is missing here."""
        first = self._journal.unasked_from
        if await self._journal.heard_highest(highest):
            return True
        log.error(
            "the platform has records up to %d, and the journal has given %d and what follows again: its end was lost; "
            "a new epoch begins there",
            highest,
            first,
        )
        return False

    async def _look_back(self) -> None:
        """The platform is reached (again): what is older than a moment is the past from now on."""
        recent_ms = round(1000 * max(2 * self._batch_s, _RECENT_S))
        self._past_before_ms = self._clock.unix_ms() - recent_ms
        last, readings = await self._journal.last_before(self._past_before_ms)
        self._batcher.past_up_to, self._past_readings = last, readings

    def _look_at_journal(self) -> None:
        if self._journal.waiting(ALARM):
            self._alarm.set()
        else:
            self._alarm.clear()
        self._wake.set()

    @property
    def _pace(self) -> Pace:
        return Pace() if self._budget is None else self._budget.pace

    @property
    def _batch_s(self) -> float:
        """How far telemetry batches are apart now."""
        return self.settings.batch_s if self._budget is None else self._budget.batch_s

    def _earned_s(self, before_bytes: int) -> float:
        """How long the plan makes us wait for another try, after one that began at so many bytes on the air."""
        if self._budget is None:
            return 0.0
        return self._random.uniform(1.0, 1.25) * self._budget.pause_s(self.air.on_air_bytes - before_bytes)

    async def _count_bytes(self) -> None:
        if self._budget is None:
            return
        before = self._budget.pace
        self._budget.count(self.air, is_away=self.counters.problem is not None)
        await self._budget.keep()
        if self._budget.pace != before:
            await self._tell_pace(self._budget.telling)

    async def _tell_pace(self, detail: str) -> None:
        """Let the platform know why fewer readings come, or more again."""
        await self._journal.add_event(Event("uplink", "event", "pace", self._clock.unix_ms(), detail=detail))

    async def _make_windows(self, window_s: int, before_ms: int) -> None:
        """Let what waits from before a time become windows that have ended by then; nothing is left out of them."""
        levels = [TELEMETRY + level for level, span_s in enumerate(SPANS_S) if span_s <= window_s]
        before_ms = before_ms // (1000 * window_s) * 1000 * window_s
        for record_class in levels:
            while await self._journal.thin(record_class, before_ms):
                continue

    async def _see_what_is_past(self) -> None:
        """Let the past become windows where the plan has no room for its readings."""
        if self._budget is None or not self._batcher.past_up_to or self._is_draining:
            return
        if self._budget.has_room_for_past or not self._pace.may_send_telemetry:
            return
        await self._batcher.settle()
        await self._make_windows(_PAST_WINDOW_S, self._past_before_ms)
        await self._tell_pace(f"the plan has no room for the past, which goes as windows of {_PAST_WINDOW_S} s")
        self._batcher.past_up_to = self._past_readings = 0

    def _commands_wait(self) -> bool:
        """Whether a plan that runs short has kept us from the answers that bring commands."""
        pace, within_s = self._pace, self.settings.command_delay_s
        if within_s < self.settings.batch_s or (pace.may_send_telemetry and pace.window_s is None):
            return False
        return self._confirmation.silence_s >= within_s * (_LATE_ANSWER if pace.may_send_telemetry else 1)

    async def _see_what_is_due(self) -> None:
        """Let all telemetry of the present be due when it is time, or when enough of it waits."""
        now_ms = self._clock.monotonic_ms()
        is_time = self._is_draining or now_ms - self._last_telemetry_ms >= self._batch_s * 1000
        if is_time and self._journal.pending_readings:
            await self._journal.flush()
        # What was counted as the past may have been thinned or set aside since; there is none once it is through.
        past = self._past_readings if self._batcher.past_up_to else 0
        gone = self._unconfirmed.readings + self._batcher.taken_readings
        present = self._journal.waiting_readings - past - gone
        pace = self._pace
        if not self._is_draining and self._commands_wait():
            self._must_ask = True
        if not (pace.may_send_telemetry or self._is_draining):
            self._due_up_to = 0
            self._last_telemetry_ms = now_ms if is_time else self._last_telemetry_ms
            return
        if pace.window_s is not None and not self._is_draining:
            if is_time:
                # What is of a window that has not ended waits for its end; windows go as what is past does.
                await self._make_windows(pace.window_s, self._clock.unix_ms())
                self._last_telemetry_ms = now_ms
        elif is_time or present >= self.settings.batch_readings * pace.batch_factor:
            self._due_up_to = self._journal.last_sequence
            self._last_telemetry_ms = now_ms

    async def _wait_for_work(self, with_past: bool) -> None:
        left_s = (self._last_telemetry_ms - self._clock.monotonic_ms()) / 1000 + self._batch_s
        if self.transfers.has_work:
            left_s = min(left_s, (self._next_transfer_ms - self._clock.monotonic_ms()) / 1000)
        if not with_past and self._pace.may_send_telemetry and self._batcher.has_past():
            left_s = min(left_s, self._allowance.wait_s())
        if self._budget is not None:
            # What goes meanwhile, as the mailbox's words do, is counted and written down in time.
            left_s = min(left_s, WRITE_EVERY_MS / 1000)
        try:
            async with asyncio.timeout(max(0.001, left_s)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver(self, load: Load) -> None:
        """Send one message until it is acknowledged, refused for good, or overtaken by an alarm."""
        if self._may_go_unconfirmed(load) and await self._tell(load):
            return
        pause_s = self.settings.retry_first_s
        while True:
            before_bytes = self.air.on_air_bytes
            try:
                if await self._try_once(load):
                    return
            except _Overtaken:
                return
            await self._count_bytes()
            if load.record_class != ALARM and self._alarm.is_set():
                return
            if load.record_class >= TELEMETRY and self._earned_s(before_bytes) > self.settings.retry_longest_s:
                # A question takes fewer bytes than a batch to find out that the platform is back.
                self._must_ask = True
                return
            await self._pause(pause_s * self._random.uniform(0.5, 1.0), load.record_class)
            pause_s = min(2 * pause_s, self.settings.retry_longest_s)
            if load.record_class != ALARM and self._alarm.is_set():
                return

    def _may_go_unconfirmed(self, load: Load) -> bool:
        return (
            load.record_class == TELEMETRY
            and not load.is_late
            and not self._is_draining
            and not self._batcher.one_by_one
            and self._forms.is_compact
            and self.counters.problem is None
            and not self._must_confirm
            and not self._confirmation.must_confirm(len(self._unconfirmed), self._batch_s)
        )

    def _make(self, load: Load, *, asks: bool) -> Message:
        first = load.records[0].sequence
        if self._unconfirmed.first_sequence is not None:
            first = min(first, self._unconfirmed.first_sequence)
        return self._forms.make(
            load, (first, self._clock.unix_ms()) if asks else None, is_lossy=self._confirmation.is_lossy
        )

    async def _tell(self, load: Load) -> bool:
        """Send a message without waiting for an answer; False when it must be confirmed after all."""
        message = self._make(load, asks=False)
        if not message.is_compact:
            return False
        try:
            await self._client.tell(message.request, lambda refused: self._told_and_refused(message, refused))
        except ExchangeFailed as error:
            self._note_problem(str(error))
            return False
        self.counters.unconfirmed_batches += 1
        self._forms.sent(message)
        self._unconfirmed.add(message)
        self._batcher.sent(message.batch)
        return True

    def _told_and_refused(self, message: Message, refused: Refused) -> None:
        """The platform could not use a message for whose answer nobody waits: find out at once what it has."""
        log.info("%s: %s", self.settings.url, refused)
        self.counters.refusals += 1
        # What another form would not mend goes confirmed next: that waits between tries, and finds the record.
        self._must_confirm = not self._learn_from(message, refused)
        self._unconfirmed.refused(message)
        self._must_ask = True
        self._wake.set()

    def _learn_from(self, message: Message, refused: Refused) -> bool:
        """What a refusal tells of the forms that the platform takes; whether another try can do better."""
        if not message.is_compact or refused.code not in (_CONFLICT, _UNSUPPORTED):
            return False
        if refused.code == _UNSUPPORTED:
            self._forms.compact_refused()
            return True
        if self._forms.table.digest in _wanted_tables(refused):
            self._has_table(False)
            return True
        self._forms.lacks(message)
        return message.reference is not None

    async def _try_once(self, load: Load) -> bool:
        """One exchange; whether this load, or what of it fits a message, is done with."""
        self.counters.exchanges += 1
        before_bytes, before_sent = self.air.on_air_bytes, self.air.sent
        begun_ms = self._clock.monotonic_ms()
        message = self._make(load, asks=True)
        try:
            answer = decode_answer((await self._exchange(message, load)).payload)
        except ExchangeFailed as error:
            self.counters.failures += 1
            self._forms.in_doubt()
            self._note_problem(str(error))
            return False
        except FormatError as error:
            self.counters.failures += 1
            self._note_problem(f"{self.settings.url} gives an answer that cannot be read: {error}")
            return False
        except Refused as error:
            self.counters.refusals += 1
            if self._learn_from(message, error):
                self._confirmation.answered()
                return True
            return await self._meet_refusal(message, error)
        finally:
            if load.is_late:
                self._allowance.spend(self.air.on_air_bytes - before_bytes)
        tries = self.air.sent - before_sent
        self._confirmation.counted(tries, max(0, tries - 1))
        await self._hear(answer, begun_ms)
        return await self._take_answer(message, answer)

    async def _exchange(self, message: Message, load: Load) -> Reply:
        if load.record_class == ALARM:
            return await self._client.ask(message.request)
        try:
            return await self._unless_overtaken(self._client.ask(message.request))
        except _Overtaken:
            self._forms.in_doubt()
            raise

    async def _unless_overtaken(self, exchange: Coroutine[Any, Any, Result]) -> Result:
        """What `exchange` gives; it is ended, and _Overtaken raised, when an alarm comes and no answer soon after."""
        task = asyncio.create_task(exchange, name="uplink exchange")
        alarm = asyncio.create_task(self._alarm.wait(), name="uplink looks for alarms")
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            # On a link that works the answer is on its way; on one that does not, the alarm must not wait for it.
            await asyncio.wait({task}, timeout=self.settings.timing.ack_timeout_s)
            if not task.done():
                raise _Overtaken
            return await task
        finally:
            alarm.cancel()
            task.cancel()
            await asyncio.gather(task, alarm, return_exceptions=True)

    async def _take_answer(self, message: Message, answer: Answer) -> bool:
        batch = message.batch
        there = answer.acknowledged
        if there is None:
            asked = ((message.first_asked, batch.sequences[-1]),)
            there = asked if message.is_compact else ranges(batch.sequences)
        taken = [sequence for sequence in batch.sequences if is_within(sequence, there)]
        if not taken:
            self._note_problem(f"{self.settings.url} answers and acknowledges nothing of what it was sent")
            return False
        was_away = self.counters.problem is not None
        self._note_success()
        self._must_confirm = False
        self._forms.acknowledged(message)
        if message.is_compact:
            lost = await self._count_confirmed(there, batch.epoch)
        else:
            lost = 0
            self.counters.stray_acknowledgements += sum(last - first + 1 for first, last in there) - len(taken)
        self.counters.acknowledged_records += len(taken)
        readings = batch.readings if len(taken) == len(batch.sequences) else 0
        if batch.record_class == TELEMETRY:
            self.counters.acknowledged_readings += readings
            if batch.is_late:
                self._past_readings -= readings
        self._batcher.passed(batch)
        await self._batcher.took(batch.record_class, taken, 0 if batch.is_late else readings)
        if lost:
            await self._batcher.again()
        if was_away:
            await self._look_back()
        await self._set_held_aside()
        if not self._journal.depth:
            self._batcher.one_by_one = False
        return True

    async def _count_confirmed(self, there: Sequence[tuple[int, int]], epoch: int) -> int:
        """Take what arrived, of an epoch, of the batches that nobody had answered; how many of them did not."""
        messages, refused = self._unconfirmed.take()
        lost = 0
        for message in messages:
            batch = message.batch
            spans = there if batch.epoch == epoch else ()
            taken = [sequence for sequence in batch.sequences if is_within(sequence, spans)]
            if len(taken) < len(batch.sequences):
                lost += 1
            else:
                self.counters.acknowledged_readings += batch.readings
            self.counters.acknowledged_records += len(taken)
            await self._batcher.took(batch.record_class, taken, batch.readings if taken else 0)
        if messages:
            # What arrived and was refused tells nothing of the link.
            self._confirmation.counted(len(messages) - refused, max(0, lost - refused))
            self.counters.lost_batches += lost
        return lost

    async def _hear(self, answer: Answer, begun_ms: int) -> None:
        self._confirmation.answered()
        now_ms = self._clock.unix_ms()
        if answer.platform_ms is not None:
            if self._on_time is not None:
                # Times that were a guess are corrected before anything with them is sent.
                await self._on_time(answer.platform_ms, self._clock.monotonic_ms() - begun_ms)
                now_ms = self._clock.unix_ms()
            self.counters.clock_offset_ms = answer.platform_ms - now_ms
        self.counters.last_answer_ms = now_ms
        self._take_mailbox(answer)

    def _has_table(self, has_table: bool) -> None:
        """Whether the platform knows our channels; where it does not, it is told, and gets SenML until then."""
        self._forms.has_table = has_table
        if not has_table and self._forms.wants_compact:
            self.transfers.want_table(self._forms.table.encode())

    def _take_mailbox(self, answer: Answer) -> None:
        self.transfers.offered(answer.files)
        if self._on_commands is not None:
            self._on_commands(answer.commands)

    async def _meet_refusal(self, message: Message, error: Refused) -> bool:
        """A refused record is found by sending each alone, and held back when it alone is refused again and again.

        It is set aside for good only after the platform has accepted something else: one that refuses everything makes
        us wait, not throw away.
        """
        self._note_problem(f"{self.settings.url}: {error}")
        if error.code not in _CONTENT_REFUSED:
            return False
        sequences = message.batch.sequences
        if len(sequences) > 1:
            self._batcher.one_by_one = True
            return True
        self._refusals_in_a_row += 1
        if self._refusals_in_a_row < _REFUSALS_BEFORE_HELD or len(self._batcher.held) >= _MAX_HELD:
            return False
        self._refusals_in_a_row = 0
        self._batcher.held.add(sequences[0])
        self._batcher.one_by_one = False
        return True

    async def _set_held_aside(self) -> None:
        for sequence in sorted(self._batcher.held):
            await self._journal.set_aside(sequence, "record-refused")
            self._batcher.held.discard(sequence)
            self.counters.set_aside_records += 1
            log.error("journal record %d is refused by the platform, which takes others; it is set aside", sequence)

    async def _pause(self, seconds: float, record_class: int) -> None:
        if record_class == ALARM:
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


def _answers_within_s(settings: UplinkSettings) -> float:
    """How far apart answers to batches may be: as long as a command may take, unless the mailbox is observed."""
    is_observed = settings.command_delay_s < settings.batch_s
    return max(settings.command_delay_s, ANSWERS_WITHIN_S) if is_observed else settings.command_delay_s


def _wanted_tables(refused: Refused) -> Sequence[bytes]:
    try:
        return decode_answer(refused.payload).wanted_tables
    except FormatError:
        return ()
