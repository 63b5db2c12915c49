"""What a technician sees: who is being flashed, bars, what to do, and a sheet at the end that is green or red."""

import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from hardware.flash.batch import Tally
from hardware.flash.layout import FlashPlan
from hardware.flash.node_file import NodeOrder
from hardware.flash.orders import Job
from hardware.flash.results import FlashResult

_STEPS = {
    "chip": "looking at the chip",
    "write": "writing",
    "verify": "reading back",
    "start": "starting the node",
    "ask": "asking the node",
}
_INDENT = "       "


class TerminalWatcher:
    """Shows one board's way on a terminal: a line a step, a bar while it is under way. A context."""

    def __init__(self, console: Console, *, with_tool_text: bool = False) -> None:
        self._console = console
        self._with_tool_text = with_tool_text
        self._bar = Progress(
            TextColumn("{task.description:<20}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task = self._bar.add_task("", visible=False)
        self._began_s = time.monotonic()

    def __enter__(self) -> "TerminalWatcher":
        self._bar.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.stop()

    @contextmanager
    def aside(self) -> Iterator[None]:
        """The bar makes room for a question: it would be drawn over what is typed."""
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    def step(self, name: str) -> None:
        """Show that a step begins."""
        self._bar.reset(self._task, description=_STEPS.get(name, name), total=None, visible=True)
        if not self._console.is_terminal:
            self._console.print(f"{self._seconds()}{_STEPS.get(name, name)}", soft_wrap=True)

    def progress(self, done: float) -> None:
        """Show how far the step is."""
        self._bar.update(self._task, total=1.0, completed=done)

    def tell(self, text: str) -> None:
        """Show a fact."""
        self._console.print(f"{self._seconds()}{escape(text)}", soft_wrap=True)

    def advise(self, text: str) -> None:
        """Show what a person has to do."""
        self._console.print(f"{self._seconds()}[bold yellow]{escape(text)}[/]", soft_wrap=True)

    def tool_text(self, line: str) -> None:
        """Show a line of esptool, where that was wished for."""
        if self._with_tool_text:
            self._console.print(f"{_INDENT}[dim]{escape(line)}[/]", soft_wrap=True)

    def _seconds(self) -> str:
        return f"[dim]{time.monotonic() - self._began_s:5.1f} s[/]  "


class QuietWatcher:
    """Shows nothing but what a person has to do."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, name: str) -> None:
        """Show nothing."""

    def progress(self, done: float) -> None:
        """Show nothing."""

    def tell(self, text: str) -> None:
        """Show nothing."""

    def advise(self, text: str) -> None:
        """Show what a person has to do."""
        self._console.print(escape(text), soft_wrap=True)

    def tool_text(self, line: str) -> None:
        """Show nothing."""


def tell_order(console: Console, job: Job) -> None:
    """Say what is going to be flashed, and what a node without keys or table means."""
    trusted = "" if job.image.is_known else "  [yellow](an image of unknown digest, trusted)[/]"
    console.print(
        f"[bold]{escape(job.order.terminal)}[/]  {escape(job.order.board)}, Gatepost {job.application.version_text},"
        f" {escape(job.image.name)}{trusted}",
        soft_wrap=True,
    )
    for remark in remarks(job.order):
        console.print(f"{_INDENT}[yellow]{escape(remark)}[/]", soft_wrap=True)


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
    for heading in ("from", "to", "bytes"):
        sheet.add_column(heading, justify="right")
    sheet.add_column("what")
    for piece in plan.pieces:
        sheet.add_row(f"{piece.offset:#x}", f"{piece.end:#x}", f"{len(piece.content):,}", piece.name)
    console.print(sheet)


class TerminalShow:
    """Shows boards to a person."""

    def __init__(self, console: Console, *, with_tool_text: bool = False) -> None:
        self._console = console
        self._with_tool_text = with_tool_text
        self._watcher = self.watcher()

    def watcher(self) -> TerminalWatcher:
        """Who shows the way of one board."""
        self._watcher = TerminalWatcher(self._console, with_tool_text=self._with_tool_text)
        return self._watcher

    def ask(self, sentence: str) -> bool:
        """Ask yes or no while a board is under way. Ctrl-C raises KeyboardInterrupt."""
        with self._watcher.aside():
            return _ask(sentence)

    def next_board(self, job: Job, still_open: int) -> None:
        """Say that the next board is waited for."""
        self._print(
            f"\n[bold]Plug in the next board[/]: it becomes {escape(job.order.terminal)} ({escape(job.order.board)}),"
            f" {still_open} to do. Ctrl-C ends."
        )

    def result(self, result: FlashResult) -> None:
        """Print the sheet of a board: green when the node works, else red, with what to do next."""
        if result.checks:
            sheet = Table(box=None, pad_edge=False, show_header=False)
            for check in result.checks:
                mark = "[green]ok[/]" if check.is_right else "[bold red]no[/]"
                sheet.add_row(_INDENT + mark, escape(check.name), escape(check.told))
            self._console.print(sheet)
        problem, terminal = result.problem, escape(result.terminal)
        if problem is None:
            self._print(
                f"[bold white on green] PASSED [/] [bold]{terminal}[/] in {result.seconds:.0f} s, MAC {result.mac}."
                f" Write {terminal} on it, and unplug it."
            )
            return
        self._print(f"[bold white on red] FAILED [/] [bold]{terminal}[/]: {escape(problem.what)}.")
        self._print(f"{_INDENT}[bold]Next:[/] {escape(problem.mend)}.")
        for check in result.checks:
            if not check.is_right and check.mend != problem.mend:
                self._print(f"{_INDENT}{escape(check.name)}: {escape(check.mend)}.")

    def tally(self, tally: Tally, still_open: int) -> None:
        """Say in one line how a batch stands."""
        again = f", {tally.again} came twice" if tally.again else ""
        self._print(
            f"[dim]so far:[/] [green]{tally.passed} passed[/], [red]{tally.failed} failed[/]{again}, {still_open} to do"
        )

    def end(self, tally: Tally, still_open: tuple[str, ...], file: Path) -> None:
        """Print the tally of a batch: what passed, what failed and why, and what is still to do."""
        if not tally.results and not tally.again and not still_open:
            self._print(f"Every order is done already, as {escape(str(file))} tells.")
            return
        self._print(
            f"\n[bold]{tally.passed} boards passed[/], {tally.failed} tries failed, {tally.again} boards came twice;"
            f" {len(still_open)} orders are still to do. All of it is kept in {escape(str(file))}."
        )
        sheet = Table(box=None, pad_edge=False, show_header=False)
        for result in tally.results:
            if result.problem is not None:
                sheet.add_row(_INDENT + escape(result.terminal), escape(result.mac), escape(result.problem.what))
        if sheet.row_count:
            self._console.print(sheet)

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


class JsonShow:
    """Prints one JSON object a board on stdout; only what a person has to do goes to `console`."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def watcher(self) -> "AbstractContextManager[QuietWatcher]":
        """Who shows the way of one board."""
        return nullcontext(QuietWatcher(self._console))

    def ask(self, sentence: str) -> bool:
        """Ask yes or no on stderr. Ctrl-C raises KeyboardInterrupt."""
        return _ask(sentence)

    def next_board(self, job: Job, still_open: int) -> None:
        """Say that the next board is waited for."""
        self._console.print(f"plug in the next board, for {escape(job.order.terminal)}", soft_wrap=True)

    def result(self, result: FlashResult) -> None:
        """Print what came of a board."""
        print(json.dumps(result.plain()), flush=True)

    def tally(self, tally: Tally, still_open: int) -> None:
        """Show nothing."""

    def end(self, tally: Tally, still_open: tuple[str, ...], file: Path) -> None:
        """Print the tally."""
        told = {"passed": tally.passed, "failed": tally.failed, "twice": tally.again, "open": list(still_open)}
        print(json.dumps({**told, "results": str(file)}), flush=True)


def _ask(sentence: str) -> bool:
    try:
        return typer.confirm(sentence, err=True)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
