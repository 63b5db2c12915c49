"""What the journal is measured with: a pole of seven devices with six points each, whose values wander."""

from collections.abc import Iterator
from random import Random

from gateway_agent.journal.entries import PollEntry
from gateway_agent.journal.store import Store
from gateway_agent.records import Reading

DEVICES, POINTS_EACH = 7, 6
POINTS = DEVICES * POINTS_EACH


def polls(start_ms: int, every_ms: int, seed: int = 1) -> Iterator[list[Reading]]:
    """Polls of one device after the other, each `every_ms` after the last, without end."""
    random = Random(seed)
    values = {(device, point): random.randrange(100, 5000) for device in range(DEVICES) for point in range(POINTS_EACH)}
    time_ms = start_ms
    while True:
        for device in range(DEVICES):
            poll = []
            for point in range(POINTS_EACH):
                values[device, point] += random.randrange(-9, 10)
                poll.append(Reading(f"device_{device}/quantity_{point}", time_ms, values[device, point], -1))
            yield poll
            time_ms += every_ms


def fill(store: Store, readings: int, start_ms: int, every_ms: int, group: int = 500) -> None:
    """Commit so many readings, `group` polls at a time."""
    source = polls(start_ms, every_ms)
    left = readings // POINTS_EACH
    while left > 0:
        count = min(group, left)
        store.commit([PollEntry((tuple(next(source)),)) for _ in range(count)])
        left -= count
