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

_GOOD = "good"
_OLD_MS = 10_000
_BAR_CELLS = 12
_PAGE_S = 4
_POINT_COLUMNS = 56
_ROOMY_COLUMNS, _ROOMY_ROWS = 132, 40
_TITLE_ROWS, _TABLE_ROWS, _BOX_ROWS, _LINE_ROWS = 1, 3, 6, 4
_NOTES_ROOMY, _NOTES = 6, 3


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


def draw(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """Lay one frame out for a terminal of `width` columns and `height` rows.

    State and notes always fit; the points get the rest, and take turns where they do not all fit.
    """
    clock = datetime.fromtimestamp(snapshot.now_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    title = Text.assemble(
        ("Gatepost ", "bold green"),
        (f"{snapshot.gateway}   ", "bold"),
        f"{clock}   running {snapshot.running_s:.0f} s   ",
        (f"{len(snapshot.points)} points", "cyan"),
        no_wrap=True,
    )
    is_roomy = width >= _ROOMY_COLUMNS and height >= _ROOMY_ROWS
    notes = snapshot.notes[-(_NOTES_ROOMY if is_roomy else _NOTES) :]
    state, state_rows = (_boxes(snapshot), _BOX_ROWS) if is_roomy else (_lines(snapshot), _LINE_ROWS)
    rows = max(1, height - _TITLE_ROWS - _TABLE_ROWS - state_rows - len(notes))
    return Group(title, _points(snapshot, width, rows), state, _notes(notes))


def _points(snapshot: Snapshot, width: int, rows: int) -> RenderableType:
    """As many points as fit into `rows`, under a header and above a line that tells which they are."""
    columns = max(1, width // _POINT_COLUMNS)
    points = snapshot.points
    each = max(1, columns * rows)
    pages = max(1, -(-len(points) // each))
    page = int(snapshot.running_s // _PAGE_S) % pages
    shown = points[page * each : (page + 1) * each]
    rows_used = -(-len(shown) // columns)
    tables = []
    for column in range(columns):
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim", width=width // columns - 1)
        table.add_column("point", no_wrap=True, overflow="ellipsis", ratio=1)
        table.add_column("value", justify="right", no_wrap=True, min_width=14)
        table.add_column("age", justify="right", no_wrap=True, min_width=5)
        table.add_column("quality", no_wrap=True, min_width=9)
        for point in shown[column * rows_used : (column + 1) * rows_used]:
            table.add_row(point.name, _value(point), _age(point.age_ms), _quality(point.quality))
        tables.append(table)
    grid = Table.grid()
    grid.add_row(*tables)
    if pages == 1:
        return grid
    return Group(grid, Text(f"points {page * each + 1} to {page * each + len(shown)} of {len(points)}", style="dim"))


def _value(point: PointLine) -> Text:
    return Text(f"{point.value} {point.unit}".strip(), style="white" if point.quality == _GOOD else "dim")


def _quality(quality: str) -> Text:
    return Text(quality, style="green" if quality == _GOOD else "yellow")


def _age(age_ms: int | None) -> Text:
    if age_ms is None:
        return Text("never", style="red")
    return Text(f"{age_ms / 1000:.1f} s", style="red" if age_ms > _OLD_MS else "dim")


def _boxes(snapshot: Snapshot) -> RenderableType:
    return Columns(
        [
            Panel(_buses(snapshot.buses), title="buses", border_style="blue"),
            Panel(_pairs(snapshot.journal), title="journal", border_style="blue"),
            Panel(_pairs(snapshot.uplink), title="uplink", border_style="blue"),
            Panel(_machines(snapshot.machines), title="nodes", border_style="blue"),
        ]
    )


def _lines(snapshot: Snapshot) -> RenderableType:
    """The same as the boxes, one line each, for a small terminal."""
    buses = ", ".join(f"{bus.name} {bus.load:.0%} {bus.good} ok {bus.failed} failed" for bus in snapshot.buses)
    nodes = ", ".join(f"{name} {used / 1024:.0f} of {total / 1024:.0f} KiB" for name, used, total in snapshot.machines)
    table = Table.grid(padding=(0, 1))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for name, words in (
        ("buses", buses),
        ("journal", ", ".join(f"{name} {value}" for name, value in snapshot.journal)),
        ("uplink", ", ".join(f"{name} {value}" for name, value in snapshot.uplink)),
        ("nodes", nodes),
    ):
        table.add_row(Text(name, style="blue"), words)
    return table


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
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis")
    for time_ms, style, words in notes:
        at = datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%H:%M:%S")
        table.add_row(Text(at, style="dim"), Text(words, style=style))
    return table
