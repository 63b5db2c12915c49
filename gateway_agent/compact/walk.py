"""The walk over the records of a batch, the same for writing and reading: telemetry.md, "The records".

With an Encoder each step is given what stands in the records, with a Decoder nothing; both go on with what the coder
returns, and leave the state as the next batch finds it.
"""

from collections.abc import Callable, Mapping, Sequence

from gateway_agent.compact.happenings import walk_event, walk_result
from gateway_agent.compact.limits import LARGEST, MAX_RECORDS, MAX_STEPS
from gateway_agent.compact.polls import Part, Polls, parts_of
from gateway_agent.compact.range_coder import Coder
from gateway_agent.compact.state import State
from gateway_agent.compact.symbols import (
    ASKED,
    CLASS,
    COUNT,
    FOLLOWS,
    GAP,
    HAS_QUALITY,
    IS_TELEMETRY,
    QUALITY,
    SENT,
    TRUSTED,
    Symbols,
)
from gateway_agent.compact.windows import walk_windows
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Record
from gateway_agent.journal.codec import SPANS_S
from gateway_agent.records import CommandResult, Event, Reading, Thinned
from gateway_agent.uplink.errors import FormatError

Qualities = Mapping[tuple[int, int], int]


class Walk:
    """Goes through the records with a coder; `state` is changed on the way."""

    def __init__(self, coder: Coder, state: State) -> None:
        self.qualities: dict[tuple[int, int], int] = {}
        self._said = Symbols(coder, state)
        self._polls = Polls(self._said)
        self._state = state
        self._is_first = True

    def count(self, count: int) -> int:
        """How many records there are."""
        state = self._state
        read = state.count + self._said.integer(COUNT, count - state.count)
        if not 1 <= read <= MAX_RECORDS:
            raise FormatError(f"a batch has 1 to {MAX_RECORDS} records")
        state.count = read
        return read

    def asked(self, before: int) -> int:
        """How many sequences before the first record the question begins."""
        return self._said.number(ASKED, before)

    def sent(self, after: int) -> int:
        """Quarters of a second from the last time in the batch to when it was sent."""
        return self._said.integer(SENT, after)

    def write(self, records: Sequence[Record], qualities: Qualities, is_full: Callable[[], bool]) -> int:
        """Write the records until `is_full` or the steps are used up; how many of them a batch can hold, at least one.
        Raises FormatError when one cannot be written.
        """
        said, table = self._said, self._state.table
        parts = [
            list(parts_of(record.content, table)) if isinstance(record.content, tuple) else None for record in records
        ]
        waiting = {
            (part[0], part[1]) for record_parts in parts for part in record_parts or () if not isinstance(part, Reading)
        }
        for done, (record, record_parts) in enumerate(zip(records, parts, strict=True)):
            # What a record takes is known only afterwards: the one that is too much is written in vain.
            before, said.steps = said.steps, 0
            self._record(record, record_parts, waiting, qualities)
            said.steps += before
            self._is_first = False
            if done and (said.steps > MAX_STEPS or is_full()):
                return done
        return len(records)

    def read(self, count: int) -> list[Record]:
        """Read that many records."""
        records = []
        for _ in range(count):
            records.append(self._record(None, None, set(), {}))
            self._is_first = False
        return records

    def _record(
        self,
        record: Record | None,
        parts: list[Part | Reading] | None,
        waiting: set[tuple[int, int]],
        qualities: Qualities,
    ) -> Record:
        state, said = self._state, self._said
        gap = 1 if record is None else record.sequence - state.sequence
        gap = 1 if said.bit(FOLLOWS, gap == 1) else said.integer(GAP, gap)
        sequence = state.sequence + gap
        if not 1 <= sequence <= LARGEST or (gap < 1 and not self._is_first):
            raise FormatError("the sequences of a batch ascend from 1 on")
        trusted = bool(said.bit(TRUSTED, record is None or record.trusted))
        record_class = TELEMETRY if record is None else record.record_class
        is_telemetry = said.bit(IS_TELEMETRY, record_class == TELEMETRY)
        record_class = TELEMETRY if is_telemetry else said.number(CLASS, record_class)
        if record_class == TELEMETRY and not is_telemetry:
            raise FormatError("a record that is said not to be telemetry, and is")
        content = None if record is None else record.content
        read: tuple[Reading, ...] | Thinned | Event | CommandResult
        if record_class == TELEMETRY:
            own = {} if record is None else {at: q for (owner, at), q in qualities.items() if owner == sequence}
            read = self._polls.walk(parts, waiting)
            self._qualities(sequence, len(read), own)
        elif record_class in THINNED:
            read = walk_windows(
                said, content if isinstance(content, Thinned) else None, SPANS_S[record_class - TELEMETRY - 1]
            )
        elif record_class in (ALARM, EVENT):
            read = walk_event(said, content if isinstance(content, Event) else None)
        elif record_class == RESULT:
            read = walk_result(said, content if isinstance(content, CommandResult) else None)
        else:
            raise FormatError(f"a record of the unknown class {record_class}")
        state.sequence = sequence
        return Record(sequence, record_class, read, state.epoch, trusted)

    def _qualities(self, sequence: int, readings: int, given: Mapping[int, int]) -> None:
        said = self._said
        if not said.bit(HAS_QUALITY, bool(given)):
            return
        for at in range(readings):
            quality = said.number(QUALITY, given.get(at, 0))
            if quality > 255:
                raise FormatError("a quality is a number of a byte")
            if quality:
                self.qualities[sequence, at] = quality
