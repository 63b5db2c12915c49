"""A small dose of `make faults ARGS="journal kill"`, and that its count sees what is lost, doubled or wrong."""

from pathlib import Path

import pytest

from gateway_agent.records import Event, Reading
from hardware.rig.platform_messages import Item, SentAlarm, SentEvent, SentReading, SentRecord
from hardware.rig.platform_store import PlatformStore
from tests.faults._kill_count import Figures, Ledger, count
from tests.faults.journal_kill import PRESENT, Plan, run_plans

TIME_MS = 1_790_000_000_000
GIVEN = {"d0/first": {4: TIME_MS, 8: TIME_MS + 200}, "d0/level": {7: TIME_MS, 2_000_000_011: TIME_MS + 200}}
FIRST = SentReading("d0/first", TIME_MS + 9, 4, 0, "sample", "count")
SECOND = SentReading("d0/first", TIME_MS + 209, 8, 0, "sample", "count")
RAISED = SentAlarm("d0/level", TIME_MS + 209, True, "above", "", 2_000_000_011)


def test_an_agent_that_is_killed_again_and_again_loses_and_doubles_nothing() -> None:
    (outcome,) = run_plans([Plan(PRESENT, kills=3, seed=11)])
    figures = outcome.figures
    print(outcome)
    assert (outcome.tried, outcome.survived, outcome.crashed) == (3, 3, 0), outcome.last_words
    assert (figures.lost, figures.duplicated, figures.wrong) == (0, 0, 0)
    assert figures.accepted > 100
    assert figures.alarms > 0


def counted(folder: Path, *records: tuple[Item, ...], told: int = 2, epoch: int = 5) -> Figures:
    """The count of a journal that held `FIRST`, `SECOND` and `RAISED` in a record each, and of a platform that has
    these records."""
    ledger = Ledger(told=told)
    for sequence, reading in ((1, FIRST), (2, SECOND)):
        content = (Reading(reading.point, reading.time_ms, reading.value, reading.exponent),)
        ledger.noted[5, sequence] = content
    ledger.noted[5, 3] = Event("d0/level", "alarm", "above", RAISED.time_ms, state=True, value=RAISED.number)
    store = PlatformStore(folder / "platform.sqlite")
    sent = [SentRecord(sequence, items) for sequence, items in enumerate(records, 1) if items]
    store.store("gp", epoch, sent, TIME_MS)
    store.close()
    return count(ledger, folder / "platform.sqlite", GIVEN, damages=0, commands_sent=0)


def faults(figures: Figures) -> tuple[int, int, int]:
    """What is counted as lost, duplicated and wrong."""
    return figures.lost, figures.duplicated, figures.wrong


def test_what_arrived_as_it_was_is_no_fault(tmp_path: Path) -> None:
    figures = counted(tmp_path, (FIRST,), (SECOND,), (RAISED,))
    assert figures == Figures(accepted=2, alarms=1)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([(FIRST,), (), (RAISED,)], (1, 0, 0)),
        ([(FIRST,), (SECOND,), ()], (1, 0, 0)),
        ([(FIRST,), (SECOND,), (RAISED,), (SECOND,)], (0, 1, 0)),
        ([(FIRST,), (SECOND,), (RAISED,), (RAISED,)], (0, 1, 1)),
        ([(FIRST,), (FIRST,), (RAISED,)], (1, 1, 1)),
    ],
    ids=["a reading is lost", "an alarm is lost", "a reading comes twice", "an alarm comes twice", "one for another"],
)
def test_each_fault_is_counted(tmp_path: Path, records: list[tuple[Item, ...]], expected: tuple[int, int, int]) -> None:
    assert faults(counted(tmp_path, *records)) == expected


@pytest.mark.parametrize(
    ("strange", "why"),
    [
        (SentReading("d0/first", TIME_MS, 5, 0, "sample", "count"), "a value that was never given"),
        (SentReading("d0/level", TIME_MS + 60_000, 7, 0, "sample", "count"), "a value of another time"),
        (SentEvent("journal", TIME_MS, "records-missing", "", 1), "an agent that misses something"),
        (SentEvent("journal", TIME_MS, "damaged", "", 0), "a repair after a kill alone"),
    ],
)
def test_what_cannot_be_is_wrong(tmp_path: Path, strange: Item, why: str) -> None:
    assert faults(counted(tmp_path, (FIRST,), (SECOND,), (RAISED,), (strange,))) == (0, 0, 1), why


def test_readings_that_were_told_and_never_seen_are_lost(tmp_path: Path) -> None:
    assert faults(counted(tmp_path, (FIRST,), (SECOND,), (RAISED,), told=5)) == (3, 0, 0)


def test_a_record_under_another_epoch_is_not_the_one_that_was_accepted(tmp_path: Path) -> None:
    assert faults(counted(tmp_path, (FIRST,), (SECOND,), (RAISED,), epoch=6)) == (3, 0, 0)
