"""What became of a kit's orders, by the results files of everybody who worked from it.

The last word about a board counts: a board that was made another terminal later is no longer the first one, and one
that was done and then failed is failed. Laptops' clocks give the sequence of tries from different files.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from hardware.kit.kit_order import KitOrder
from hardware.kit.results_lines import Record, ResultsFile, line_of


class State(StrEnum):
    """Where an order stands."""

    DONE = "done"
    FAILED = "failed"
    OPEN = "open"
    TWICE = "twice"
    """Two boards were made this terminal: on one bus both would answer."""


@dataclass(frozen=True, slots=True)
class Try:
    """A record and where it stands."""

    record: Record
    path: Path
    line: int

    @property
    def place(self) -> str:
        """Such as `monday.gpresults:3`."""
        return f"{self.path.name}:{self.line}"

    @property
    def is_written(self) -> bool:
        """Whether the board may carry this identity since then."""
        return self.record.is_done or self.record.more.get("is_written") is True


@dataclass(frozen=True, slots=True)
class OrderResult:
    """What became of an order: its `state`, the try that decides it, all its tries, and `remarks` for a person."""

    order: KitOrder
    state: State
    last: Try | None
    tries: tuple[Try, ...]
    remarks: tuple[str, ...]

    @property
    def mac(self) -> str | None:
        """The board that it was done on, or tried on."""
        return None if self.last is None else self.last.record.mac

    @property
    def reason(self) -> str:
        """Why it is not done, and what to do; empty where there is nothing to say."""
        parts = list(self.remarks)
        if self.state is State.FAILED and self.last is not None:
            record = self.last.record
            parts = [part for part in (record.what, record.mend) if part] + parts
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class Merged:
    """All orders with what became of them; `strangers` are tries that belong to none of them, `warnings` sentences."""

    orders: tuple[OrderResult, ...]
    strangers: tuple[tuple[Try, str], ...]
    warnings: tuple[str, ...]

    def count(self, state: State) -> int:
        """How many orders are in that state."""
        return sum(one.state is state for one in self.orders)

    @property
    def is_finished(self) -> bool:
        """Whether everything is done, and nothing has to be looked at."""
        return self.count(State.DONE) == len(self.orders) and not self.strangers and not self.warnings


def merge(kit_ids: Collection[str], orders: Sequence[KitOrder], files: Iterable[ResultsFile]) -> Merged:
    """What the results files together say about the orders of a kit; what was done from `kit_ids` counts."""
    files = list(files)
    tries = _in_time(files)
    terminals = {order.terminal for order in orders}
    strangers = [(one, why) for one in tries if (why := _strange(one, kit_ids, terminals))]
    strange = {id(one) for one, _ in strangers}
    ours = [one for one in tries if id(one) not in strange]
    holders: dict[str | None, Try] = {one.record.mac: one for one in tries if one.record.mac and one.is_written}
    results = tuple(
        _result(order, [one for one in ours if one.record.terminal == order.terminal], holders) for order in orders
    )
    warnings = [sentence for file in files for sentence in file.damage]
    warnings += [
        f"{file.path}: its last line was not written to the end and does not count; that try has to be repeated"
        for file in files
        if file.is_torn
    ]
    return Merged(results, tuple(strangers), tuple(warnings))


def _in_time(files: Sequence[ResultsFile]) -> list[Try]:
    """Every try once, in the sequence of the laptops' clocks; within a file the lines' sequence holds."""
    found: dict[bytes, tuple[tuple[str, int, int], Try]] = {}
    for index, file in enumerate(files):
        latest = ""
        for line, record in file.records.items():
            latest = max(latest, record.at or "")
            one = Try(record, file.path, line)
            found.setdefault(line_of(record, line), ((latest, index, line), one))
    return [one for _, one in sorted(found.values(), key=lambda entry: entry[0])]


def _strange(one: Try, kit_ids: Collection[str], terminals: set[str]) -> str:
    """Why a try belongs to none of the orders; empty where it does."""
    if one.record.kit is None:
        return "flashed without a kit"
    if one.record.kit not in kit_ids:
        return f"from kit {one.record.kit} (an earlier one of the same orders? --also {one.record.kit} counts it)"
    return "" if one.record.terminal in terminals else "the kit has no such terminal"


def _result(order: KitOrder, tries: list[Try], holders: dict[str | None, Try]) -> OrderResult:
    last_on = {one.record.mac: one for one in tries if one.is_written}
    standing = [
        one
        for mac, one in last_on.items()
        if one.record.is_done and (mac is None or holders[mac].record.terminal == order.terminal)
    ]
    remarks = list(_remarks(order, tries, standing, holders))
    if len(standing) > 1:
        return OrderResult(order, State.TWICE, standing[-1], tuple(tries), tuple(remarks))
    if standing:
        return OrderResult(order, State.DONE, standing[0], tuple(tries), tuple(remarks))
    failed = [one for one in tries if not one.record.is_done]
    if failed and failed[-1] is tries[-1]:
        return OrderResult(order, State.FAILED, failed[-1], tuple(tries), tuple(remarks))
    return OrderResult(order, State.OPEN, None, tuple(tries), tuple(remarks))


def _remarks(order: KitOrder, tries: list[Try], standing: list[Try], holders: dict[str | None, Try]) -> Iterator[str]:
    if len(standing) > 1:
        boards = " and ".join(f"{one.record.mac} ({one.place})" for one in standing)
        yield f"two boards are this terminal: {boards}; flash the one that is not mounted as another order"
    for mac in dict.fromkeys(one.record.mac for one in tries if one.is_written and one.record.mac):
        holder = holders[mac]
        if holder.record.terminal != order.terminal:
            yield f"board {mac} was made {holder.record.terminal} later ({holder.place})"
        elif standing and not holder.record.is_done:
            yield f"board {mac} was written too, and failed ({holder.place}): do not mount it"
