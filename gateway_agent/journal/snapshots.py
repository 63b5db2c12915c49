"""Copies of the small facts that stand among the records.

The two tables of items grow side by side, so one block of the disk may hold both copies of a fact. Without the channels
no reading has a name, and without the epochs none is known to the platform again. So all of them are written down once
more whenever one of those changes, and every thousand records: wherever the file is damaged, one such copy is far away.
"""

from collections.abc import Iterable, Iterator

import apsw
import cbor2

from gateway_agent.journal import items as kinds
from gateway_agent.journal.items import Item
from gateway_agent.journal.rows import checksum

EVERY = 1000
"""Records from one copy to the next."""
VITAL = frozenset((kinds.EPOCH, kinds.ERA, kinds.CHANNEL))
"""Kinds whose every change makes a copy."""
_KEPT = 3
_MAX_BYTES = 1 << 14

Row = tuple[int, str, Item]


def write_snapshot(connection: apsw.Connection, number: int, rows: Iterable[Row]) -> None:
    """Write a copy of the items, as the one of the sequence `number`; only the vital ones where they are many."""
    known = list(rows)
    if sum(len(key) + len(item.body) for _, key, item in known) > _MAX_BYTES:
        known = [row for row in known if row[0] in VITAL]
    body = cbor2.dumps([[item.number, kind, key, item.version, item.body] for kind, key, item in known])
    connection.execute(
        "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?)", (number, body, checksum("snapshot", number, body))
    )
    connection.execute(
        f"DELETE FROM snapshot WHERE number NOT IN (SELECT number FROM snapshot ORDER BY number DESC LIMIT {_KEPT})"
    )


def read_snapshot(number: int, body: bytes, crc32: int) -> Iterator[Row]:
    """The items of a row of the table. Raises ValueError when it is damaged."""
    if checksum("snapshot", number, body) != crc32:
        raise ValueError(f"snapshot {number} fails its checksum")
    for item_number, kind, key, version, item_body in cbor2.loads(body):
        yield kind, key, Item(item_number, version, item_body)
