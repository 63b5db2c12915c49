"""What tests ask of a journal: which readings it holds, fresh or thinned, and which events."""

from collections.abc import Sequence
from pathlib import Path

from gateway_agent.journal import EVENT, TELEMETRY, THINNED, Budget, Journal, Record
from gateway_agent.journal.journal import BUDGET
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Event, Reading, Thinned, Window
from hardware.rig.clock import RigClock
from tests.gateway_agent.journal.failing_disk import FailingDisk


def failing_journal(path: Path, clock: RigClock, disk: FailingDisk, budget: Budget = BUDGET) -> Journal:
    """A journal on a disk that fails when told to; it commits after a second or eight readings."""
    return Journal(Writer(path, vfs=disk.vfs_name, now_ms=clock.unix_ms), clock, 1.0, 8, budget)


def reading(clock: RigClock, value: int, point: str = "air/pm2_5") -> list[Reading]:
    """A poll of one reading."""
    return [Reading(point, clock.unix_ms(), value, 0)]


async def records(journal: Journal, *classes: int) -> list[Record]:
    """All waiting records of some classes."""
    return [record for each in classes for record in await journal.read(each, 1_000_000)]


async def fresh(journal: Journal) -> list[Reading]:
    """Every reading that waits as it was taken, in the journal's order."""
    telemetry = await records(journal, TELEMETRY)
    return [each for record in telemetry if isinstance(record.content, tuple) for each in record.content]


async def windows(journal: Journal) -> list[Window]:
    """Every window that waits."""
    thinned = await records(journal, *THINNED)
    return [each for record in thinned if isinstance(record.content, Thinned) for each in record.content.windows]


async def values(journal: Journal) -> list[int]:
    """The values of `fresh`."""
    return [each.value for each in await fresh(journal)]


async def count_and_sum(journal: Journal) -> tuple[int, int]:
    """How many readings the journal holds, fresh or thinned, and the sum of their values."""
    singles, thinned = await values(journal), await windows(journal)
    return len(singles) + sum(each.count for each in thinned), sum(singles) + sum(each.total for each in thinned)


async def codes(journal: Journal) -> Sequence[str]:
    """The codes of the events that wait, in their order."""
    return [record.content.code for record in await records(journal, EVENT) if isinstance(record.content, Event)]
