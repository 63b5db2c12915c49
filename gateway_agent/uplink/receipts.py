"""What an answer of the platform tells: what has arrived, what time it is, and what its mailbox holds.

What the platform has acknowledged leaves the journal. Batches that went without an answer count as arrived, or as lost,
when a later answer covers them.
"""

from collections.abc import Awaitable, Callable, Sequence

from gateway_agent.journal import TELEMETRY
from gateway_agent.records import Command
from gateway_agent.uplink.answer import Answer, ranges
from gateway_agent.uplink.forms import Message
from gateway_agent.uplink.refusals import Refusals
from gateway_agent.uplink.schedule import Schedule
from gateway_agent.uplink.unconfirmed import is_within
from gateway_agent.uplink.uplink_parts import UplinkParts


class Receipts:
    """Takes the answers of one uplink."""

    def __init__(
        self,
        parts: UplinkParts,
        schedule: Schedule,
        refusals: Refusals,
        on_commands: Callable[[Sequence[Command]], None] | None,
        on_time: Callable[[int, int], Awaitable[None]] | None,
    ) -> None:
        """See Uplink for the two listeners."""
        self._parts = parts
        self._schedule = schedule
        self._refusals = refusals
        self._on_commands = on_commands
        self._on_time = on_time

    async def hear(self, answer: Answer, begun_ms: int) -> None:
        """Take time and mailbox of an answer to a request that was begun at that monotonic time."""
        parts = self._parts
        parts.confirmation.answered()
        now_ms = parts.clock.unix_ms()
        if answer.platform_ms is not None:
            if self._on_time is not None:
                # Times that were a guess are corrected before anything with them is sent.
                await self._on_time(answer.platform_ms, parts.clock.monotonic_ms() - begun_ms)
                now_ms = parts.clock.unix_ms()
            parts.counters.clock_offset_ms = answer.platform_ms - now_ms
        parts.counters.last_answer_ms = now_ms
        self.take_mailbox(answer)

    def take_mailbox(self, answer: Answer) -> None:
        """Pass on what the platform has for us."""
        self._parts.transfers.offered(answer.files)
        if self._on_commands is not None:
            self._on_commands(answer.commands)

    async def take(self, message: Message, answer: Answer) -> bool:
        """Take what the answer to a message acknowledges; False when that is nothing of what it carried."""
        parts, batch = self._parts, message.batch
        there = answer.acknowledged
        if there is None:
            asked = ((message.first_asked, batch.sequences[-1]),)
            there = asked if message.is_compact else ranges(batch.sequences)
        taken = [sequence for sequence in batch.sequences if is_within(sequence, there)]
        if not taken:
            parts.counters.note_problem(f"{parts.settings.url} answers and acknowledges nothing of what it was sent")
            return False
        was_away = parts.counters.problem is not None
        parts.note_success()
        parts.forms.acknowledged(message)
        if message.is_compact:
            lost = await self.take_unconfirmed(there, batch.epoch)
        else:
            lost = 0
            parts.counters.stray_acknowledgements += sum(last - first + 1 for first, last in there) - len(taken)
        parts.counters.acknowledged_records += len(taken)
        readings = batch.readings if len(taken) == len(batch.sequences) else 0
        if batch.record_class == TELEMETRY:
            parts.counters.acknowledged_readings += readings
            if batch.is_late:
                self._schedule.past_readings -= readings
        parts.batcher.passed(batch)
        await parts.batcher.took(batch.record_class, taken, 0 if batch.is_late else readings)
        if lost:
            await parts.batcher.again()
        if was_away:
            await self._schedule.look_back()
        await self._refusals.accepted_another()
        if not parts.journal.depth:
            parts.batcher.one_by_one = False
        return True

    async def take_unconfirmed(self, there: Sequence[tuple[int, int]], epoch: int) -> int:
        """Take what arrived, of an epoch, of the batches that nobody had answered; how many of them did not."""
        parts = self._parts
        messages, refused = parts.unconfirmed.take()
        lost = 0
        for message in messages:
            batch = message.batch
            spans = there if batch.epoch == epoch else ()
            taken = [sequence for sequence in batch.sequences if is_within(sequence, spans)]
            if len(taken) < len(batch.sequences):
                lost += 1
            else:
                parts.counters.acknowledged_readings += batch.readings
            parts.counters.acknowledged_records += len(taken)
            await parts.batcher.took(batch.record_class, taken, batch.readings if taken else 0)
        if messages:
            # What arrived and was refused tells nothing of the link.
            parts.confirmation.counted(len(messages) - refused, max(0, lost - refused))
            parts.counters.lost_batches += lost
        return lost
