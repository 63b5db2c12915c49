"""What can be committed: one small class per kind of change, each with the SQL that writes it.

An entry may be written again after a commit that failed, so each either does nothing the second time or comes with a
record, by whose sequence the store notices that the first time succeeded. `result` is set by `write`.
"""

from dataclasses import dataclass, field

from gateway_agent.journal import codec
from gateway_agent.journal.schema import ACKNOWLEDGED, SET_ASIDE, WAITING
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Event, Reading

ORIGINS_KEPT = 4096
"""Numbered events that are remembered per source and epoch; a node's ring is far smaller."""


@dataclass
class PollEntry:
    """The readings of one device poll, in parts that each become one record."""

    parts: tuple[tuple[Reading, ...], ...]

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        return sum(len(part) for part in self.parts)

    def write(self, transaction: Transaction) -> None:
        """Append one record per part."""
        for part in self.parts:
            transaction.append(codec.TELEMETRY, codec.encode_readings(part), len(part))
            for reading in part:
                transaction.count_reading(reading)


@dataclass
class EventEntry:
    """An alarm or an event. `is_new` tells afterwards whether it was stored or was in already."""

    event: Event
    readings = 0
    is_new: bool = field(default=False, init=False)
    body: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        """Encode at once, so that an event that cannot be stored is the caller's error and not the commit's."""
        self.body = codec.encode_event(self.event)

    def write(self, transaction: Transaction) -> None:
        """Append the event unless its origin is known."""
        event = self.event
        self.is_new = event.origin is None or self._note_origin(transaction, event.source, *event.origin)
        if self.is_new:
            record_class = codec.ALARM if event.kind == "alarm" else codec.EVENT
            transaction.append(record_class, self.body)
            if event.kind == "alarm" and event.state is not None:
                transaction.connection.execute(
                    "INSERT INTO alarm VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET stands = excluded.stands",
                    (event.name, event.code, event.state),
                )

    def _note_origin(self, transaction: Transaction, source: str, epoch: int, sequence: int) -> bool:
        execute = transaction.connection.execute
        inserted = execute(
            "INSERT INTO origin VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1", (source, epoch, sequence)
        ).get
        if inserted:
            execute(
                "DELETE FROM origin WHERE source = ? AND epoch = ? AND sequence <= ?",
                (source, epoch, sequence - ORIGINS_KEPT),
            )
        return inserted is not None


@dataclass
class AcknowledgeEntry:
    """The platform has stored these records. `count` tells how many of them were still waiting."""

    sequences: tuple[int, ...]
    readings = 0
    count: int = field(default=0, init=False)

    def write(self, transaction: Transaction) -> None:
        """Delete the records, or mark them where the journal keeps what was acknowledged."""
        self.count = 0
        change = f"UPDATE record SET state = {ACKNOWLEDGED}" if transaction.keep_acknowledged else "DELETE FROM record"
        statement = f"{change} WHERE sequence = ? AND state = {WAITING} RETURNING class, readings"
        for sequence in self.sequences:
            for record_class, readings in transaction.connection.execute(statement, (sequence,)):
                transaction.change.add(record_class, -1, -readings)
                self.count += 1
        transaction.connection.execute(
            "UPDATE mark SET value = max(value, ?) WHERE name = 'acknowledged'", (max(self.sequences, default=0),)
        )


@dataclass
class SetAsideEntry:
    """These records cannot be sent: damaged, or refused by the platform. They stay in the file."""

    sequences: tuple[int, ...]
    readings = 0

    def write(self, transaction: Transaction) -> None:
        """Mark the records."""
        statement = (
            f"UPDATE record SET state = {SET_ASIDE} WHERE sequence = ? AND state = {WAITING} RETURNING class, readings"
        )
        for sequence in self.sequences:
            for record_class, readings in transaction.connection.execute(statement, (sequence,)):
                if record_class in codec.CLASSES:
                    transaction.change.add(record_class, -1, -readings)
