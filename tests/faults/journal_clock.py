"""A gateway whose clock steps: nothing is lost or doubled, the order stays, and every time is right in the end.

Each story is a whole agent on a small pole in virtual time. Its system's clock begins in 1970, a day or a year off, or
right, and steps from one to the other three times; the platform is away at first, for a while, or there; the kernel
may say at some time that the clock is right, and then it is. In most stories the agent is restarted once in the same
boot. The temperature of the pole counts the seconds, so what arrives at the platform tells when it was measured. The
control believes the system's clock, whatever it says.
"""

import asyncio
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._progress import OnProgress
from tests.gateway_agent.small_pole import SmallPole, with_small_pole
from tests.gateway_agent.stepped_clock import SteppedClock

DAY_MS = 86_400_000
_STORIES = 60
_CONTROL_STORIES = 8
_EARLY_MS, _LATE_MS = 1_000 + 50, 1_000 + 50
"""A stamp may be its slot's, up to a second before the answer, and a value up to a second old when it is read."""
_TEMPERATURE = "cabinet/temperature"


@dataclass(frozen=True)
class Told:
    """What came of a story: temperatures that were accepted, and those among them that arrived and were right."""

    accepted: int = 0
    right: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    out_of_order: int = 0
    untrusted: int = 0
    eras: int = 0
    seeds: tuple[int, ...] = field(default=())


def stepping(on_progress: OnProgress, stories: int = _STORIES) -> Row:
    """The case."""
    return _row("journal/clock", on_all_cores(story, [(seed, "auto") for seed in range(stories)], on_progress))


def believing(on_progress: OnProgress, stories: int = _CONTROL_STORIES) -> Row:
    """The control."""
    jobs = [(seed, "system") for seed in range(stories)]
    return _row("journal/clock-control", on_all_cores(story, jobs, on_progress))


def story(seed: int, trust: str) -> Told:
    """One story, by its seed."""
    random = Random(f"clock/{seed}")
    found: list[Told] = []

    async def body(pole: SmallPole) -> None:
        begun_ms = pole.clock.unix_ms()
        heating = asyncio.create_task(_count_seconds(pole, begun_ms))
        clock = SteppedClock(pole.clock, off_ms=_off(random, begun_ms))
        away_at_first = random.random() < 0.6
        if away_at_first:
            await pole.platform.leave()
        pole.start(clock, trust)
        for number in range(3):
            await asyncio.sleep(random.uniform(15, 50))
            if number == 1 and random.random() < 0.3:
                clock.off_ms, clock.is_trusted = 0, True
            elif not clock.is_trusted:
                clock.off_ms = _off(random, begun_ms)
            if number == 1 and random.random() < 0.7:
                await pole.end()
                pole.start(clock, trust)
        if away_at_first:
            await pole.platform.come_back()
        await asyncio.sleep(70)
        heating.cancel()
        await pole.end()
        found.append(_count(pole, begun_ms, seed))

    with tempfile.TemporaryDirectory() as name:
        with_small_pole(Path(name), body)
    return found[0]


def _off(random: Random, now_ms: int) -> int:
    """By how much the system's clock is off: it shows 1970, yesterday, next year, or the right time."""
    return random.choice((-now_ms, -DAY_MS, 365 * DAY_MS, 0)) + random.choice((0, 0, 321))


async def _count_seconds(pole: SmallPole, begun_ms: int) -> None:
    while True:
        pole.heat((pole.clock.unix_ms() - begun_ms) // 1000)
        await asyncio.sleep(1)


def _count(pole: SmallPole, begun_ms: int, seed: int) -> Told:
    rows = pole.platform_rows(
        f"SELECT value, time_ms, trusted FROM readings WHERE point = '{_TEMPERATURE}' ORDER BY epoch, sequence, rowid"
    )
    readings = pole.platform_rows("SELECT count(*) FROM readings")[0][0]
    journal = pole.agent.journal
    late = [begun_ms + 1000 * value - time_ms for value, time_ms, _ in rows]
    wrong = sum(1 for by_ms in late if not -_EARLY_MS <= by_ms <= _LATE_MS)
    values = [value for value, _, _ in rows]
    times = [time_ms for _, time_ms, _ in rows]
    # Two polls may fall into one second where the slots move with the clock; one poll that came twice has one time.
    doubled = sum(count - 1 for count in Counter((value, time_ms) for value, time_ms, _ in rows).values())
    disorder = sum(1 for before, after in pairwise(values) if after < before)
    disorder += sum(1 for before, after in pairwise(times) if after <= before)
    lost = journal.committed_readings - readings
    return Told(
        accepted=journal.committed_readings,
        right=readings - wrong - doubled - disorder,
        lost=max(0, lost),
        duplicated=doubled + max(0, -lost),
        wrong=wrong,
        out_of_order=disorder,
        untrusted=sum(1 for _, _, trusted in rows if not trusted),
        eras=len(journal.eras()),
        seeds=(seed,) if lost or wrong or doubled or disorder else (),
    )


def _row(case: str, stories: list[Told]) -> Row:
    def total(name: str) -> int:
        return sum(getattr(told, name) for told in stories)

    return {
        "case": case,
        "tried": total("accepted"),
        "survived": total("right"),
        "lost": total("lost"),
        "duplicated": total("duplicated"),
        "wrong": total("wrong") + total("out_of_order"),
        "stories": len(stories),
        "eras": total("eras"),
        "untrusted_at_platform": total("untrusted"),
        "seeds_amiss": " ".join(str(seed) for told in stories for seed in told.seeds),
    }


CASES = {"journal/clock": stepping, "journal/clock-control": believing}
