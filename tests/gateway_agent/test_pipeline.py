"""The pipeline at a step of the clock: what carries the old time goes to the journal as such."""

import asyncio
from collections.abc import Sequence

from gateway_agent.condense import Condenser, ReportRule
from gateway_agent.pipeline import Pipeline
from gateway_agent.records import Event, Reading
from gateway_agent.watch import Watch
from hardware.rig.clock import RigClock, run_virtual

START_MS = 1_781_740_800_000
DAY_MS = 86_400_000


class TakingJournal:
    """Takes what it is given; it stores no event before `is_open` is set."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.events: list[Event] = []
        self.is_open = asyncio.Event()

    def standing_alarms(self) -> list[tuple[str, str]]:
        return []

    def add_readings(self, readings: Sequence[Reading]) -> None:
        self.readings.extend(readings)

    async def add_event(self, event: Event) -> bool:
        await self.is_open.wait()
        self.events.append(event)
        return True


def pipeline_on(journal: TakingJournal, clock: RigClock) -> Pipeline:
    rules = {"air/pm2_5": ReportRule(2_000, window_ms=10_000)}
    return Pipeline(journal, Condenser(rules), Watch([]), clock)  # type: ignore[arg-type]


def sample(time_ms: int) -> Reading:
    return Reading("air/pm2_5", time_ms, 7, 0)


def test_open_windows_are_handed_on_and_none_is_opened_until_the_clock_has_stepped() -> None:
    async def main(clock: RigClock) -> None:
        journal = TakingJournal()
        pipeline = pipeline_on(journal, clock)
        before = [sample(START_MS + at) for at in (0, 2_000)]
        for one in before:
            pipeline.polled("air", [one])
        assert journal.readings == []
        pipeline.flush_windows()
        assert journal.readings == before
        pipeline.polled("air", [sample(START_MS + 4_000)])
        assert journal.readings == [*before, sample(START_MS + 4_000)]
        pipeline.moved(-DAY_MS)
        for at in range(0, 10_000, 2_000):
            pipeline.polled("air", [sample(START_MS - DAY_MS + at)])
        assert [one.kind for one in journal.readings[3:]] == ["mean", "min", "max"]

    run_virtual(main)


def test_an_event_that_waits_for_the_disk_has_the_time_of_the_era_in_which_it_is_stored() -> None:
    async def main(clock: RigClock) -> None:
        journal = TakingJournal()
        pipeline = pipeline_on(journal, clock)
        task = asyncio.create_task(pipeline.run())
        for number in range(3):
            pipeline.noticed(Event("cabinet", "event", f"e{number}", START_MS + number))
        await asyncio.sleep(0.1)
        pipeline.moved(DAY_MS)
        journal.is_open.set()
        await asyncio.sleep(0.1)
        times = [(event.code, event.time_ms - START_MS) for event in journal.events]
        assert times == [("e0", 0), ("e1", DAY_MS + 1), ("e2", DAY_MS + 2)]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(main)
