"""How kits look in a terminal: what is in one, what is to be done, what became of it."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hardware.kit.kit_file import Kit
from hardware.kit.kit_order import KitOrder
from hardware.kit.results import Merged, OrderResult, State

_MOST_ROWS = 60
_MOST_NAMED = 5
_WHOLE = ("terminal", "node", "state", "MAC", "guard")
"""Columns that are not broken over two lines."""
_STYLES = {State.DONE: "green", State.FAILED: "red", State.OPEN: "dim", State.TWICE: "red"}


def tell_orders(console: Console, results: Sequence[OrderResult], *, all_rows: bool = False) -> None:
    """One row for each order: what it is, and once anything was tried, where it stands and why."""
    is_begun = any(one.tries for one in results)
    shown = results if all_rows else results[:_MOST_ROWS]
    sheet = Table(box=None, pad_edge=False, header_style="bold")
    tail = ("state", "MAC") if is_begun else ("board", "guard")
    for heading in ("terminal", "type", "pole", "node", "mount", *tail):
        sheet.add_column(heading, overflow="fold", no_wrap=heading in _WHOLE)
    for one in shown:
        order = one.order
        cells = [escape(cell) for cell in (order.terminal, order.type, order.gateway, order.node, order.mount)]
        if is_begun:
            cells += [f"[{_STYLES[one.state]}]{one.state}[/]", escape(one.mac or "")]
        else:
            cells += [escape(order.board), "yes" if order.is_guarded else "[yellow]no[/]"]
        sheet.add_row(*cells)
    console.print(sheet)
    if len(shown) < len(results):
        console.print(f"and {len(results) - len(shown)} more: --all shows them, --json for programs", style="dim")
    for one in results:
        if one.reason:
            console.print(f"[{_STYLES[one.state]}]{one.state}[/]  {escape(one.order.terminal)}: {escape(one.reason)}")


def tell_contents(console: Console, kit: Kit) -> None:
    """What is in a kit beside its orders."""
    contents = kit.contents
    sheet = Table(box=None, pad_edge=False, show_header=False)
    sheet.add_column(style="dim")
    sheet.add_column(overflow="fold")
    for image in kit.images():
        unknown = "" if image.is_known else " [yellow](of unknown digest, trusted by whoever made the kit)[/]"
        sheet.add_row("MicroPython", f"{escape(image.name)}, {len(image.content):,} bytes{unknown}")
    for board, application in contents.applications.items():
        size = sum(map(len, application.files.values()))
        sheet.add_row("firmware", f"{application.version_text} for {escape(board)}, {size:,} bytes")
    sheet.add_row("profiles", escape(", ".join(kit.profiles())) or "none")
    sheet.add_row("update key", "yes" if contents.update_key else "[yellow]none: the nodes will take no updates[/]")
    sheet.add_row("keys", _keys(kit))
    sheet.add_row("kit", f"{kit.kit_id}, made by {escape(contents.made_by)}")
    console.print(sheet)


def _keys(kit: Kit) -> str:
    guarded = sum(order.has_node_key for order in kit.orders())
    if not kit.has_keys:
        return "[yellow]none: what comes over the pole bus will not be guarded[/]"
    state = "locked by a password" if kit.is_locked else "open"
    return f"{guarded} of {len(kit.orders())} nodes, {state}"


def tell_order(console: Console, order: KitOrder) -> None:
    """All that a technician may want to know of one order."""
    sheet = Table(box=None, pad_edge=False, show_header=False)
    sheet.add_column(style="dim")
    sheet.add_column(overflow="fold")
    facts = (
        ("terminal", order.terminal),
        ("type", order.type),
        ("pole", f"{order.gateway} ({order.pole})"),
        ("node", f"{order.node}, unit {order.unit} on bus {order.bus}, {order.bus_line}"),
        ("board", order.board),
        ("mount", order.mount),
        ("settings", " ".join(f"{name}={value}" for name, value in order.settings.items())),
        ("note", order.note),
        ("table", order.table),
        ("guard", "yes" if order.is_guarded else "no"),
    )
    for name, text in facts:
        if text:
            sheet.add_row(name, escape(text))
    console.print(sheet)
    if order.devices:
        devices = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("device", "unit", "model", "points"):
            devices.add_column(heading, overflow="fold")
        for one in order.devices:
            unit = "pins" if one.unit is None else str(one.unit)
            devices.add_row(escape(one.name), unit, escape(one.model), str(one.points))
        console.print(devices)


def tell_merged(console: Console, merged: Merged) -> None:
    """The tally, and what has to be looked at."""
    for why in dict.fromkeys(why for _, why in merged.strangers):
        tries = [trial for trial, reason in merged.strangers if reason == why]
        named = ", ".join(f"{one.record.terminal} ({one.place})" for one in tries[:_MOST_NAMED])
        more = f" and {len(tries) - _MOST_NAMED} more" if len(tries) > _MOST_NAMED else ""
        console.print(f"[yellow]not counted[/]  {escape(why)}: {escape(named)}{more}")
    for sentence in merged.warnings:
        console.print(f"[yellow]warning[/]  {escape(sentence)}")
    console.print(tally(merged))


def tally(merged: Merged) -> str:
    """The count of each state in one sentence."""
    words = [f"{merged.count(state)} {state}" for state in State if state is not State.TWICE or merged.count(state)]
    return f"{len(merged.orders)} orders: {', '.join(words)}"


def tell_tries(console: Console, one: OrderResult) -> None:
    """Every try at one order."""
    for trial in one.tries:
        record = trial.record
        told = f"{record.result}: {record.what}; {record.mend}" if record.what else record.result
        console.print(" ".join(part for part in (record.at, record.mac, told) if part), markup=False)
    for remark in one.remarks:
        console.print(f"[yellow]note[/]  {escape(remark)}")


def tell_notes(console: Console, notes: Iterable[str]) -> None:
    """What is allowed but should be known."""
    for note in notes:
        console.print(f"[yellow]note[/]  {escape(note)}")
