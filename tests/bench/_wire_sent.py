"""What a run of the wire benchmark came to, how what has arrived is compared, and where files lie meanwhile."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from gateway_agent.records import Reading
from tests.bench._wire_workload import Workload

GATEWAY = "gp-bench-1"


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run came to. `measured` readings were there to be sent; `delivered` have arrived as they were measured,
    `wrong` ones otherwise or twice.

    `on_air_bytes` are of all datagrams but those of setting up, which are `setup_bytes`.
    """

    measured: int
    delivered: int
    wrong: int
    payload_bytes: int
    on_air_bytes: int
    setup_bytes: int
    batches: int
    confirmed: int


def compare(workload: Workload, arrived: Iterable[Reading]) -> tuple[int, int]:
    """(readings that have arrived as they were measured, those that have otherwise, or twice)."""
    measured = Counter(reading for poll in workload.polls for reading in poll.readings)
    found = Counter(arrived)
    return (found & measured).total(), (found - measured).total()


def fast_folder() -> Path | None:
    """A folder in memory, where there is one."""
    fast = Path("/dev/shm")
    return fast if fast.is_dir() else None
