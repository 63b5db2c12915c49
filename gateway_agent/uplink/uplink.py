"""The loop that empties the journal towards the platform.

Alarms go first and alone, results and events at once, telemetry every `batch_s` or as soon as `batch_readings` wait,
and after an outage the past last and slowly (schedule.py, backfill.py). One exchange is in flight at a time
(delivery.py). What the platform has acknowledged leaves the journal (receipts.py), and its mailbox goes to whoever
listens. Storing never waits for any of this. The first exchange of a run asks what the platform has (question.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from random import Random

from gateway_agent.bearers.choice import Bearers
from gateway_agent.clock import Clock
from gateway_agent.compact import ChannelTable
from gateway_agent.journal import TELEMETRY, Journal
from gateway_agent.records import Command
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.alarm_first import AlarmFirst, Overtaken
from gateway_agent.uplink.backfill import Allowance
from gateway_agent.uplink.batches import Batcher
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.confirmation import Confirmation
from gateway_agent.uplink.delivery import Delivery
from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.forms import Forms
from gateway_agent.uplink.mailbox import ObservedMailbox
from gateway_agent.uplink.objects import ObjectName
from gateway_agent.uplink.question import Question
from gateway_agent.uplink.receipts import Receipts
from gateway_agent.uplink.refusals import Refusals
from gateway_agent.uplink.schedule import Schedule
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.spending import Spending
from gateway_agent.uplink.transfers import Take, Transfers
from gateway_agent.uplink.unconfirmed import Unconfirmed
from gateway_agent.uplink.uplink_counters import UplinkCounters
from gateway_agent.uplink.uplink_parts import UplinkParts
from gateway_agent.uplink.uplink_settings import ANSWERS_WITHIN_S, UplinkSettings

_TRANSFER_PAUSE_LONGEST_S = 600.0


class Uplink:
    """Sends what the journal holds. `counters` and `air` count since the start."""

    def __init__(
        self,
        settings: UplinkSettings,
        journal: Journal,
        clock: Clock,
        bearers: Bearers,
        *,
        units: Mapping[str, str] | None = None,
        names: Mapping[str, ObjectName] | None = None,
        table: ChannelTable | None = None,
        files: Path | None = None,
        takers: Mapping[str, Take] | None = None,
        on_commands: Callable[[Sequence[Command]], None] | None = None,
        on_time: Callable[[int, int], Awaitable[None]] | None = None,
        random: Random | None = None,
    ) -> None:
        """`bearers` are the ways to the platform, each with its budget. `units` gives the SenML unit of each point and
        `names` its OMA name, `table` the channels of compact batches; `files` is the folder for transfers, `takers`
        take what was fetched; `on_commands` gets each mailbox, empty ones too.

        `on_time` is told at once the platform's unix time where an answer has it, and the milliseconds since the
        request. Raises UplinkError when the settings cannot be used.
        """
        self.settings = settings
        self._random = random or Random()
        client = CoapClient(settings.url, bearers, security=settings.security, on_answered=self._count_loss)
        forms = Forms(
            settings.gateway,
            units or {},
            names or {},
            table or ChannelTable(()),
            settings.form,
            clear=settings.security == CLEAR,
        )
        self._parts = parts = UplinkParts(
            settings,
            UplinkCounters(),
            journal,
            clock,
            client,
            Spending(bearers, client.air, settings.batch_s, journal, clock, self._random),
            AlarmFirst(journal, lambda: client.timing.ack_timeout_s),
            Batcher(journal),
            forms,
            Confirmation(self._answers_within_s, clock),
            Unconfirmed(),
            Transfers(client, forms.who, files, takers, lambda: bearers.current.settings.payload_bytes),
        )
        self.counters = parts.counters
        self.transfers = parts.transfers
        self._schedule = Schedule(parts)
        self._allowance = Allowance(settings.backfill_bytes_per_hour, clock)
        self._wake = asyncio.Event()
        refusals = Refusals(parts)
        receipts = Receipts(parts, self._schedule, refusals, on_commands, on_time)
        self._question = Question(parts, self._schedule, receipts, refusals)
        self._delivery = Delivery(
            parts, self._schedule, self._question, receipts, refusals, self._allowance, self._random, self._wake.set
        )
        self.mailbox = ObservedMailbox(client, forms.who, clock, receipts.take_mailbox, self._random)
        self._listening: asyncio.Task[None] | None = None
        self._next_transfer_ms = 0
        self._transfer_pause_s = settings.retry_first_s
        journal.subscribe(self._look_at_journal)
        self._look_at_journal()

    @property
    def air(self) -> AirCount:
        """What this uplink has put on the air and received, repetitions included."""
        return self._parts.client.air

    @property
    def taken_readings(self) -> int:
        """Readings that the platform has and that the journal still counts as waiting."""
        return self._parts.batcher.taken_readings

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            while True:
                if not self._parts.journal.is_asked:
                    await self._greet()
                await self._listen_or_not()
                await self._do_next()
        finally:
            await self._listen_no_more()
            self.transfers.close()
            await self._parts.client.close()

    def look(self) -> None:
        """See whether there is something new to do."""
        self._wake.set()

    async def drain(self) -> None:
        """Commit what waits, send everything now, and return when the journal is empty. `run` must be running."""
        journal = self._parts.journal
        await journal.flush()
        changed = asyncio.Event()
        unsubscribe = journal.subscribe(changed.set)
        self._schedule.is_draining = True
        try:
            while journal.depth:
                self._wake.set()
                await changed.wait()
                changed.clear()
        finally:
            self._schedule.is_draining = False
            unsubscribe()

    async def _listen_or_not(self) -> None:
        """Observe the mailbox where the bearer that is used now asks for it."""
        if not self._parts.is_observed:
            await self._listen_no_more()
        elif self._listening is None:
            self._listening = asyncio.create_task(self.mailbox.run(), name="uplink observes the mailbox")

    async def _listen_no_more(self) -> None:
        listening, self._listening = self._listening, None
        if listening is not None:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _count_loss(self, transmissions: int) -> None:
        """Whatever had to be sent again shows what the link loses."""
        self._parts.confirmation.counted(transmissions, transmissions - 1)

    def _answers_within_s(self) -> float:
        """How far apart answers to batches may be: as long as a command may take, unless the mailbox is observed."""
        delay_s = self._parts.command_delay_s
        return max(delay_s, ANSWERS_WITHIN_S) if self._parts.is_observed else delay_s

    async def _do_next(self) -> None:
        """Do what is most urgent, or wait until there is something to do."""
        parts, schedule, question = self._parts, self._schedule, self._question
        self._wake.clear()
        await self._count_bytes()
        await schedule.see_what_is_due()
        question.is_due |= schedule.commands_wait()
        await schedule.see_what_is_past()
        may_send = parts.spending.pace.may_send_telemetry
        with_past = schedule.is_draining or (may_send and self._allowance.wait_s() <= 0)
        load = await parts.batcher.next_load(schedule.due_up_to, with_past)
        is_urgent = load is not None and load.record_class < TELEMETRY
        if (question.is_due or parts.client.bearers.wants_trial) and not is_urgent:
            await self._ask()
        elif self._may_transfer() and not is_urgent and (load is None or self.transfers.table_is_wanted):
            await self._transfer()
        elif load is not None:
            await self._delivery.deliver(load)
        elif schedule.is_draining and parts.unconfirmed:
            question.is_due = True
        else:
            await self._wait_for_work(with_past)

    async def _greet(self) -> None:
        """Ask the platform what it has of us, until it answers; nothing is sent before."""
        pause_s = self.settings.retry_first_s
        while True:
            before_bytes = self.air.on_air_bytes
            if await self._question.ask():
                return
            await self._count_bytes()
            await self._pause(pause_s, before_bytes)
            pause_s = min(2 * pause_s, self.settings.retry_longest_s)

    async def _ask(self) -> None:
        """Ask again what the platform has, and wait where it does not answer."""
        before_bytes = self.air.on_air_bytes
        if not await self._question.ask():
            await self._pause(self.settings.retry_longest_s, before_bytes)

    async def _pause(self, seconds: float, before_bytes: int) -> None:
        """Wait between half of that time and all of it, or as long as the plan wants after what was sent."""
        least_s = self._parts.spending.earned_s(before_bytes)
        await self._parts.alarms.pause(max(seconds * self._random.uniform(0.5, 1.0), least_s), TELEMETRY)

    def _may_transfer(self) -> bool:
        return self.transfers.has_work and self._parts.clock.monotonic_ms() >= self._next_transfer_ms

    async def _transfer(self) -> None:
        """One block of a file, or what else a transfer has to say."""
        parts = self._parts
        is_table = self.transfers.table_is_wanted
        parts.counters.exchanges += 1
        try:
            is_on = await parts.alarms.unless_overtaken(self.transfers.step())
        except Overtaken:
            return
        except ExchangeFailed as error:
            parts.counters.note_failure(str(error))
            is_on = False
        else:
            parts.note_success()
        if is_table:
            parts.forms.has_table = self.transfers.table_is_there
        if is_on:
            self._transfer_pause_s, self._next_transfer_ms = self.settings.retry_first_s, 0
        else:
            self._next_transfer_ms = parts.clock.monotonic_ms() + round(1000 * self._transfer_pause_s)
            self._transfer_pause_s = min(2 * self._transfer_pause_s, _TRANSFER_PAUSE_LONGEST_S)

    async def _count_bytes(self) -> None:
        await self._parts.spending.count(is_away=self.counters.problem is not None)

    async def _wait_for_work(self, with_past: bool) -> None:
        parts = self._parts
        left_s = min(self._schedule.next_in_s, parts.client.bearers.next_trial_s)
        if self.transfers.has_work:
            left_s = min(left_s, (self._next_transfer_ms - parts.clock.monotonic_ms()) / 1000)
        if not with_past and parts.spending.pace.may_send_telemetry and parts.batcher.has_past():
            left_s = min(left_s, self._allowance.wait_s())
        if parts.spending.look_every_s is not None:
            # What goes meanwhile, as the mailbox's words do, is counted and written down in time.
            left_s = min(left_s, parts.spending.look_every_s)
        try:
            async with asyncio.timeout(max(0.001, left_s)):
                await self._wake.wait()
        except TimeoutError:
            return

    def _look_at_journal(self) -> None:
        self._parts.alarms.look()
        self._wake.set()
