"""A whole agent while its system's clock steps: nothing is lost, the order stays, and corrected times are right."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_agent.records import Reading
from hardware.rig.clock import RigClock
from tests.gateway_agent.kept_eras import KeptEras
from tests.gateway_agent.small_pole import SmallPole, with_small_pole

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
SLOT_MS = 2_000
ON_TIME_MS = 1_000
ANSWER_MS = 50
DRAIN_MS = 5_000
"""So long an agent that ends waits for a platform that is away."""
TEMPERATURE = "cabinet/temperature"


class SteppedClock:
    """The rig's clock, off by `off_ms`; `is_trusted` is what the kernel says of it."""

    def __init__(self, clock: RigClock, off_ms: int = 0, is_trusted: bool = False) -> None:
        self.off_ms = off_ms
        self.is_trusted = is_trusted
        self._clock = clock

    def unix_ms(self) -> int:
        return self._clock.unix_ms() + self.off_ms

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()

    def boot_id(self) -> str:
        return "one boot"


@dataclass(frozen=True)
class Kept:
    """A reading as the journal took it: in which era, and when that really was."""

    era: int
    reading: Reading
    at_ms: int


class Story:
    """A small pole with a stepping clock; `kept` is what the journal took. The cabinet's temperature counts seconds."""

    def __init__(self, pole: SmallPole) -> None:
        self.pole = pole
        self.clock = SteppedClock(pole.clock)
        self.eras = KeptEras()
        self.kept: list[Kept] = []
        self.begun_ms = pole.clock.unix_ms()
        self.counting = asyncio.get_running_loop().create_task(self._count())

    def start(self, trust: str, commit_s: float = 0.0) -> None:
        """Start the agent; its eras are kept in memory, and each change of them takes `commit_s`."""
        agent = self.pole.start(self.clock, trust)
        self.eras.commit_s = commit_s
        agent.clock.keep_eras(self.eras)
        add_readings = agent.journal.add_readings

        def take(readings: Sequence[Reading]) -> None:
            assert agent.clock.era is not None
            now_ms = self.pole.clock.unix_ms()
            self.kept += [Kept(agent.clock.era.number, reading, now_ms) for reading in readings]
            add_readings(readings)

        agent.journal.add_readings = take  # type: ignore[method-assign]

    def corrected_ms(self, kept: Kept) -> int:
        shift_ms = self.eras.known[kept.era].shift_ms
        assert shift_ms is not None, "an era that nobody corrected"
        return kept.reading.time_ms + shift_ms

    def temperatures(self) -> list[Kept]:
        return [kept for kept in self.kept if kept.reading.point == TEMPERATURE]

    async def _count(self) -> None:
        while True:
            self.pole.heat((self.pole.clock.unix_ms() - self.begun_ms) // 1000)
            await asyncio.sleep(1)


def run(folder: Path, body: Callable[[Story], Awaitable[None]]) -> Story:
    """Run a story, and see that all that was measured is at the platform."""
    stories = []

    async def main(pole: SmallPole) -> None:
        story = Story(pole)
        stories.append(story)
        try:
            await body(story)
            await pole.end()
        finally:
            story.counting.cancel()
        assert len(story.kept) == pole.platform.count("readings") > 300

    with_small_pole(folder, main)
    return stories[0]


def see_that_times_are_right(
    story: Story, off_ms: Callable[[Kept], int] = lambda kept: 0, longest_pause_ms: int = 2 * SLOT_MS
) -> None:
    """Each corrected time is that of the slot or of the answer, by a clock that was off by `off_ms(kept)`."""
    gone = {kept.reading.value: kept for kept in story.temperatures()}
    assert len(gone) == len(story.temperatures()), "a poll was made twice"
    for second, kept in gone.items():
        late_ms = story.begun_ms + second * 1000 + off_ms(kept) - story.corrected_ms(kept)
        assert -1_000 - ANSWER_MS <= late_ms <= ON_TIME_MS
        if not story.eras.known[kept.era].trusted:
            assert 0 <= kept.at_ms - story.corrected_ms(kept) <= ANSWER_MS
    for earlier, later in itertools.pairwise(story.temperatures()):
        assert later.era >= earlier.era
        assert (later.era, later.reading.time_ms) > (earlier.era, earlier.reading.time_ms)
        assert later.at_ms - earlier.at_ms <= longest_pause_ms
    windows = [kept for kept in story.kept if kept.reading.kind == "mean"]
    assert len(windows) > 5
    assert {kept.reading.time_ms % 10_000 for kept in windows} == {0}
    assert all(8_000 <= kept.at_ms + off_ms(kept) - story.corrected_ms(kept) <= 14_000 for kept in windows)


def test_from_1970_to_the_platforms_time_in_the_middle_of_the_run(tmp_path: Path) -> None:
    async def body(story: Story) -> None:
        story.clock.off_ms = -story.begun_ms
        await story.pole.platform.leave()
        story.start("auto")
        await asyncio.sleep(61)
        assert not story.pole.agent.clock.is_trusted
        story.clock.off_ms = -DAY_MS
        await asyncio.sleep(60)
        await story.pole.platform.come_back()
        await asyncio.sleep(120)
        story.clock.off_ms = YEAR_MS
        await asyncio.sleep(60)
        assert (story.pole.agent.clock.is_trusted, story.pole.agent.clock.source) == (True, "platform")

    story = run(tmp_path, body)
    assert [era.trusted for era in story.eras.eras()] == [False, True]
    assert {kept.era for kept in story.kept} == {1, 2}
    see_that_times_are_right(story)


@pytest.mark.parametrize("commit_s", [0.0, 7.3])
def test_from_1970_to_the_time_that_the_kernel_trusts(tmp_path: Path, commit_s: float) -> None:
    async def body(story: Story) -> None:
        story.clock.off_ms = -story.begun_ms
        await story.pole.platform.leave()
        story.start("auto", commit_s)
        await asyncio.sleep(90.7)
        story.clock.off_ms, story.clock.is_trusted = 0, True
        await asyncio.sleep(60)
        await story.pole.platform.come_back()
        await asyncio.sleep(120)

    story = run(tmp_path, body)
    assert [era.trusted for era in story.eras.eras()] == [False, True]
    see_that_times_are_right(story)


@pytest.mark.parametrize("off_ms", [-DAY_MS, YEAR_MS, -DAY_MS + 777, YEAR_MS + 1_234])
def test_a_step_of_a_clock_that_is_trusted_as_it_is_loses_nothing_and_stops_nothing(
    tmp_path: Path, off_ms: int
) -> None:
    async def body(story: Story) -> None:
        story.start("system")
        await asyncio.sleep(63.3)
        story.clock.off_ms = off_ms
        await asyncio.sleep(120)

    story = run(tmp_path, body)
    assert [era.trusted for era in story.eras.eras()] == [True, True]
    see_that_times_are_right(story, lambda kept: off_ms if kept.era == 2 else 0)


def test_a_second_agent_of_the_same_boot_goes_on_with_the_guess_of_the_first(tmp_path: Path) -> None:
    async def body(story: Story) -> None:
        story.clock.off_ms = -story.begun_ms
        await story.pole.platform.leave()
        story.start("auto")
        await asyncio.sleep(30)
        first = story.pole.agent
        await story.pole.end()
        story.clock.off_ms = -DAY_MS
        story.start("auto")
        assert abs(story.pole.agent.clock.unix_ms() - first.clock.unix_ms()) <= 1
        await story.pole.platform.come_back()
        await asyncio.sleep(150)
        assert [(era.number, era.trusted) for era in story.eras.eras()] == [(1, False), (2, False), (3, True)]
        assert len({era.shift_ms for era in story.eras.eras() if not era.trusted}) == 1

    see_that_times_are_right(run(tmp_path, body), longest_pause_ms=2 * SLOT_MS + DRAIN_MS)
