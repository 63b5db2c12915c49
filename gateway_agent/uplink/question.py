"""The question what the platform has: the first exchange of a run, and whenever that is in doubt.

Where the platform has numbers that the journal is giving again, the journal's end was lost, and a new epoch begins.
The answer also tells which records arrived before the gateway was ended, which forms of messages are taken, and whether
our channel table is known.
"""

import logging

from gateway_agent.uplink.alarm_first import Overtaken
from gateway_agent.uplink.answer import Answer, decode_answer
from gateway_agent.uplink.coap_message import Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed, FormatError, Refused
from gateway_agent.uplink.receipts import Receipts
from gateway_agent.uplink.refusals import Refusals
from gateway_agent.uplink.schedule import Schedule
from gateway_agent.uplink.uplink_parts import UplinkParts

log = logging.getLogger("gatepost.uplink")

_NOT_FOR_US = "4."
"""Codes of RFC 7252, 5.9.2, by which a platform says that it will never answer this; 5.xx may pass."""
_LARGEST_SET_AT_ONCE = 1 << 16
"""Sequences that are acknowledged by an answer to the first question; what is beyond is sent again and does no harm."""


class Question:
    """`is_due`: what the platform has is in doubt, and it must be asked before telemetry goes on."""

    def __init__(self, parts: UplinkParts, schedule: Schedule, receipts: Receipts, refusals: Refusals) -> None:
        self.is_due = False
        self._parts = parts
        self._schedule = schedule
        self._receipts = receipts
        self._refusals = refusals

    async def ask(self) -> bool:
        """Ask the platform once what it has of what waits; whether it has answered, or only a trial failed."""
        parts = self._parts
        is_first = not parts.journal.is_asked
        epoch = parts.journal.epoch_to_ask if is_first else parts.journal.epoch
        begun_ms = parts.clock.monotonic_ms()
        is_trial = parts.client.bearers.wants_trial
        parts.counters.exchanges += 1
        try:
            reply = await self._exchange(parts.forms.question(epoch, parts.journal.first_waiting), is_first)
            answer = decode_answer(reply.payload)
        except Overtaken:
            return False
        except (ExchangeFailed, Refused, FormatError) as error:
            if is_trial:
                log.info("%s; it is spoken to as before", error)
                return True
            if not isinstance(error, Refused) or not error.code.startswith(_NOT_FOR_US):
                parts.counters.note_failure(str(error))
                return False
            # A platform that cannot be asked takes records all the same.
            log.info("%s: %s; it does not tell what it has", parts.settings.url, error)
            answer = Answer((), highest=0)
        else:
            await self._receipts.hear(answer, begun_ms)
        self.is_due = False
        parts.forms.offered(answer.offers)
        self._refusals.has_table(parts.forms.table.digest not in answer.wanted_tables)
        await self._take_what_is_there(answer, epoch, is_first)
        parts.note_success()
        await self._schedule.look_back()
        return True

    async def _exchange(self, request: Request, is_first: bool) -> Reply:
        asking = self._parts.client.ask(request)
        # Nothing goes before the first question is answered, not even an alarm: its number may be taken.
        return await (asking if is_first else self._parts.alarms.unless_overtaken(asking))

    async def _take_what_is_there(self, answer: Answer, epoch: int, is_first: bool) -> None:
        journal = self._parts.journal
        there = answer.acknowledged or ()
        if is_first and not await self._heard_highest(answer.highest or 0):
            there = ()
        await self._receipts.take_unconfirmed(there, epoch)
        await self._parts.batcher.again()
        first, last = journal.first_waiting, journal.last_sequence
        found: list[int] = []
        for low, high in there:
            most = max(low, first) + _LARGEST_SET_AT_ONCE - len(found)
            found += (
                sequence
                for sequence in range(max(low, first), min(high, last, most) + 1)
                if journal.epoch_of(sequence) == epoch
            )
        if found:
            self._parts.counters.acknowledged_records += await journal.acknowledge(found)

    async def _heard_highest(self, highest: int) -> bool:
        """Whether the platform knows of no record that is missing here."""
        journal = self._parts.journal
        first = journal.unasked_from
        if await journal.heard_highest(highest):
            return True
        log.error(
            "the platform has records up to %d, and the journal has given %d and what follows again: its end was lost; "
            "a new epoch begins there",
            highest,
            first,
        )
        return False
