"""What goes next, and as which bytes: one message per alarm, else as many records as one datagram takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, THINNED, Journal, Record
from gateway_agent.uplink.columns import alike, column_fields
from gateway_agent.uplink.messages import MessageWriter
from gateway_agent.uplink.objects import ObjectName
from gateway_agent.uplink.senml_cbor import array_head, encode_record

PAYLOAD_BYTES = 1024
"""Default bound of one message: below what any link of the wired and Cat 1 kind cuts (RFC 7252, 4.6)."""

_RECORDS_ASKED = 512
_WORTH_FILLING = 4
"""Polls in columns are cut where more than this part of a message would stay empty and what is left fills more than
another: each half names all points."""
_TAKEN_AT_ONCE = 512
"""Acknowledged records after which the journal is told: each commit costs the disk some writes, and a record that is
sent again because one was missing does no harm."""


@dataclass(frozen=True, slots=True)
class Load:
    """Records that go next, in order and of one class; one message takes as many of the first as fit.

    `is_late`: they tell of the time before the platform was reached again.
    """

    record_class: int
    records: tuple[Record, ...]
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """One message: its bytes, and the journal sequences that it carries.

    `epoch` is that of all its records. `is_late`: it tells of the time before the platform was reached again.
    """

    record_class: int
    sequences: tuple[int, ...]
    readings: int
    payload: bytes
    epoch: int = 0
    is_late: bool = False


class Batcher:
    """Takes records from the journal: alarms (alone), results and events, telemetry of the present, the past.

    Telemetry up to the sequence `past_up_to`, and all that is thinned, is the past. `one_by_one` makes every message
    hold a single record, so that the one which the platform refuses can be told from the others; sequences in `held`
    are passed over.

    Telemetry is read ahead. What the platform `took` is told to the journal before it is read again, so that each
    record is sent once as long as the agent lives. What was `sent` without being acknowledged is passed over until it
    is taken, or to be sent `again`. `taken_readings` are those that the platform has, and that the journal still counts
    as waiting.
    """

    def __init__(self, journal: Journal) -> None:
        self.one_by_one = False
        self.held: set[int] = set()
        self.past_up_to = 0
        self.taken_readings = 0
        self._journal = journal
        self._ahead: list[Record] = []
        self._ahead_is_all = True
        self._taken: list[int] = []
        self._sent_up_to = 0

    def passed(self, batch: Batch) -> None:
        """A batch has been acknowledged, in whole or in part: what follows it comes next."""
        if batch.record_class >= TELEMETRY:
            gone = set(batch.sequences)
            self._ahead = [record for record in self._ahead if record.sequence not in gone]

    def sent(self, batch: Batch) -> None:
        """A batch of the present has gone without waiting for an answer."""
        self.passed(batch)
        self._sent_up_to = batch.sequences[-1]

    async def again(self) -> None:
        """What was sent is to be sent again where it was not taken."""
        await self.settle()
        self._sent_up_to = 0

    async def took(self, record_class: int, sequences: Sequence[int], readings: int) -> None:
        """The platform has acknowledged these records of one class, and with them so many readings."""
        self._taken += sequences
        self.taken_readings += readings
        if record_class < TELEMETRY or len(self._taken) >= _TAKEN_AT_ONCE or not self._ahead:
            await self.settle()

    async def settle(self) -> None:
        """Tell the journal what the platform has, and forget what was read ahead."""
        self._ahead, self._ahead_is_all = [], True
        if self._taken:
            taken, self._taken, self.taken_readings = self._taken, [], 0
            await self._journal.acknowledge(taken)

    async def next_load(self, telemetry_up_to: int, with_past: bool) -> Load | None:
        """What goes next, None when nothing waits: telemetry of the present only up to a sequence, the past only
        `with_past`."""
        for record_class in (ALARM, RESULT, EVENT):
            load = await self._load(record_class)
            if load is not None:
                return load
        if telemetry_up_to > self.past_up_to:
            load = await self._load(TELEMETRY, max(self.past_up_to, self._sent_up_to), telemetry_up_to)
            if load is not None:
                return load
        return await self._past() if with_past else None

    def has_past(self) -> bool:
        """Whether there may be something of the past."""
        waiting = self._journal.waiting
        return any(map(waiting, THINNED)) or (self.past_up_to > 0 and waiting(TELEMETRY) > 0)

    async def _past(self) -> Load | None:
        if self.past_up_to:
            load = await self._load(TELEMETRY, 0, self.past_up_to, is_late=True)
            if load is not None:
                return load
            self.past_up_to = 0
        for record_class in reversed(THINNED):
            load = await self._load(record_class, is_late=True)
            if load is not None:
                return load
        return None

    async def _load(
        self, record_class: int, after: int = 0, up_to: int | None = None, is_late: bool = False
    ) -> Load | None:
        if not self._journal.waiting(record_class):
            return None
        limit = 1 if record_class == ALARM or self.one_by_one else _RECORDS_ASKED
        last = self._journal.last_sequence if up_to is None else up_to
        if record_class < TELEMETRY:
            records = await self._journal.read(record_class, limit + len(self.held), after, last)
        else:
            records = await self._read_ahead(record_class, after, last)
        usable = tuple(record for record in records if record.sequence not in self.held)[:limit]
        return Load(record_class, usable, is_late) if usable else None

    async def _read_ahead(self, record_class: int, after: int, up_to: int) -> list[Record]:
        """What was read ahead, where it is what is asked for, and more where it runs short; else it is read anew."""
        ahead = [record for record in self._ahead if record.sequence not in self.held]
        if not (ahead and ahead[0].record_class == record_class and after < ahead[0].sequence <= up_to):
            await self.settle()
            ahead = []
        if not ahead or (len(ahead) < _RECORDS_ASKED and not self._ahead_is_all):
            self._ahead = ahead = ahead + await self._read_more(
                record_class, ahead[-1].sequence if ahead else after, up_to
            )
        return [record for record in ahead if record.sequence <= up_to]

    async def _read_more(self, record_class: int, after: int, up_to: int) -> list[Record]:
        """Records that may be sent; none when there are none."""
        asked = _RECORDS_ASKED + len(self.held)
        while True:
            records = await self._journal.read(record_class, asked, after, up_to)
            self._ahead_is_all = len(records) < asked
            wanted = [record.sequence for record in records if record.sequence not in self.held]
            here = set(await self._journal.note_sending(wanted)) if wanted else set()
            if here or not wanted:
                return [record for record in records if record.sequence in here]


def build_batch(
    records: Sequence[Record],
    gateway: str,
    units: Mapping[str, str],
    payload_bytes: int = PAYLOAD_BYTES,
    is_late: bool = False,
    names: Mapping[str, ObjectName] | None = None,
) -> Batch:
    """One SenML message of the first of `records`, and of as many after it of its epoch as fit `payload_bytes`.

    All are of one class. The first always goes, even where it alone is longer: a record is never cut. `names` are the
    OMA names of points; with them polls that are alike stand in columns, before what came between them, and those that
    do not fit together are left for the next message, where there is enough else.
    """
    waiting = [record for record in records if record.epoch == records[0].epoch]
    packer = _Packer(MessageWriter(gateway, units, names or {}), payload_bytes)
    taken: list[Record] = []
    left: list[list[Record]] = []
    left_bytes = 0
    while waiting:
        rows = alike(waiting) if names else waiting[:1]
        too_long = packer.add(rows)
        if not too_long:
            taken += rows
        elif taken and names:
            left.append(rows)
            left_bytes += too_long
        else:
            taken += rows[: packer.take(rows)]
            break
        gone = {record.sequence for record in rows}
        waiting = [record for record in waiting if record.sequence not in gone]
    if left_bytes > payload_bytes and packer.free_bytes > payload_bytes // _WORTH_FILLING:
        taken += left[0][: packer.take(left[0])]
    return Batch(
        records[0].record_class,
        tuple(sorted(record.sequence for record in taken)),
        sum(record.readings for record in taken),
        packer.payload,
        records[0].epoch,
        is_late,
    )


class _Packer:
    """Fills one message."""

    def __init__(self, writer: MessageWriter, payload_bytes: int) -> None:
        self._writer = writer
        self._payload_bytes = payload_bytes
        self._encoded: list[bytes] = []
        self._size = 0

    @property
    def payload(self) -> bytes:
        """The message."""
        return array_head(len(self._encoded)) + b"".join(self._encoded)

    @property
    def free_bytes(self) -> int:
        """Room that is left."""
        return self._payload_bytes - self._size

    def take(self, rows: Sequence[Record]) -> int:
        """Put in as many of the first of the records, which are alike, as fit, at least one where nothing was in yet;
        how many."""
        # As many as fit: halve what is not known.
        fit, too_many = 0, len(rows) + 1
        while too_many - fit > 1:
            count = (fit + too_many) // 2
            if self._would_fit(rows[:count]):
                fit = count
            else:
                too_many = count
        if not fit and not self._encoded:
            self._put(self._parts(rows[:1]))
            return 1
        if fit:
            self.add(rows[:fit])
        return fit

    def add(self, rows: Sequence[Record]) -> int:
        """Put the records in, which are alike. Where they do not all fit none is, and their bytes come back, else 0."""
        before = self._writer.state
        parts = self._parts(rows)
        if self._is_too_long(parts):
            self._writer.state = before
            return sum(map(len, parts))
        self._put(parts)
        return 0

    def _would_fit(self, rows: Sequence[Record]) -> bool:
        before = self._writer.state
        parts = self._parts(rows)
        self._writer.state = before
        return not self._is_too_long(parts)

    def _is_too_long(self, parts: Sequence[bytes]) -> bool:
        size = self._size + sum(map(len, parts))
        return len(array_head(len(self._encoded) + len(parts))) + size > self._payload_bytes

    def _put(self, parts: Sequence[bytes]) -> None:
        self._encoded += parts
        self._size += sum(map(len, parts))

    def _parts(self, rows: Sequence[Record]) -> list[bytes]:
        fields = self._writer.fields(rows[0]) if len(rows) == 1 else column_fields(rows, self._writer)
        return [encode_record(entry) for entry in fields]
