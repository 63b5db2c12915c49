"""The terminal view of a running pole: points with value, age and quality, buses, journal, radio, commands, alarms.

`draw(snapshot)` gives one frame; it knows nothing of processes or sockets, so a frame can be drawn from anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from rich.columns import Columns
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

_OLD_MS = 10_000
_BAR_CELLS = 12


@dataclass(frozen=True, slots=True)
class PointLine:
    """A point as shown: value as text with its unit, age in ms (None when never read), quality as a word."""

    name: str
    value: str
    unit: str
    age_ms: int | None
    quality: str


@dataclass(frozen=True, slots=True)
class BusLine:
    """A bus as shown: share of time it is busy (0 to 1), good and failed exchanges."""

    name: str
    load: float
    good: int
    failed: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one frame shows. Times are unix ms; `notes` are the newest lines about alarms and commands, oldest first."""

    gateway: str
    now_ms: int
    running_s: float
    points: Sequence[PointLine] = ()
    buses: Sequence[BusLine] = ()
    machines: Sequence[tuple[str, int, int]] = ()
    journal: Sequence[tuple[str, str]] = ()
    uplink: Sequence[tuple[str, str]] = ()
    notes: Sequence[tuple[int, str, str]] = field(default_factory=tuple)


def draw(snapshot: Snapshot, width: int) -> RenderableType:
    """Lay one frame out for a terminal of `width` columns."""
    clock = datetime.fromtimestamp(snapshot.now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    title = Text.assemble(
        ("Gatepost ", "bold green"),
        (f"{snapshot.gateway}   ", "bold"),
        f"{clock}   running {snapshot.running_s:.0f} s   ",
        (f"{len(snapshot.points)} points", "cyan"),
    )
    boxes = [
        Panel(_buses(snapshot.buses), title="buses", border_style="blue"),
        Panel(_pairs(snapshot.journal), title="journal", border_style="blue"),
        Panel(_pairs(snapshot.uplink), title="uplink", border_style="blue"),
        Panel(_machines(snapshot.machines), title="nodes", border_style="blue"),
    ]
    return Group(title, _points(snapshot.points, width), Columns(boxes), _notes(snapshot.notes))


def _points(points: Sequence[PointLine], width: int) -> RenderableType:
    columns = max(1, min(3, width // 46))
    rows = -(-len(points) // columns) if points else 0
    tables = []
    for column in range(columns):
        table = Table(box=None, padding=(0, 1), header_style="dim")
        table.add_column("point", no_wrap=True, min_width=20)
        table.add_column("value", justify="right", no_wrap=True, min_width=12)
        table.add_column("age", justify="right", no_wrap=True, min_width=5)
        for point in points[column * rows : (column + 1) * rows]:
            table.add_row(point.name, _value(point), _age(point.age_ms))
        tables.append(table)
    return Columns(tables, padding=(0, 2))


def _value(point: PointLine) -> Text:
    if point.quality != "good":
        return Text(point.quality, style="yellow")
    return Text(f"{point.value} {point.unit}".strip(), style="white")


def _age(age_ms: int | None) -> Text:
    if age_ms is None:
        return Text("never", style="red")
    return Text(f"{age_ms / 1000:.1f} s", style="red" if age_ms > _OLD_MS else "dim")


def _buses(buses: Sequence[BusLine]) -> Table:
    table = Table.grid(padding=(0, 1))
    for bus in buses:
        full = min(_BAR_CELLS, round(bus.load * _BAR_CELLS))
        bar = Text("█" * full + "░" * (_BAR_CELLS - full), style="red" if bus.load > 0.8 else "green")
        failed = Text(f"{bus.failed} failed", style="red" if bus.failed else "dim")
        table.add_row(bus.name, bar, f"{bus.load:4.0%}", f"{bus.good} ok", failed)
    return table


def _machines(machines: Sequence[tuple[str, int, int]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, used, total in machines:
        table.add_row(name, f"{used / 1024:.1f} of {total / 1024:.0f} KiB heap")
    return table


def _pairs(pairs: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, value in pairs:
        table.add_row(Text(name, style="dim"), value)
    return table


def _notes(notes: Sequence[tuple[int, str, str]]) -> Table:
    table = Table.grid(padding=(0, 1))
    for time_ms, style, words in notes:
        at = datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M:%S")
        table.add_row(Text(at, style="dim"), Text(words, style=style))
    return table
