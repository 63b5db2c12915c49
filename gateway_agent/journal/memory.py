"""The journal in memory, for while the disk cannot be used, and how what it holds joins the disk again.

Only what was committed in memory moves. Numbers of channels are the disk's when both know of each other; when the agent
began without its disk they were given anew, and are given again as the records move. Sequences and numbers of eras
stay, for others know them: the platform, and the clock.
"""

import secrets
from collections.abc import Mapping
from typing import Any

import apsw
import cbor2

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import TELEMETRY, THINNED
from gateway_agent.journal.commands import FINAL_STATES
from gateway_agent.journal.contents import ACKNOWLEDGED, RETIRED_READINGS, UNASKED, Contents, Waiting, begin, load
from gateway_agent.journal.errors import JournalUnavailable
from gateway_agent.journal.schema import PAGE_BYTES, make_tables
from gateway_agent.journal.spans import Spans, ranges_of
from gateway_agent.journal.store import Store
from gateway_agent.journal.transaction import Transaction

_GAP = 1 << 20
"""Numbers that are left out between disk and memory: more than any commit takes whose success is unknown."""
_FAR = 1 << 40
_FAR_SPREAD = 1 << 48
"""Where the numbers begin when nothing is known of the disk: beyond what any file holds that never was in memory, and
at random, for the clock may be wrong and the last time in memory may have begun in the same way."""
_ERA_SPREAD = 1 << 30
_MOVED = (kinds.EPOCH, kinds.ERA, kinds.STANDING, kinds.ORIGIN, kinds.COMMAND)
_JOINED = "joined"


def memory_store(known: Contents, doubtful: int | None, keep_acknowledged: bool) -> tuple[Store, "Joining"]:
    """A store in memory that goes on where `known`, the contents of the disk, ended; and what joins the two again.

    `doubtful` is the last sequence of a commit on the disk that may have succeeded; `keep_acknowledged` is the disk's.
    """
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    with connection:
        make_tables(connection)
        if not known.epochs:
            begin(connection, first_sequence=_FAR + secrets.randbelow(_FAR_SPREAD))
    if not known.epochs:
        contents = load(connection)
        contents.knows_past = False
        contents.eras_from = secrets.randbelow(_ERA_SPREAD)
        return Store(connection, contents, keep_acknowledged), Joining(contents, contents, None)
    contents = known.go_on_at(max(known.last_sequence, doubtful or 0) + _GAP)
    return Store(connection, contents, keep_acknowledged), Joining(contents, known, doubtful)


class Joining:
    """What must be known to move the records of memory to the disk.

    `on_disk` is what waits there, `held_readings` how many readings stand there; `late` are sequences that the platform
    has acknowledged and that were not in memory; `disk_mark` is the (epoch, sequence) of its last commit, if known.
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
        self.disk_mark = None if self.knows_nothing else (known.epochs[0][1], known.last_sequence)
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
        except apsw.Error:
            raise
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
        # A file that was salvaged may lack facts that memory knows from before.
        self._move_items(transaction, mine, self._version if rebuilt_from is None else 0)
        channels = {number: transaction.channel(channel) for channel, number in mine.numbers.items()}
        same_channels = all(old == new for old, new in channels.items())
        if before.epoch_of(self._first) != first_epoch:
            transaction.items.put(kinds.EPOCH, str(self._first), first_epoch)
        there = ranges_of(row[0] for row in rows if row[0] >= self._first)
        for first, last in there:
            transaction.come_back(first, last)
        for sequence, record_class, time_ms, era, readings, state, body, _ in rows:
            if sequence < self._first:
                continue
            moved = body if same_channels else _renumbered(record_class, body, channels)
            transaction.insert(sequence, record_class, time_ms, era, readings, state, moved)
        transaction.note_latest({channels[number]: time_ms for number, time_ms in mine.latest.items()})
        transaction.skip_to(mine.next_sequence)
        for first, last in there.gaps(min(before.last_sequence, self._known_last) + 1, mine.last_sequence):
            transaction.leave_unknown(first, last)
        transaction.acknowledge(self.late)
        self._count_retired(transaction, mine)
        transaction.doubt(mine.doubt)
        if mine.is_asked and not self.knows_nothing:
            # What was asked before the disk failed, or meanwhile, holds for what is on it too.
            before.is_asked = True
            transaction.items.put(kinds.MARK, UNASKED, 0)
        transaction.finish()

    def _count_retired(self, transaction: Transaction, mine: Contents) -> None:
        """Count what left from memory, but for what an earlier try has counted."""
        retired = (mine.items.get(kinds.MARK, RETIRED_READINGS) or 0) - self._retired
        first, counted = transaction.items.get(kinds.MARK, _JOINED) or (0, 0)
        transaction.count_retired(retired - counted if first == self._first else retired)
        transaction.items.put(kinds.MARK, _JOINED, [self._first, retired])

    def _move_items(self, transaction: Transaction, mine: Contents, since_version: int) -> None:
        for kind, key, item in mine.items.rows():
            if item.version <= since_version or kind not in _MOVED:
                continue
            value, there = cbor2.loads(item.body), transaction.items.get(kind, key)
            if kind == kinds.ORIGIN and there is not None:
                value = [list(span) for span in Spans([*map(tuple, there), *map(tuple, value)])]
            if kind == kinds.COMMAND and there is not None and there[1] in FINAL_STATES:
                continue
            transaction.items.put(kind, key, value)
        highest = mine.acknowledged
        if highest > (transaction.items.get(kinds.MARK, ACKNOWLEDGED) or 0):
            transaction.items.put(kinds.MARK, ACKNOWLEDGED, highest)


def _renumbered(record_class: int, body: bytes, channels: Mapping[int, int]) -> bytes:
    """A body with other numbers of channels."""
    if record_class != TELEMETRY and record_class not in THINNED:
        return body
    content = cbor2.loads(body)
    if record_class in THINNED:
        content[0] = channels[content[0]]
    else:
        for part in content[::2] if isinstance(content[0], list) else [content]:
            part[::2] = [channels[number] for number in part[::2]]
    return cbor2.dumps(content)
