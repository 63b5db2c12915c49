"""The journal in memory, for while the disk cannot be used, and how what it holds joins the disk again.

Only what was committed in memory moves. Numbers of channels and eras are the disk's when both know of each other;
when the agent began without its disk they were given anew, and are given again as the records move.
"""

from collections.abc import Mapping
from typing import Any

import apsw
import cbor2

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import TELEMETRY, THINNED
from gateway_agent.journal.contents import ACKNOWLEDGED, RETIRED_READINGS, Contents, Waiting, begin, load
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.journal.schema import PAGE_BYTES, make_tables
from gateway_agent.journal.spans import Spans
from gateway_agent.journal.store import Store
from gateway_agent.journal.transaction import Transaction

_GAP = 1 << 20
"""Numbers that are left out between disk and memory: more than any commit takes whose success is unknown."""
_FAR = 1 << 40
"""Where the numbers begin when nothing is known of the disk: beyond what any file holds."""
_FINAL = ("confirmed", "failed", "expired", "refused")


def memory_store(
    known: Contents, doubtful: int | None, now_ms: int, keep_acknowledged: bool
) -> tuple[Store, "Joining"]:
    """A store in memory that goes on where `known`, the contents of the disk, ended; and what joins the two again.

    `doubtful` is the last sequence of a commit on the disk that may have succeeded; `keep_acknowledged` is the disk's.
    """
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    with connection:
        make_tables(connection)
        if not known.epochs:
            begin(connection, first_sequence=_FAR + now_ms % _FAR)
    if not known.epochs:
        contents = load(connection)
        return Store(connection, contents, keep_acknowledged), Joining(contents, contents, None)
    contents = known.go_on_at(max(known.last_sequence, doubtful or 0) + _GAP)
    return Store(connection, contents, keep_acknowledged), Joining(contents, known, doubtful)


class Joining:
    """What must be known to move the records of memory to the disk.

    `on_disk` is what waits there, `held_readings` how many readings stand there; `late` are sequences that the platform
    has acknowledged and that were not in memory.
    """

    def __init__(self, begun: Contents, known: Contents, doubtful: int | None) -> None:
        self.knows_nothing = begun is known
        self.on_disk = Waiting() if self.knows_nothing else known.waiting
        self.held_readings = 0 if self.knows_nothing else known.held_readings
        self.late: list[int] = []
        self._first = begun.next_sequence
        self._version = 0 if self.knows_nothing else begun.items.version
        self._retired = begun.items.get(kinds.MARK, RETIRED_READINGS) or 0
        self._known_epochs = known.epochs[:1]
        self._known_last = known.last_sequence
        self._doubtful = doubtful

    def join(self, disk: Store, memory: Store, rebuilt_from: int | None) -> None:
        """Write everything that memory holds to the disk in one commit. It may have been tried before.

        `rebuilt_from` is the first sequence that a salvage of the file has given just now. Raises apsw.Error, or
        JournalUnavailable when the file is not the one of before.
        """
        if not self.knows_nothing and rebuilt_from is None and disk.contents.epochs[:1] != self._known_epochs:
            raise JournalUnavailable("another journal is in this place now; put the former one back")
        rows = memory.connection.execute("SELECT * FROM record ORDER BY sequence").fetchall()
        connection = disk.connection
        transaction = Transaction(connection, disk.contents, disk.keep_acknowledged)
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._write(transaction, memory.contents, rows, rebuilt_from)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        transaction.apply()

    def _write(self, transaction: Transaction, mine: Contents, rows: list[Any], rebuilt_from: int | None) -> None:
        before = transaction.contents
        if self._doubtful is not None:
            last = self._doubtful if rebuilt_from is None else min(self._doubtful, rebuilt_from - 1)
            transaction.withdraw(self._known_last + 1, last)
        transaction.withdraw(self._first, mine.last_sequence)
        first_epoch = mine.epoch_of(self._first)
        self._move_items(transaction, mine)
        channels = {number: transaction.channel(channel) for channel, number in mine.numbers.items()}
        eras = self._move_eras(transaction, mine)
        if before.epoch_of(self._first) != first_epoch:
            transaction.items.put(kinds.EPOCH, str(self._first), first_epoch)
        there = Spans()
        for sequence, record_class, time_ms, era, readings, state, body, _ in rows:
            if sequence < self._first:
                continue
            moved = _renumbered(record_class, body, channels)
            transaction.insert(sequence, record_class, time_ms, eras.get(era, era), readings, state, moved)
            there.add(sequence, sequence)
        transaction.skip_to(mine.next_sequence)
        low = min(before.last_sequence + 1, self._first)
        for first, last in there.gaps(max(low, 1), mine.last_sequence):
            transaction.leave_unknown(first, last)
        transaction.acknowledge(self.late)
        retired = (mine.items.get(kinds.MARK, RETIRED_READINGS) or 0) - self._retired
        transaction.count_retired(retired)
        transaction.finish()

    def _move_items(self, transaction: Transaction, mine: Contents) -> None:
        for kind, key, item in mine.items.rows():
            if item.version <= self._version or kind not in (kinds.STANDING, kinds.ORIGIN, kinds.COMMAND):
                continue
            value, there = cbor2.loads(item.body), transaction.items.get(kind, key)
            if kind == kinds.ORIGIN and there is not None:
                value = [list(span) for span in Spans([*map(tuple, there), *map(tuple, value)])]
            if kind == kinds.COMMAND and there is not None and there[1] in _FINAL:
                continue
            transaction.items.put(kind, key, value)
        for mark in (ACKNOWLEDGED,):
            highest = mine.items.get(kinds.MARK, mark) or 0
            if highest > (transaction.items.get(kinds.MARK, mark) or 0):
                transaction.items.put(kinds.MARK, mark, highest)

    def _move_eras(self, transaction: Transaction, mine: Contents) -> Mapping[int, int]:
        """New numbers of the eras that began in memory, where the disk has others under theirs."""
        numbers: dict[int, int] = {}
        there = transaction.contents.eras
        free = 1 + max((*there, *mine.eras), default=0)
        for number, era in sorted(mine.eras.items()):
            same = number in there and (there[number].boot_id, there[number].offset_ms) == (era.boot_id, era.offset_ms)
            if number in there and not same:
                numbers[number], free = free, free + 1
            fields = [era.boot_id, era.offset_ms, era.trusted, era.shift_ms]
            transaction.items.put(kinds.ERA, str(numbers.get(number, number)), fields)
        return numbers


def _renumbered(record_class: int, body: bytes, channels: Mapping[int, int]) -> bytes:
    """A body with other numbers of channels."""
    if (record_class != TELEMETRY and record_class not in THINNED) or all(old == new for old, new in channels.items()):
        return body
    content = cbor2.loads(body)
    if record_class in THINNED:
        content[0] = channels[content[0]]
    else:
        for part in content[::2] if isinstance(content[0], list) else [content]:
            part[::2] = [channels[number] for number in part[::2]]
    return cbor2.dumps(content)
