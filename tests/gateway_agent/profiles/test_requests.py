"""Joining registers into requests."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway_agent.profiles import Point, plan_requests, resolve
from tests.gateway_agent.profiles.points import profile


def points_at(places: list[tuple[int, int, str]], max_gap: int = 0) -> list[Point]:
    """Points of (function, address, type), named by their index."""
    text = "".join(
        f"[points.p{index}]\nregister = {{ function = {function}, address = {address}, type = '{kind}' }}\n"
        "unit = 'raw'\nrange = [0, 9]\nreport = { every_s = 60 }\n"
        for index, (function, address, kind) in enumerate(places)
    )
    return list(resolve(profile(text)).points)


def spans(points: list[Point], max_registers: int = 125, max_gap: int = 0) -> list[tuple[int, int, int, list[str]]]:
    return [
        (request.function, request.address, request.count, [point.name for point in request.points])
        for request in plan_requests(points, max_registers, max_gap)
    ]


def test_neighbours_become_one_request_whatever_their_order() -> None:
    points = points_at([(3, 5, "u16"), (3, 2, "u32"), (3, 4, "u16")])
    assert spans(points) == [(3, 2, 4, ["p1", "p2", "p0"])]


def test_a_gap_is_run_across_only_as_far_as_the_device_allows() -> None:
    points = points_at([(3, 0, "u16"), (3, 3, "u16")])
    assert spans(points, max_gap=1) == [(3, 0, 1, ["p0"]), (3, 3, 1, ["p1"])]
    assert spans(points, max_gap=2) == [(3, 0, 4, ["p0", "p1"])]


def test_functions_and_unit_ids_are_asked_apart() -> None:
    assert spans(points_at([(4, 0, "u16"), (3, 1, "u16")])) == [(3, 1, 1, ["p1"]), (4, 0, 1, ["p0"])]


def test_a_value_is_never_cut_in_two() -> None:
    points = points_at([(3, 0, "u64"), (3, 4, "u64"), (3, 8, "u16")])
    assert spans(points, max_registers=5) == [(3, 0, 4, ["p0"]), (3, 4, 5, ["p1", "p2"])]
    with pytest.raises(ValueError, match="p0 spans more than 3 registers"):
        spans(points, max_registers=3)


places = st.lists(
    st.tuples(st.sampled_from([3, 4]), st.integers(0, 60), st.just("u16")), min_size=1, max_size=12, unique=True
)


@given(places, st.integers(1, 40), st.integers(0, 10))
def test_every_point_is_read_exactly_once_within_the_limits(
    chosen: list[tuple[int, int, str]], max_registers: int, max_gap: int
) -> None:
    points = points_at(chosen)
    requests = plan_requests(points, max_registers, max_gap)
    assert sorted(point.name for request in requests for point in request.points) == sorted(p.name for p in points)
    for request in requests:
        assert 1 <= request.count <= max_registers
        used = []
        for point in request.points:
            register = point.register
            assert register is not None
            assert register.function == request.function
            assert request.address <= register.first <= register.last < request.address + request.count
            used.append(register.first)
        assert used == sorted(used)
        assert all(later - earlier <= max_gap + 1 for earlier, later in pairwise(used))
