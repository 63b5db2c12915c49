"""One transaction of the journal, while it is being written: appends and retires records and adds up what it changes.

The sums become the journal's only when the commit has succeeded, so a failed one leaves nothing behind.
"""

from collections.abc import Iterable, Mapping, Sequence

import apsw

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import TELEMETRY, Channel
from gateway_agent.journal.contents import (
    ACKNOWLEDGED,
    DOUBT,
    LATEST,
    LATEST_EVERY,
    RETIRED_READINGS,
    UNASKED,
    Contents,
    Waiting,
    note_latest,
)
from gateway_agent.journal.items import ItemChanges
from gateway_agent.journal.rows import record_checksum
from gateway_agent.journal.schema import ACKNOWLEDGED as KEPT
from gateway_agent.journal.schema import SET_ASIDE, WAITING
from gateway_agent.journal.snapshots import EVERY, VITAL, write_snapshot
from gateway_agent.journal.spans import Spans

_CHANGE_STATE = (
    "SELECT class, time_ms, era, readings, body FROM record WHERE sequence = ? AND state = ?",
    "UPDATE record SET state = ?, crc32 = ? WHERE sequence = ?",
)


class Transaction:
    """What the entries of one commit write through. `items` are the facts as this transaction leaves them; `unknown`
    are sequences that were acknowledged and are not here, `damaged` those of records that were found so."""

    def __init__(self, connection: apsw.Connection, contents: Contents, keep_acknowledged: bool) -> None:
        self.connection = connection
        self.contents = contents
        self.keep_acknowledged = keep_acknowledged
        self.next_sequence = contents.next_sequence
        self.items = ItemChanges(contents.items)
        self._added = Waiting()
        self._held_readings = 0
        self._retired_readings = 0
        self._gone: Spans | None = None
        self._latest: dict[int, int] = {}
        self._channels: dict[Channel, int] = {}
        self._floors: dict[int, int] = {}
        self._doubt: Spans | None = None
        self._snapshot: int | None = None
        self.unknown: list[int] = []
        self.damaged: list[int] = []

    def append(self, record_class: int, time_ms: int, body: bytes, readings: int = 0, era: int = 0) -> int:
        """Insert a record and return its sequence."""
        sequence = self.next_sequence
        self.insert(sequence, record_class, time_ms, era, readings, WAITING, body)
        self.next_sequence += 1
        return sequence

    def insert(
        self, sequence: int, record_class: int, time_ms: int, era: int, readings: int, state: int, body: bytes
    ) -> None:
        """Insert a row under a sequence that is free."""
        checked = record_checksum(sequence, record_class, time_ms, era, readings, state, body)
        self.connection.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (sequence, record_class, time_ms, era, readings, state, body, checked),
        )
        if state == WAITING:
            self._added.add(record_class, 1, readings, len(body))
        self._held_readings += readings
        if record_class == TELEMETRY:
            note_latest(self._latest, time_ms, body)

    def channel(self, channel: Channel) -> int:
        """The number of a channel, a new one where it has none."""
        number = self._channels.get(channel) or self.contents.numbers.get(channel)
        if number is None:
            number = 1 + max(*self.contents.numbers.values(), *self._channels.values(), 0, 0)
            self._channels[channel] = number
            self.items.put(kinds.CHANNEL, str(number), list(channel))
        return number

    def acknowledge(self, sequences: Iterable[int]) -> int:
        """Let records go that the platform has; return how many of them were waiting."""
        count = highest = 0
        for sequence in sequences:
            was_there = self.change_state(sequence, KEPT) if self.keep_acknowledged else self.retire(sequence)
            count += was_there
            highest = max(highest, sequence)
            if not was_there:
                self.unknown.append(sequence)
        if highest > (self.items.get(kinds.MARK, ACKNOWLEDGED) or 0):
            self.items.put(kinds.MARK, ACKNOWLEDGED, highest)
        return count

    def retire(self, sequence: int) -> bool:
        """Delete a waiting record for good; whether it was there."""
        row = self.connection.execute(
            "DELETE FROM record WHERE sequence = ? AND state = ? RETURNING class, readings, length(body)",
            (sequence, WAITING),
        ).fetchone()
        if row is None:
            return False
        record_class, readings, body_bytes = row
        self._added.add(record_class, -1, readings, body_bytes)
        self._held_readings -= readings
        self._retired_readings += readings
        self.leave(sequence, sequence)
        return True

    def leave(self, first: int, last: int) -> None:
        """Note that these sequences are in the journal no more."""
        self._changed_gone().add(first, last)

    def come_back(self, first: int, last: int) -> None:
        """These sequences can be inserted, even if they seem to have left."""
        if self.contents.gone.touches(first, last):
            self._changed_gone().remove(first, last)

    def change_state(self, sequence: int, state: int) -> bool:
        """Give a waiting record another state; whether it was waiting."""
        find, change = _CHANGE_STATE
        row = self.connection.execute(find, (sequence, WAITING)).fetchone()
        if row is None:
            return False
        record_class, time_ms, era, readings, body = row
        checked = record_checksum(sequence, record_class, time_ms, era, readings, state, body)
        self.connection.execute(change, (state, checked, sequence))
        self._added.add(record_class, -1, readings, len(body))
        return True

    def set_aside_damaged(self, sequences: Sequence[int]) -> None:
        """Never send these waiting records."""
        for sequence in sequences:
            self.change_state(sequence, SET_ASIDE)
        self.damaged += sequences

    def withdraw(self, first: int, last: int) -> None:
        """Delete records that were never handed out, as if they had never been written."""
        for record_class, readings, state, body_bytes in self.connection.execute(
            "DELETE FROM record WHERE sequence BETWEEN ? AND ? RETURNING class, readings, state, length(body)",
            (first, last),
        ):
            self._held_readings -= readings
            if state == WAITING:
                self._added.add(record_class, -1, readings, body_bytes)

    def skip_to(self, next_sequence: int) -> None:
        """Let the next record get `next_sequence` or more."""
        if next_sequence > self.next_sequence:
            self.next_sequence = next_sequence
            self.connection.execute("DELETE FROM sqlite_sequence WHERE name = 'record'")
            self.connection.execute("INSERT INTO sqlite_sequence VALUES ('record', ?)", (next_sequence - 1,))

    def leave_unknown(self, first: int, last: int) -> None:
        """Note that these sequences are in the journal no more, but for those that are known to be there."""
        taken = Spans(
            (sequence, sequence)
            for (sequence,) in self.connection.execute(
                "SELECT sequence FROM record WHERE sequence BETWEEN ? AND ?", (first, last)
            )
        )
        for low, high in taken.gaps(first, last):
            self.leave(low, high)

    def count_retired(self, readings: int) -> None:
        """Count readings that have left already."""
        self._retired_readings += readings

    def note_latest(self, latest: Mapping[int, int]) -> None:
        """Take in the times of the newest samples by their channels, of records that may be gone."""
        for channel, time_ms in latest.items():
            self._latest[channel] = max(time_ms, self._latest.get(channel, time_ms))

    def move_floor(self, record_class: int, sequence: int) -> None:
        """Nothing of the class waits up to this sequence any more."""
        self._floors[record_class] = sequence

    def doubt(self, ranges: Iterable[tuple[int, int]]) -> None:
        """The platform may have these sequences (first, last) from now on, whether it acknowledges them or not."""
        known = self.contents.doubt if self._doubt is None else self._doubt
        doubt = Spans(span for first, last in known for span in self.contents.gone.gaps(first, last))
        for first, last in ranges:
            doubt.add(first, last)
        if list(doubt) != list(known):
            self._doubt = doubt
            self.items.put(kinds.MARK, DOUBT, [list(span) for span in doubt])

    def finish(self) -> None:
        """Write the facts that have changed."""
        contents, items = self.contents, self.items
        if self._retired_readings:
            retired = items.get(kinds.MARK, RETIRED_READINGS) or 0
            items.put(kinds.MARK, RETIRED_READINGS, retired + self._retired_readings)
        if self._gone is not None:
            before, after = dict(contents.gone), dict(self._gone)
            for first in before.keys() - after.keys():
                items.remove(kinds.GONE, str(first))
            for first, last in after.items():
                if before.get(first) != last:
                    items.put(kinds.GONE, str(first), last)
        if self._gone is not None or self.next_sequence - contents.latest_as_of > LATEST_EVERY:
            self.write_latest()
        given = self.next_sequence > contents.next_sequence
        if given and not contents.is_asked and not items.get(kinds.MARK, UNASKED):
            items.put(kinds.MARK, UNASKED, contents.next_sequence)
        items.write(self.connection)
        if items.kinds & VITAL or self.next_sequence - contents.snapshot_as_of > EVERY:
            write_snapshot(self.connection, self.next_sequence, items.rows())
            self._snapshot = self.next_sequence

    def write_latest(self) -> None:
        """Write down the newest sample of each channel: its record may be gone when the file is opened again."""
        self.items.put(kinds.MARK, LATEST, [self.next_sequence - 1, self._newest()])

    def apply(self) -> None:
        """The commit has succeeded: let the contents be as this transaction leaves them."""
        contents = self.contents
        contents.next_sequence = self.next_sequence
        contents.waiting.take(self._added)
        contents.held_readings += self._held_readings
        contents.floors.update(self._floors)
        changed = self.items.apply()
        if changed & {kinds.EPOCH, kinds.ERA, kinds.CHANNEL}:
            contents.take_items()
        elif self._gone is not None:
            contents.gone = self._gone
        if self._snapshot is not None:
            contents.snapshot_as_of = self._snapshot
        if self._doubt is not None:
            contents.doubt = self._doubt
        if self._latest or kinds.MARK in changed:
            contents.take_latest(self._newest())

    def _changed_gone(self) -> Spans:
        if self._gone is None:
            self._gone = self.contents.gone.copy()
        return self._gone

    def _newest(self) -> dict[int, int]:
        if not self._latest:
            return self.contents.latest
        newest = dict(self.contents.latest)
        for channel, time_ms in self._latest.items():
            newest[channel] = max(time_ms, newest.get(channel, time_ms))
        return newest
