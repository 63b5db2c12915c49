"""Runs of a pole that is broken on the way, and what they come to as a row of a fault case."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from gateway_agent.journal import Journal
from hardware.rig.clock import RigClock
from hardware.rig.relay import RadioFaults
from tests.bench._wire_pole import START_MS, synthetic_day
from tests.faults._cases import Row
from tests.faults._inline import run_inline
from tests.faults._journal_hour import quiet
from tests.faults._uplink_breaks import Break, Storm
from tests.faults._uplink_world import UplinkWorld, Verdict

SEED = 101
"""Of the pole: not a day that figures are quoted of."""
SETTINGS: dict[str, Any] = {"batch_s": 120.0, "link": {"ack_timeout_s": 2.0}, "retry_longest_s": 20.0}
"""A batch each two minutes, so that an hour has many steps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one run. `breaks`, `steps` and `commits` are how many there were; `is_drained`: all was sent."""

    verdict: Verdict
    is_drained: bool
    breaks: int
    steps: int
    commits: int
    forgotten: int
    air_bytes: int

    @property
    def is_clean(self) -> bool:
        """Whether everything came to the platform as it was."""
        return self.is_drained and self.verdict.is_clean


def run_broken(
    broken: Break | Storm | None,
    minutes: int,
    settings: dict[str, Any] | None = None,
    faults: RadioFaults | None = None,
    seed: int = 1,
) -> Outcome:
    """So many minutes of a pole that is broken as said, or not at all, until everything is sent."""
    random.seed(seed)  # aiocoap's own, which spreads its repetitions
    workload = synthetic_day(SEED)
    polls = [poll for poll in workload.polls if poll.time_ms < START_MS + minutes * 60_000]

    async def main(clock: RigClock) -> Outcome:
        link = faults or RadioFaults(delay_s=0.1)
        with tempfile.TemporaryDirectory(dir=_fast_folder()) as name:
            async with UplinkWorld(Path(name), clock, workload, settings or SETTINGS, link, seed) as world:
                breaking = broken.begin(world) if broken is not None else None
                await world.feed(polls)
                count = 0 if breaking is None else await breaking.end()
                is_drained = await world.drained()
                verdict, truth = world.judge(), world.truth
                forgotten = len(truth.forgotten) + len(truth.forgotten_alarms)
                return Outcome(
                    verdict,
                    is_drained,
                    count,
                    world.relay.steps,
                    world.commits,
                    forgotten,
                    world.air_bytes,
                )

    with quiet():
        return run_inline(main, start_unix_ms=START_MS)


def row_of(case: str, outcomes: Sequence[Outcome]) -> Row:
    """One row: `tried` runs with breaks, those `survived` without harm, and readings and alarms that came to harm."""
    tried = [outcome for outcome in outcomes if outcome.breaks]
    return {
        "case": case,
        "tried": len(tried),
        "survived": sum(outcome.is_clean for outcome in tried),
        "lost": sum(outcome.verdict.lost for outcome in tried),
        "duplicated": sum(outcome.verdict.duplicated for outcome in tried),
        "wrong": sum(outcome.verdict.wrong for outcome in tried),
        "breaks": sum(outcome.breaks for outcome in tried),
        "readings": sum(outcome.verdict.sent for outcome in tried),
        "forgotten_by_platform": sum(outcome.forgotten for outcome in tried),
        "not_drained": sum(not outcome.is_drained for outcome in tried),
        "on_air_bytes": sum(outcome.air_bytes for outcome in tried),
    }


@contextmanager
def letting_go_at_once() -> Iterator[None]:
    """A journal that takes "about to be sent" for "acknowledged"."""
    note = Journal.note_sending

    async def note_and_let_go(journal: Journal, sequences: list[int]) -> object:
        here = await note(journal, sequences)
        await journal.acknowledge(here)
        return here

    with patch.object(Journal, "note_sending", note_and_let_go):
        yield


def _fast_folder() -> Path | None:
    """What is killed here is a process, not the power: its files need no disk."""
    fast = Path("/dev/shm")
    return fast if fast.is_dir() else None
