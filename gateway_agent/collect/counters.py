"""What a bus has done so far: plain counts, only ever rising, read by the status and by tests."""

from dataclasses import dataclass, fields


@dataclass(slots=True)
class LineCounters:
    """Counts of one bus since the start. `busy_s` is how long bytes were on the line, as heard here, in seconds."""

    requests: int = 0
    answers: int = 0
    silent: int = 0
    damaged: int = 0
    strangers: int = 0
    late: int = 0
    refused: int = 0
    doubled: int = 0
    unquiet: int = 0
    noise_bytes: int = 0
    probes: int = 0
    bytes_sent: int = 0
    bytes_heard: int = 0
    opened: int = 0
    busy_s: float = 0.0

    def as_dict(self) -> dict[str, int | float]:
        """All counts by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
