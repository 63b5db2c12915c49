"""One message to the platform: told, or asked about until it is acknowledged, refused for good, or overtaken.

Compact telemetry mostly goes without an answer; one batch in N is confirmed, and its answer acknowledges all before it
(confirmation.py). Everything else is sent again, with growing pauses, until the platform has acknowledged it; only an
alarm may overtake.
"""

import logging
from collections.abc import Callable
from random import Random

from gateway_agent.journal import ALARM, TELEMETRY
from gateway_agent.uplink.alarm_first import Overtaken
from gateway_agent.uplink.answer import decode_answer
from gateway_agent.uplink.backfill import Allowance
from gateway_agent.uplink.batches import Load
from gateway_agent.uplink.coap_message import Reply
from gateway_agent.uplink.errors import ExchangeFailed, FormatError, Refused
from gateway_agent.uplink.forms import Message
from gateway_agent.uplink.question import Question
from gateway_agent.uplink.receipts import Receipts
from gateway_agent.uplink.refusals import Refusals
from gateway_agent.uplink.schedule import Schedule
from gateway_agent.uplink.uplink_parts import UplinkParts

log = logging.getLogger("gatepost.uplink")


class Delivery:
    """Delivers loads, one at a time. `allowance` is what the past may take of the air."""

    def __init__(
        self,
        parts: UplinkParts,
        schedule: Schedule,
        question: Question,
        receipts: Receipts,
        refusals: Refusals,
        allowance: Allowance,
        random: Random,
        wake: Callable[[], None],
    ) -> None:
        """`wake` is called when a refusal comes after the fact, and there is something to ask."""
        self._parts = parts
        self._schedule = schedule
        self._question = question
        self._receipts = receipts
        self._refusals = refusals
        self._allowance = allowance
        self._random = random
        self._wake = wake
        self._must_confirm = False

    async def deliver(self, load: Load) -> None:
        """Send one message until it is acknowledged, refused for good, or overtaken by an alarm."""
        parts, settings = self._parts, self._parts.settings
        if self._may_go_unconfirmed(load) and await self._tell(load):
            return
        pause_s = settings.retry_first_s
        while True:
            before_bytes = parts.client.air.on_air_bytes
            try:
                if await self._try_once(load):
                    return
            except Overtaken:
                return
            await parts.spending.count(is_away=parts.counters.problem is not None)
            if self._is_overtaken(load):
                return
            if load.record_class >= TELEMETRY and parts.spending.earned_s(before_bytes) > settings.retry_longest_s:
                # A question takes fewer bytes than a batch to find out that the platform is back.
                self._question.is_due = True
                return
            await parts.alarms.pause(pause_s * self._random.uniform(0.5, 1.0), load.record_class)
            pause_s = min(2 * pause_s, settings.retry_longest_s)
            if self._is_overtaken(load):
                return

    def _is_overtaken(self, load: Load) -> bool:
        return load.record_class != ALARM and self._parts.alarms.is_there

    def _may_go_unconfirmed(self, load: Load) -> bool:
        parts = self._parts
        return (
            load.record_class == TELEMETRY
            and not load.is_late
            and not self._schedule.is_draining
            and not parts.batcher.one_by_one
            and parts.forms.is_compact
            and parts.counters.problem is None
            and not self._must_confirm
            and not parts.confirmation.must_confirm(len(parts.unconfirmed), parts.spending.batch_s)
        )

    def _make(self, load: Load, *, asks: bool) -> Message:
        parts = self._parts
        first = load.records[0].sequence
        if parts.unconfirmed.first_sequence is not None:
            first = min(first, parts.unconfirmed.first_sequence)
        asked = (first, parts.clock.unix_ms()) if asks else None
        payload_bytes = parts.client.bearers.current.settings.payload_bytes
        return parts.forms.make(load, asked, payload_bytes, is_lossy=parts.confirmation.is_lossy)

    async def _tell(self, load: Load) -> bool:
        """Send a message without waiting for an answer; False when it must be confirmed after all."""
        parts = self._parts
        message = self._make(load, asks=False)
        if not message.is_compact:
            return False
        try:
            await parts.client.tell(message.request, lambda refused: self._told_and_refused(message, refused))
        except ExchangeFailed as error:
            parts.counters.note_problem(str(error))
            return False
        parts.counters.unconfirmed_batches += 1
        parts.forms.sent(message)
        parts.unconfirmed.add(message)
        parts.batcher.sent(message.batch)
        return True

    def _told_and_refused(self, message: Message, refused: Refused) -> None:
        """The platform could not use a message for whose answer nobody waits: find out at once what it has."""
        log.info("%s: %s", self._parts.settings.url, refused)
        self._parts.counters.refusals += 1
        # What another form would not mend goes confirmed next: that waits between tries, and finds the record.
        self._must_confirm = not self._refusals.learn(message, refused)
        self._parts.unconfirmed.refused(message)
        self._question.is_due = True
        self._wake()

    async def _try_once(self, load: Load) -> bool:
        """One exchange; whether this load, or what of it fits a message, is done with."""
        parts, air = self._parts, self._parts.client.air
        parts.counters.exchanges += 1
        before_bytes = air.on_air_bytes
        begun_ms = parts.clock.monotonic_ms()
        message = self._make(load, asks=True)
        try:
            answer = decode_answer((await self._exchange(message, load)).payload)
        except ExchangeFailed as error:
            parts.forms.in_doubt()
            parts.counters.note_failure(str(error))
            return False
        except FormatError as error:
            parts.counters.note_failure(f"{parts.settings.url} gives an answer that cannot be read: {error}")
            return False
        except Refused as error:
            parts.counters.refusals += 1
            if self._refusals.learn(message, error):
                parts.confirmation.answered()
                return True
            return await self._refusals.meet(message, error)
        finally:
            if load.is_late:
                self._allowance.spend(air.on_air_bytes - before_bytes)
        await self._receipts.hear(answer, begun_ms)
        is_done = await self._receipts.take(message, answer)
        self._must_confirm = self._must_confirm and not is_done
        return is_done

    async def _exchange(self, message: Message, load: Load) -> Reply:
        asking = self._parts.client.ask(message.request)
        if load.record_class == ALARM:
            return await asking
        try:
            return await self._parts.alarms.unless_overtaken(asking)
        except Overtaken:
            self._parts.forms.in_doubt()
            raise
