"""What a technician sees: who is being flashed, bars, and a sheet at the end that is green or red."""

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from gateway_agent.provision import digest
from hardware.flash.application import Application
from hardware.flash.images import FirmwareImage
from hardware.flash.layout import FlashPlan
from hardware.flash.node_file import NodeOrder


def tell_order(console: Console, order: NodeOrder, image: FirmwareImage, application: Application) -> None:
    """Say what is going to be flashed, and what a node without keys or table means."""
    console.print(
        f"[bold]{escape(order.terminal)}[/]  {escape(order.board)}, Gatepost {application.version_text}, "
        f"{escape(image.name)}" + ("" if image.is_known else "  [yellow](image of unknown digest, trusted)[/]")
    )
    for remark in remarks(order):
        console.print(f"[yellow]note[/]  {escape(remark)}")


def remarks(order: NodeOrder) -> list[str]:
    """What a person should know about an order before it is flashed, a sentence each."""
    found = []
    if order.table is None:
        found.append("no table: it will listen as unit 247 at 19200 8N1 and wait for its settings")
    if order.node_key is None:
        found.append("no node key: what comes over the pole bus will not be guarded")
    if order.update_key is None:
        found.append("no update key: it will take no updates over the bus")
    return found


def tell_plan(console: Console, plan: FlashPlan) -> None:
    """Show what goes where."""
    sheet = Table(box=None, pad_edge=False, header_style="dim")
    for heading, where in (("from", "right"), ("to", "right"), ("bytes", "right"), ("what", "left")):
        sheet.add_column(heading, justify="right" if where == "right" else "left")
    for piece in plan.pieces:
        sheet.add_row(f"{piece.offset:#x}", f"{piece.end:#x}", f"{len(piece.content):,}", piece.name)
    console.print(sheet)


def table_digest(table: bytes | None) -> str:
    """The digest by which a node names its table, eight hexadecimal digits; "none" without a table."""
    if table is None:
        return "none"
    return f"{digest(table):08x}"
