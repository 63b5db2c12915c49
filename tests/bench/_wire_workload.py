"""What the wire benchmark sends: the polls of a pole, each with its time, and what is known of each point.

Three sources: the synthetic day of a pole (`_wire_pole.py`), files (`_wire_files.py`), and the recorded year (there).
"""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway_agent.records import Reading

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class PointInfo:
    """Of a point: its SenML unit (empty for none), its values' power of ten, how often it is read, and the number of
    the poll that it is read with."""

    unit: str
    exponent: int
    period_ms: int
    group: int


@dataclass(frozen=True, slots=True)
class Poll:
    """What one device gave at one time (unix milliseconds); never empty. A point that gave nothing is left out."""

    time_ms: int
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Workload:
    """What is to be sent. `polls` ascend in time, from `start_ms` on; `points` are as in a poll."""

    name: str
    start_ms: int
    points: Mapping[str, PointInfo]
    polls: Sequence[Poll]

    @property
    def readings(self) -> int:
        """How many readings there are."""
        return sum(len(poll.readings) for poll in self.polls)

    @property
    def end_ms(self) -> int:
        """The time of the last poll."""
        return self.polls[-1].time_ms

    def first(self, span_ms: int) -> "Workload":
        """What is of the first `span_ms`."""
        polls = [poll for poll in self.polls if poll.time_ms < self.start_ms + span_ms]
        return Workload(self.name, self.start_ms, self.points, polls)

    def batches(self, interval_ms: int) -> list[list[Poll]]:
        """The polls cut by the clock into spans of `interval_ms` from `start_ms` on; empty spans are left out."""
        spans: dict[int, list[Poll]] = {}
        for poll in self.polls:
            spans.setdefault((poll.time_ms - self.start_ms) // interval_ms, []).append(poll)
        return list(spans.values())


def digest(workload: Workload) -> str:
    """SHA-256 of times (whole seconds), devices (four bytes) and values, so that two programs can be compared."""
    found = hashlib.sha256()
    for poll in workload.polls:
        device = poll.readings[0].point.partition("/")[0]
        found.update(struct.pack("<q4s", poll.time_ms // 1000, device.encode()))
        found.update(struct.pack(f"<{len(poll.readings)}q", *(reading.value for reading in poll.readings)))
    return found.hexdigest()
