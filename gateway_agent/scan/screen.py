"""How a scan looks in a terminal: a bar, a table that fills, and at the end what to do next."""

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from gateway_agent.scan.findings import Found, Result, Standing
from gateway_agent.scan.search import Search

_BAR_WIDTH = 40


def live_view(search: Search, port: str) -> RenderableType:
    """What is shown while the search runs."""
    progress = search.progress
    row = Table.grid(padding=(0, 1))
    row.add_row(
        ProgressBar(total=max(1, progress.total), completed=progress.done, width=_BAR_WIDTH),
        f"{progress.done} of {progress.total}",
    )
    parts: list[RenderableType] = [
        Text.assemble((f"{port}  ", "bold"), progress.step),
        row,
        Text(f"{search.questions} questions, {len(search.found)} found. Ctrl-C ends it and keeps what is found."),
    ]
    if search.found:
        parts.append(device_table(search.found))
    return Group(*parts)


def device_table(found: list[Found] | tuple[Found, ...]) -> Table:
    """One row for each device."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "line", "model", "remark"):
        table.add_column(name, overflow="fold")
    for one in found:
        style = "" if one.standing is Standing.ONE else "yellow"
        table.add_row(one.ids, str(one.setting), one.model, one.remark, style=style)
    return table


def tell(result: Result, port: str, console: Console) -> None:
    """Print the result: devices, signs with what to do about each, and what the search has cost."""
    if result.found:
        console.print(device_table(result.found))
    elif not result.signs:
        console.print(f"Nobody answers on {port}. Check the supply of the devices, the wires A and B at both ends,")
        console.print("swap A and B once, see that this is the right adapter; then scan again.")
    for sign in result.signs:
        console.print(Text.assemble(("! ", "bold yellow"), sign.what))
        console.print(f"  {sign.next_step}")
    whole = "" if result.is_whole else " The search is not whole: there may be more."
    console.print(
        f"{len(result.found)} found with {result.questions} questions in {result.bus_s:.0f} s, the last after "
        f"{result.found_s:.0f} s.{whole}",
        highlight=False,
    )
