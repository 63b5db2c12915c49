"""Thinning against the readings themselves: whatever is thinned, in any order and at any level, adds up exactly."""

from collections import defaultdict
from collections.abc import Iterable

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.journal import EVENT, TELEMETRY, THINNED, codec
from gateway_agent.journal.contents import begin, load
from gateway_agent.journal.entries import (
    AcknowledgeEntry,
    CorrectionEntry,
    EraEntry,
    EventEntry,
    PollEntry,
    SendingEntry,
)
from gateway_agent.journal.schema import make_tables
from gateway_agent.journal.store import Store
from gateway_agent.journal.thinner import Budget, ThinEntry, next_step, old_steps
from gateway_agent.records import Event, Reading, Thinned, Window

Figures = tuple[int, int, int, int]
HOUR_MS = 3_600_000

points = st.sampled_from(("air/pm2_5", "air/temperature", "mains/energy"))
values = st.integers(-5, 5) | st.integers(-codec.LARGEST, codec.LARGEST)
times = st.integers(0, 3 * HOUR_MS) | st.integers(-HOUR_MS, 400 * HOUR_MS)
readings = st.builds(Reading, points, times, values, st.sampled_from((0, -1)), st.sampled_from(("sample", "mean")))
polls = st.lists(readings, min_size=1, max_size=8)


def new_store() -> Store:
    connection = apsw.Connection(":memory:")
    make_tables(connection)
    begin(connection)
    return Store(connection, load(connection), keep_acknowledged=False)


def poll_entry(poll: Iterable[Reading], era: int = 0) -> PollEntry:
    return PollEntry(tuple(codec.split_poll(list(poll))), era)


def fresh(store: Store) -> list[Reading]:
    records, damaged = store.read(TELEMETRY, 100_000)
    assert damaged == []
    return [each for record in records if isinstance(record.content, tuple) for each in record.content]


def thinned(store: Store) -> list[tuple[Window, tuple[tuple[int, int], ...]]]:
    found = []
    for record_class in THINNED:
        records, damaged = store.read(record_class, 100_000)
        assert damaged == []
        for record in records:
            assert isinstance(record.content, Thinned)
            found += [(window, record.content.replaces) for window in record.content.windows]
    return found


