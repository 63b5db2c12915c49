"""Joining the registers of one device into few read requests."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway_agent.profiles.point import Point, RegisterSource


@dataclass(frozen=True, slots=True)
class Request:
    """One read: `count` registers from `address` with function 3 or 4, of the device's unit id plus `unit_offset`.

    `points` are those whose value, status, decimals and unit code all lie within it, by rising address.
    """

    unit_offset: int
    function: int
    address: int
    count: int
    points: tuple[Point, ...]


def plan_requests(points: Iterable[Point], max_registers: int = 125, max_gap: int = 0) -> list[Request]:
    """The fewest requests, in rising order of unit, function and address, that read every register point once.

    A request spans at most `max_registers` registers and runs across at most `max_gap` unused ones between two
    points. Points of pins are left out. Raises ValueError for a point that alone spans more than `max_registers`.
    """
    by_source: dict[tuple[int, int], list[tuple[RegisterSource, Point]]] = {}
    for point in points:
        register = point.register
        if register is not None:
            by_source.setdefault((register.unit_offset, register.function), []).append((register, point))
    requests = []
    for (unit_offset, function), members in sorted(by_source.items(), key=lambda item: item[0]):
        members.sort(key=lambda member: (member[0].first, member[0].last))
        for run in _runs(members, max_registers, max_gap):
            first = min(register.first for register, _ in run)
            last = max(register.last for register, _ in run)
            requests.append(Request(unit_offset, function, first, last - first + 1, tuple(point for _, point in run)))
    return requests


def _runs(
    members: list[tuple[RegisterSource, Point]], max_registers: int, max_gap: int
) -> list[list[tuple[RegisterSource, Point]]]:
    """Members sorted by address, cut where the next one is too far away or would make the span too long."""
    runs: list[list[tuple[RegisterSource, Point]]] = []
    first = last = 0
    for register, point in members:
        if register.last - register.first + 1 > max_registers:
            raise ValueError(f"point {point.name} spans more than {max_registers} registers")
        joins = register.first <= last + 1 + max_gap and max(last, register.last) - first + 1 <= max_registers
        if runs and joins:
            runs[-1].append((register, point))
            last = max(last, register.last)
        else:
            runs.append([(register, point)])
            first, last = register.first, register.last
    return runs
