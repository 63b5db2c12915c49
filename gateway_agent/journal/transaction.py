"""One transaction of the journal, while it is being written: appends records and adds up what it changes.

The sums become the journal's counters only when the commit has succeeded, so a failed one leaves nothing behind.
"""

from dataclasses import dataclass, field

import apsw

from gateway_agent.journal.codec import CLASSES, checksum
from gateway_agent.records import Reading


@dataclass
class Waiting:
    """Records and readings that the platform has not acknowledged, per class (codec.CLASSES)."""

    records: list[int] = field(default_factory=lambda: [0] * len(CLASSES))
    readings: int = 0

    @property
    def depth(self) -> int:
        """Records of all classes."""
        return sum(self.records)

    def add(self, record_class: int, records: int, readings: int) -> None:
        """Count `records` of one class with `readings` in them; negative numbers take away."""
        self.records[record_class] += records
        self.readings += readings


class Transaction:
    """What the entries of one commit write through. `next_sequence` is what the next record gets."""

    def __init__(self, connection: apsw.Connection, next_sequence: int, keep_acknowledged: bool) -> None:
        self.connection = connection
        self.next_sequence = next_sequence
        self.keep_acknowledged = keep_acknowledged
        self.change = Waiting()
        self.committed_readings = 0
        self.last_sample_ms: dict[str, int] = {}
        self._points: dict[tuple[str, str], tuple[int, int]] = {}

    def append(self, record_class: int, body: bytes, readings: int = 0) -> int:
        """Insert a record and return its sequence."""
        sequence = self.next_sequence
        self.connection.execute(
            "INSERT INTO record (sequence, class, readings, crc32, body) VALUES (?, ?, ?, ?, ?)",
            (sequence, record_class, readings, checksum(sequence, record_class, body), body),
        )
        self.next_sequence += 1
        self.change.add(record_class, 1, readings)
        return sequence

    def count_reading(self, reading: Reading) -> None:
        """Count a reading for its point; `finish` writes the counts."""
        key = (reading.point, reading.kind)
        count, last_ms = self._points.get(key, (0, 0))
        self._points[key] = (count + 1, max(last_ms, reading.time_ms))

    def finish(self) -> None:
        """Write what was counted, one row per point."""
        rows = [(name, kind, count, last_ms) for (name, kind), (count, last_ms) in sorted(self._points.items())]
        self.connection.executemany(
            "INSERT INTO point VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "committed = committed + excluded.committed, last_ms = max(last_ms, excluded.last_ms)",
            rows,
        )
        self.committed_readings = sum(count for _, _, count, _ in rows)
        self.last_sample_ms = {name: last_ms for name, kind, _, last_ms in rows if kind == "sample"}
