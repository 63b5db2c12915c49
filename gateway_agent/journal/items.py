"""The journal's own memory: small facts by kind and key, kept in two tables so that one damaged page takes none away.

They are few (hundreds), so all of them are in memory; the file is read once, when it is opened.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apsw
import cbor2

from gateway_agent.journal.rows import item_checksum

MARK, EPOCH, ERA, CHANNEL, GONE, STANDING, ORIGIN, COMMAND = range(8)
"""Kinds. MARK: single facts by name. EPOCH: by the first sequence of it. ERA: by number. CHANNEL: by number. GONE: a
range of sequences that have left, by its first. STANDING: alarms that stand. ORIGIN: the sequences of a node's epoch
that are in. COMMAND: by id."""

TABLES = ("item", "item_copy")


@dataclass(frozen=True, slots=True)
class Item:
    """One fact: `number` is its row, `version` grows with each change of any item."""

    number: int
    version: int
    body: bytes


class Items:
    """All items of a file, as last committed."""

    def __init__(self) -> None:
        self.version = 0
        self.next_number = 1
        self._items: dict[tuple[int, str], Item] = {}
        self._kinds: dict[int, dict[str, Item]] = {}

    def get(self, kind: int, key: str) -> Any:
        """What an item says, None where there is none."""
        item = self._items.get((kind, key))
        return None if item is None else cbor2.loads(item.body)

    def item(self, kind: int, key: str) -> Item | None:
        """The item itself."""
        return self._items.get((kind, key))

    def all(self, kind: int) -> Iterator[tuple[str, Any]]:
        """(key, what it says) of every item of a kind, in the order in which they came."""
        for key, item in sorted(self._kinds.get(kind, {}).items(), key=lambda entry: entry[1].number):
            yield key, cbor2.loads(item.body)

    def rows(self) -> Iterator[tuple[int, str, Item]]:
        """(kind, key, item) of every item."""
        for (kind, key), item in self._items.items():
            yield kind, key, item

    def take(self, kind: int, key: str, item: Item) -> None:
        """Take an item in the place of an older version of it."""
        known = self._items.get((kind, key))
        self.version = max(self.version, item.version)
        self.next_number = max(self.next_number, item.number + 1)
        if known is None or known.version <= item.version:
            self._items[kind, key] = item
            self._kinds.setdefault(kind, {})[key] = item

    def drop(self, kind: int, key: str) -> None:
        """Forget an item."""
        self._items.pop((kind, key), None)
        self._kinds.get(kind, {}).pop(key, None)


class ItemChanges:
    """What one transaction changes of the items; seen by whoever looks through it, and by others once it is `applied`.

    A value is anything that CBOR takes.
    """

    def __init__(self, items: Items) -> None:
        self._items = items
        self._changed: dict[tuple[int, str], Item | None] = {}
        self._next_number = items.next_number

    def get(self, kind: int, key: str) -> Any:
        """What an item says, None where there is none."""
        if (kind, key) in self._changed:
            item = self._changed[kind, key]
            return None if item is None else cbor2.loads(item.body)
        return self._items.get(kind, key)

    def all(self, kind: int) -> Iterator[tuple[str, Any]]:
        """(key, what it says) of every item of a kind; those that came in this transaction last."""
        for key, value in self._items.all(kind):
            if (kind, key) not in self._changed:
                yield key, value
        for (changed_kind, key), item in self._changed.items():
            if changed_kind == kind and item is not None:
                yield key, cbor2.loads(item.body)

    def rows(self) -> Iterator[tuple[int, str, Item]]:
        """(kind, key, item) of every item, as this transaction leaves them."""
        for kind, key, item in self._items.rows():
            if (kind, key) not in self._changed:
                yield kind, key, item
        for (kind, key), changed in self._changed.items():
            if changed is not None:
                yield kind, key, changed

    @property
    def kinds(self) -> set[int]:
        """The kinds that have changed."""
        return {kind for kind, _ in self._changed}

    def put(self, kind: int, key: str, value: Any) -> None:
        """Let an item say `value` from now on."""
        known = self._changed.get((kind, key)) or self._items.item(kind, key)
        number = self._next_number if known is None else known.number
        self._next_number += known is None
        self._changed[kind, key] = Item(number, self._items.version + 1, cbor2.dumps(value))

    def remove(self, kind: int, key: str) -> None:
        """Take an item away."""
        self._changed[kind, key] = None

    def write(self, connection: apsw.Connection) -> None:
        """Write what has changed into both tables."""
        for (kind, key), item in self._changed.items():
            known = self._items.item(kind, key)
            for table in TABLES:
                if item is not None:
                    connection.execute(
                        f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?, ?, ?)", _row(kind, key, item)
                    )
                elif known is not None:
                    connection.execute(f"DELETE FROM {table} WHERE number = ?", (known.number,))

    def apply(self) -> set[int]:
        """The transaction has been committed; returns the kinds that have changed."""
        for (kind, key), item in self._changed.items():
            if item is None:
                self._items.drop(kind, key)
            else:
                self._items.take(kind, key, item)
        self._items.next_number = max(self._items.next_number, self._next_number)
        return self.kinds


def write_all(connection: apsw.Connection, items: Items) -> None:
    """Write every item into both tables, over what is there."""
    for table in TABLES:
        connection.execute(f"DELETE FROM {table}")
        connection.executemany(
            f"INSERT INTO {table} VALUES (?, ?, ?, ?, ?, ?)",
            (_row(kind, key, item) for kind, key, item in items.rows()),
        )


def _row(kind: int, key: str, item: Item) -> tuple[int, int, str, int, bytes, int]:
    checked = item_checksum(item.number, kind, key, item.version, item.body)
    return item.number, kind, key, item.version, item.body, checked
