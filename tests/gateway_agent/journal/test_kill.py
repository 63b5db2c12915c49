"""SIGKILL at random instants: what was told to be committed is there, once and in order. A small dose.

A killed process proves nothing about a power cut (the kernel keeps the pages); that is for the fault rig.
"""

import subprocess
import sys
from pathlib import Path
from random import Random

from gateway_agent.journal import EVENT, TELEMETRY, Journal
from gateway_agent.records import Event
from hardware.rig.clock import RigClock, run_virtual

CHILD = Path(__file__).with_name("writing_child.py")
KILLS = 8


def run_and_kill(path: Path, first_event: int, random: Random) -> tuple[int, int]:
    """Let a child write, kill it after a random number of its reports, return its last (readings, event)."""
    with subprocess.Popen([sys.executable, CHILD, path, str(first_event)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        lines = [child.stdout.readline() for _ in range(random.randrange(1, 60))]
        for _ in range(random.randrange(200_000)):
            pass
        child.kill()
        # Reports that were on their way when it died count as well; the last line may be cut.
        lines += child.stdout.readlines()
    told = [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
    return told[-1][0], told[-1][1]


def harvest(path: Path, before: int) -> tuple[list[int], list[int], list[int]]:
    """(values of readings, sequences of events, sequences of all records) that wait; then all is acknowledged."""

    async def main(clock: RigClock) -> tuple[list[int], list[int], list[int]]:
        journal = Journal.open(path, clock)
        telemetry = await journal.read(TELEMETRY, 1_000_000)
        events = [record.content for record in await journal.read(EVENT, 1_000_000)]
        values = [each.value for record in telemetry if isinstance(record.content, tuple) for each in record.content]
        assert journal.committed_readings == before + len(values)
        assert journal.damaged_records == 0
        sequences = sorted(record.sequence for record in telemetry + await journal.read(EVENT, 1_000_000))
        await journal.acknowledge(sequences)
        await journal.close()
        numbers = [event.origin[1] for event in events if isinstance(event, Event) and event.origin is not None]
        return values, numbers, sequences

    return run_virtual(main)


def test_what_was_committed_survives_kills_once_and_in_order(tmp_path: Path) -> None:
    path, random = tmp_path / "journal.sqlite", Random(7)
    values: list[int] = []
    events: list[int] = []
    sequences: list[int] = []
    told_event = lost = 0
    for _ in range(KILLS):
        told_readings, told_event = run_and_kill(path, told_event + 1, random)
        for all_found, found in zip((values, events, sequences), harvest(path, len(values)), strict=True):
            all_found += found
        lost += max(0, told_readings - len(values)) + len(set(range(1, told_event + 1)) - set(events))
    duplicated = len(values) - len(set(values)) + len(events) - len(set(events))
    print(f"kills {KILLS}, accepted {len(values) + len(events)}, lost {lost}, duplicated {duplicated}")
    assert len(events) > 2 * KILLS
    assert (lost, duplicated) == (0, 0)
    assert values == list(range(len(values)))
    assert sequences == list(range(1, len(sequences) + 1))
