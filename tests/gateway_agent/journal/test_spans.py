"""Ranges against a plain set of numbers."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.journal.spans import Spans, ranges_of

edges = st.tuples(st.integers(0, 40), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
changes = st.lists(st.tuples(st.booleans(), edges), max_size=25)


def made_of(steps: list[tuple[bool, tuple[int, int]]]) -> tuple[Spans, set[int]]:
    spans, numbers = Spans(), set[int]()
    for is_added, (first, last) in steps:
        if is_added:
            spans.add(first, last)
            numbers |= set(range(first, last + 1))
        else:
            spans.remove(first, last)
            numbers -= set(range(first, last + 1))
    return spans, numbers


@given(changes)
def test_they_are_the_numbers_that_were_added_and_not_removed(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    spans, numbers = made_of(steps)
    assert {number for number in range(-1, 60) if number in spans} == numbers
    assert spans.total == len(numbers)
    ranges = list(spans)
    assert len(ranges) == len(spans)
    assert all(first <= last for first, last in ranges)
    assert all(before[1] + 1 < after[0] for before, after in pairwise(ranges))
    assert ranges == list(ranges_of(numbers)) == list(Spans(reversed(ranges))) == list(spans.copy())


@given(changes, edges)
def test_gaps_and_touching_are_of_the_numbers_asked_for(
    steps: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]
) -> None:
    spans, numbers = made_of(steps)
    within = set(range(asked[0], asked[1] + 1))
    gaps = list(spans.gaps(*asked))
    assert {number for first, last in gaps for number in range(first, last + 1)} == within - numbers
    assert all(before[1] + 1 < after[0] for before, after in pairwise(gaps))
    assert spans.touches(*asked) == bool(within & numbers)
    assert list(spans.gaps(5, 4)) == []
    assert not spans.touches(5, 4)


@given(changes)
def test_a_copy_does_not_change_with_the_other(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    spans, numbers = made_of(steps)
    other = spans.copy()
    other.add(100, 200)
    assert spans.total == len(numbers)