def by_hour(items: Iterable[Reading | Window]) -> dict[tuple[str, int, str, int], Figures]:
    """(count, least, greatest, sum) of each point, exponent and kind in each hour."""
    found: dict[tuple[str, int, str, int], Figures] = {}
    for item in items:
        figures = (
            (item.count, item.least, item.greatest, item.total)
            if isinstance(item, Window)
            else (1, item.value, item.value, item.value)
        )
        key = (item.point, item.exponent, item.kind, item.time_ms // HOUR_MS)
        count, least, greatest, total = found.get(key, (0, figures[1], figures[2], 0))
        found[key] = count + figures[0], min(least, figures[1]), max(greatest, figures[2]), total + figures[3]
    return found


def everything(store: Store) -> list[Reading | Window]:
    return [*fresh(store), *(window for window, _ in thinned(store))]


@settings(max_examples=60, deadline=None)
@given(st.lists(polls | st.integers(TELEMETRY, THINNED[-2]), min_size=1, max_size=25))
def test_what_is_thinned_adds_up_hour_by_hour(steps: list[list[Reading] | int]) -> None:
    store, taken = new_store(), []
    for step in steps:
        if isinstance(step, int):
            store.commit([ThinEntry(step, None, 0)])
        else:
            store.commit([poll_entry(step)])
            taken += step
        assert by_hour(everything(store)) == by_hour(taken)
    for record_class in range(TELEMETRY, THINNED[-1]):
        entry = ThinEntry(record_class, None, 0)
        store.commit([entry])
        while entry.step is not None:
            store.commit([entry])
    assert fresh(store) == []
    last = [window for window, _ in thinned(store)]
    assert {window.span_s for window in last} <= {3600}
    assert all(window.time_ms % HOUR_MS == 0 for window in last)
    assert all(abs(window.total) <= codec.LARGEST for window in last)
    assert by_hour(last) == by_hour(taken)
    assert load(store.connection).committed_readings == len(taken)


def test_a_level_whose_windows_would_save_nothing_is_left_out() -> None:
    store = new_store()
    taken = [Reading("air/pm2_5", 600_000 * number, number, 0) for number in range(2400)]
    for first in range(0, len(taken), 200):
        store.commit([poll_entry([reading]) for reading in taken[first : first + 200]])
    before = sum(store.contents.waiting.bytes)
    entry = ThinEntry(TELEMETRY, None, 0)
    store.commit([entry])
    assert entry.step is not None
    # Ten minutes from one reading to the next: windows of one minute would be longer than the readings.
    assert entry.step.span_s > 60
    assert sum(store.contents.waiting.bytes) < before
    assert by_hour(everything(store)) == by_hour(taken)


def test_sums_beyond_63_bits_stand_in_windows_beside_each_other() -> None:
    store = new_store()
    taken = [Reading("mains/energy", 1000 * second, codec.LARGEST, 0) for second in range(5)]
    store.commit([poll_entry(taken), ThinEntry(TELEMETRY, None, 0), ThinEntry(TELEMETRY + 1, None, 0)])
    windows = [window for window, _ in thinned(store)]
    assert [(window.time_ms, window.count, window.total) for window in windows] == [(0, 1, codec.LARGEST)] * 5


def test_a_window_names_only_what_was_sent_and_not_acknowledged() -> None:
    store = new_store()
    for value in range(6):
        store.commit([poll_entry([Reading("air/pm2_5", 1000 * value, value, 0)])])
    store.commit([SendingEntry((1, 2, 4))])
    store.commit([AcknowledgeEntry((2,))])
    for record_class in range(TELEMETRY, THINNED[-1]):
        store.commit([ThinEntry(record_class, None, 0)])
    ((window, replaces),) = thinned(store)
    assert (window.count, window.total) == (5, 14)
    named = {number for first, last in replaces for number in range(first, last + 1)}
    assert {1, 4} <= named
    assert not named & {2, 3, 5, 6}


def test_windows_of_an_era_that_is_corrected_later_are_told_at_the_right_time() -> None:
    store = new_store()
    begun = EraEntry("boot", 0, trusted=False)
    store.commit([begun])
    number = begun.era.number
    store.commit(
        [poll_entry([Reading("air/pm2_5", 1000, 4, 0)], number), poll_entry([Reading("air/pm2_5", 2000, 6, 0)])]
    )
    store.commit([ThinEntry(TELEMETRY, None, 0)])
    assert sorted((window.time_ms, window.total) for window, _ in thinned(store)) == [(0, 4), (0, 6)]
    records, _ = store.read(TELEMETRY + 1, 10)
    assert sorted(record.trusted for record in records) == [False, True]
    store.commit([CorrectionEntry({number: 7 * HOUR_MS + 30_000})])
    assert sorted((window.time_ms, window.total) for window, _ in thinned(store)) == [(0, 6), (7 * HOUR_MS + 30_000, 4)]
    store.commit([ThinEntry(TELEMETRY + 1, None, 0)])
    assert sorted((window.time_ms, window.total) for window, _ in thinned(store)) == [(0, 6), (7 * HOUR_MS, 4)]


def test_a_clock_that_goes_back_does_not_make_a_step_of_everything() -> None:
    store = new_store()
    store.commit([poll_entry([Reading("air/pm2_5", 9_000 * HOUR_MS, 0, 0)])])
    store.commit([poll_entry([Reading("air/pm2_5", 60_000 * minute, 1, 0)]) for minute in range(30_000)])
    entry = ThinEntry(TELEMETRY, None, 0)
    store.commit([entry])
    assert entry.step is not None
    assert entry.step.records_before < 2100


def test_a_clock_that_stands_still_makes_bounded_steps_that_add_up() -> None:
    store = new_store()
    taken = [Reading("air/pm2_5", 5, value, 0) for value in range(21_000)]
    store.commit([poll_entry([each]) for each in taken])
    entry = ThinEntry(TELEMETRY, None, 0)
    store.commit([entry])
    assert entry.step is not None
    assert entry.step.records_before == 20_000
    store.commit([entry])
    assert [window.count for window, _ in thinned(store)] == [20_000, 1000]
    assert by_hour(everything(store)) == by_hour(taken)


def test_what_was_damaged_meanwhile_is_left_out_and_told() -> None:
    store = new_store()
    store.commit([poll_entry([Reading("air/pm2_5", 1000 * value, value, 0)]) for value in range(5)])
    store.connection.execute("UPDATE record SET time_ms = time_ms + 1 WHERE sequence = 4")
    store.commit([ThinEntry(TELEMETRY, None, 77)])
    assert [(window.count, window.total) for window, _ in thinned(store)] == [(4, 7)]
    events, _ = store.read(EVENT, 10)
    assert [(each.content.code, each.content.value) for each in events if isinstance(each.content, Event)] == [
        ("record-damaged", 4),
        ("thinned", 5 - 1),
    ]
    assert fresh(store) == []


def test_only_telemetry_is_thinned_and_each_level_is_told_once_a_day() -> None:
    store, hours, told = new_store(), range(60), defaultdict(list)
    budget = Budget(1)
    for hour in hours:
        now_ms = hour * HOUR_MS
        alarm = Event("manhole/cover", "alarm", "opened", now_ms, True)
        store.commit([EventEntry(alarm), poll_entry([Reading("air/pm2_5", now_ms, hour, 0)])])
        step = next_step(store.contents, store.used_bytes, budget, now_ms)
        while step is not None:
            store.commit([step])
            step = next_step(store.contents, store.used_bytes, budget, now_ms)
    alarms, _ = store.read(codec.ALARM, 1000)
    assert [record.content.time_ms for record in alarms if isinstance(record.content, Event)] == [
        hour * HOUR_MS for hour in hours
    ]
    events, _ = store.read(EVENT, 1000)
    for record in events:
        assert isinstance(record.content, Event)
        assert record.content.code == "thinned"
        told[record.content.detail.rpartition(" at ")[2]].append(record.content)
    assert set(told) == {"1 min", "5 min", "15 min", "60 min"}
    for reports in told.values():
        # The first one, and after each full day what was thinned in it: hours 0, 24 and 48.
        assert [report.time_ms // HOUR_MS for report in reports] == [0, 24, 48]
        assert [report.value for report in reports] == [1, 24, 24]


def test_telemetry_that_is_older_than_the_budget_keeps_it_fine_goes_to_hours() -> None:
    store = new_store()
    taken = [Reading("air/pm2_5", 60_000 * minute, minute, 0) for minute in range(48 * 60)]
    store.commit([poll_entry([each]) for each in taken])
    for entry in old_steps(Budget(1 << 30, fine_ms=24 * HOUR_MS), 48 * HOUR_MS):
        store.commit([entry])
        while entry.step is not None:
            store.commit([entry])
    kept = fresh(store)
    assert all(each.time_ms >= 24 * HOUR_MS for each in kept)
    assert len(kept) == 24 * 60
    assert by_hour(everything(store)) == by_hour(taken)
