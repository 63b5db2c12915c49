"""What to do about a message that the platform has refused.

A refusal tells what it lacks or does not take, so that another form is sent; or that one record is bad. That one is
found by sending each alone, and held back when it alone is refused again and again. It is set aside for good only after
the platform has accepted something else: one that refuses everything makes us wait, not throw away.
"""

import logging
from collections.abc import Sequence

from gateway_agent.uplink.answer import decode_answer
from gateway_agent.uplink.errors import FormatError, Refused
from gateway_agent.uplink.forms import Message
from gateway_agent.uplink.uplink_parts import UplinkParts

log = logging.getLogger("gatepost.uplink")

_CONTENT_REFUSED = ("4.00", "4.13", "4.22")
_CONFLICT, _UNSUPPORTED = "4.09", "4.15"
_BEFORE_HELD = 3
_MAX_HELD = 8


class Refusals:
    """The refusals of one uplink."""

    def __init__(self, parts: UplinkParts) -> None:
        self._parts = parts
        self._in_a_row = 0

    def learn(self, message: Message, refused: Refused) -> bool:
        """Take what a refusal tells of the forms that the platform takes; whether another try can do better."""
        forms = self._parts.forms
        if not message.is_compact or refused.code not in (_CONFLICT, _UNSUPPORTED):
            return False
        if refused.code == _UNSUPPORTED:
            forms.compact_refused()
            return True
        if forms.table.digest in _wanted_tables(refused):
            self.has_table(False)
            return True
        forms.lacks(message)
        return message.reference is not None

    def has_table(self, has_table: bool) -> None:
        """Whether the platform knows our channels; where it does not, it is told, and gets SenML until then."""
        forms = self._parts.forms
        forms.has_table = has_table
        if not has_table and forms.wants_compact:
            self._parts.transfers.want_table(forms.table.encode())

    async def meet(self, message: Message, refused: Refused) -> bool:
        """Look for the record that is refused; whether something else is to be sent now."""
        parts = self._parts
        parts.counters.note_problem(f"{parts.settings.url}: {refused}")
        if refused.code not in _CONTENT_REFUSED:
            return False
        sequences = message.batch.sequences
        if len(sequences) > 1:
            parts.batcher.one_by_one = True
            return True
        self._in_a_row += 1
        if self._in_a_row < _BEFORE_HELD or len(parts.batcher.held) >= _MAX_HELD:
            return False
        self._in_a_row = 0
        parts.batcher.held.add(sequences[0])
        parts.batcher.one_by_one = False
        return True

    async def accepted_another(self) -> None:
        """The platform takes other records: set aside for good what is held back."""
        parts = self._parts
        self._in_a_row = 0
        for sequence in sorted(parts.batcher.held):
            await parts.journal.set_aside(sequence, "record-refused")
            parts.batcher.held.discard(sequence)
            parts.counters.set_aside_records += 1
            log.error("journal record %d is refused by the platform, which takes others; it is set aside", sequence)


def _wanted_tables(refused: Refused) -> Sequence[bytes]:
    try:
        return decode_answer(refused.payload).wanted_tables
    except FormatError:
        return ()
