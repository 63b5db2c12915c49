import sqlite3
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rig.truth import Truth


def test_a_value_holds_from_its_moment_until_the_next() -> None:
    truth = Truth()
    truth.hold("air/pm2_5", 1000, 20, 0)
    truth.hold("air/pm2_5", 3000, 25, 0)
    assert truth.value_at("air/pm2_5", 999) is None
    assert truth.value_at("air/pm2_5", 1000) == 20
    assert truth.value_at("air/pm2_5", 2999) == 20
    assert truth.value_at("air/pm2_5", 3000) == 25
    assert truth.value_at("air/pm10", 3000) is None
    assert truth.values_between("air/pm2_5", 2000, 4000) == [(2000, 3000, 20), (3000, 4000, 25)]
    assert truth.values_between("air/pm2_5", 0, 1000) == []


def test_a_released_point_holds_nothing_until_it_holds_again() -> None:
    truth = Truth()
    truth.hold("gas/co", 0, 1, -1)
    truth.release("gas/co", 100)
    truth.release("gas/co", 150)
    truth.hold("gas/co", 200, 2, -1)
    assert [truth.value_at("gas/co", at) for at in (99, 100, 199, 200)] == [1, None, None, 2]
    assert truth.values_between("gas/co", 0, 300) == [(0, 100, 1), (200, 300, 2)]


def test_time_does_not_go_back_and_an_exponent_does_not_change() -> None:
    truth = Truth()
    truth.hold("a/b", 100, 1, 0)
    with pytest.raises(ValueError, match="lies before"):
        truth.hold("a/b", 99, 2, 0)
    with pytest.raises(ValueError, match="exponent"):
        truth.hold("a/b", 101, 2, -1)


@given(st.lists(st.tuples(st.integers(0, 50), st.none() | st.integers(-3, 3)), max_size=40), st.integers(0, 100))
def test_the_truth_agrees_with_a_plain_list_of_changes(changes: list[tuple[int, int | None]], tail: int) -> None:
    truth = Truth()
    now, held = 0, None
    plain: list[int | None] = []
    for step, value in changes:
        plain.extend([held] * step)
        now += step
        held = value
        if value is None:
            truth.release("a/b", now)
        else:
            truth.hold("a/b", now, value, 0)
    plain.extend([held] * tail)
    truth.close(now + tail)
    assert [truth.value_at("a/b", at) for at in range(now + tail)] == plain
    spans = truth.values_between("a/b", 0, now + tail)
    assert [value for begin, end, value in spans for _ in range(end - begin)] == [
        value for value in plain if value is not None
    ]
    assert all(first[1] <= second[0] for first, second in pairwise(spans))


def test_the_file_tells_the_same_as_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "truth.sqlite"
    truth = Truth(path)
    for step in range(12000):
        truth.hold("air/pm2_5", step * 2000, step % 7, 0)
        truth.hold("air/temperature", step * 2000, step // 100, -1)
    truth.close(24_000_000)
    with sqlite3.connect(path) as file:
        for point, exponent in (("air/pm2_5", 0), ("air/temperature", -1)):
            rows = file.execute(
                "SELECT from_ms, to_ms, value, exponent FROM held WHERE point = ? ORDER BY from_ms", (point,)
            ).fetchall()
            assert rows == [(*span, exponent) for span in truth.values_between(point, 0, 24_000_000)]
            assert rows[-1][1] == 24_000_000
        assert file.execute("SELECT count(*) FROM held WHERE point = 'air/temperature'").fetchone() == (120,)


def test_an_older_truth_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "truth.sqlite"
    Truth(path).close(0)
    with pytest.raises(FileExistsError):
        Truth(path)
