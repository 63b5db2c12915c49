"""`gatepost flash`: from a bare ESP32 to a node that works."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hardware.flash import screen
from hardware.flash.batch import admission
from hardware.flash.batch_run import Show, run_batch, run_check, run_one
from hardware.flash.chip_link import RATES
from hardware.flash.images import find_image
from hardware.flash.orders import Job, OrderBook, orders_of_files, orders_of_kit
from hardware.flash.plugged import Plugged
from hardware.flash.ports import find_port, usb_ports
from hardware.flash.problem import FlashProblem, Kind
from hardware.flash.results import DEFAULT_FILE, held, past_of
from hardware.flash.screen import JsonShow, TerminalShow
from hardware.flash.session import Settings, look
from hardware.kit.kit_file import open_kit
from hardware.kit.password import password_to_open
from hardware.kit.results_lines import results_beside

_LEAST_BAUD, _MOST_BAUD = 9600, 2_000_000


def command(
    context: typer.Context,
    port: Annotated[
        str | None, typer.Option("--port", help="Serial port or URL of pyserial; else the one that is plugged in.")
    ] = None,
    node: Annotated[
        Path | None, typer.Option("--node", metavar="FILE|DIR", help="What the node is to become; a folder of such.")
    ] = None,
    kit: Annotated[Path | None, typer.Option("--kit", metavar="FILE", help="A kit with all orders.")] = None,
    terminal: Annotated[str | None, typer.Option("--terminal", metavar="CODE", help="Which order.")] = None,
    firmware: Annotated[
        Path | None, typer.Option("--firmware", metavar="IMAGE|DIR", help="MicroPython's image, or a folder of them.")
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Take an image of unknown digest.")] = False,
    board: Annotated[str | None, typer.Option("--board", help="Which board, where no pole names it.")] = None,
    batch: Annotated[bool, typer.Option("--batch", help="One board after the other, as they are plugged in.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Ask a node that runs already; write nothing.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Look at the chip, write the image to a file, and nothing to the chip.")
    ] = False,
    image_only: Annotated[
        Path | None, typer.Option("--image-only", metavar="FILE", help="Only write the whole flash to a file.")
    ] = None,
    baud: Annotated[
        int, typer.Option("--baud", help="Rate to begin with; slower ones are tried by themselves.")
    ] = RATES[0],
    no_stub: Annotated[bool, typer.Option("--no-stub", help="Only the chip's own loader: slow, but simple.")] = False,
    no_bus: Annotated[bool, typer.Option("--no-bus", help="Nothing hangs on the node's sensor bus yet.")] = False,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="FILE", help="Where the results are kept.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a board is made another node.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show what esptool says.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a board, no progress.")] = False,
) -> None:
    """Flash a node, start it, ask it whether it works, and keep the answer.

    Begin anew after any problem: the chip's loader cannot be overwritten. Ctrl-C ends a batch with its tally. Exit code
    0 when the node (with --batch: every board) works, else 1.

    Example: gatepost flash --node lamp-12.toml --firmware images
    """
    console = Console(stderr=as_json, highlight=False)
    if not _LEAST_BAUD <= baud <= _MOST_BAUD:
        raise typer.BadParameter(f"--baud is {_LEAST_BAUD} to {_MOST_BAUD}")
    if sum((batch, check, dry_run, image_only is not None)) > 1 and not (dry_run and image_only and not batch):
        raise typer.BadParameter("--batch, --check, --dry-run and --image-only do different things: give one of them")
    book = _orders(node, kit, firmware, board, trust)
    settings = Settings(
        port or "", first_baud=baud, use_stub=not no_stub, with_bus=not no_bus, boot_wait_s=60.0 if _is_asked() else 0.0
    )
    file = results or (results_beside(kit) if kit else DEFAULT_FILE)
    show = JsonShow(console) if as_json else TerminalShow(console, with_tool_text=verbose)
    if not dry_run and image_only is None:
        context.with_resource(held(file))
        context.with_resource(_ended_in_order())
    if batch:
        tally = run_batch(book, settings, _boards(port, console), file, show, first=terminal, may_repeat=yes)
        raise typer.Exit(0 if tally.is_well else 1)
    job = book.job(_only(book, terminal))
    if not as_json:
        screen.tell_order(console, job)
    if image_only is not None or dry_run:
        _write_and_tell(job, image_only or Path(f"{_plain_name(job.order.terminal)}.bin"), console, as_json)
    if dry_run:
        _look_only(job, replace(settings, port=port or find_port()), show, console, as_json)
    if image_only is None and not dry_run:
        past = past_of(file)
        settings = replace(settings, port=port or find_port(), choose=admission(past, _confirm(yes, show.ask)))
        result = (run_check if check else run_one)(job, settings, past, file, show)
        raise typer.Exit(0 if result.is_passed else 1)


def _boards(port: str | None, console: Console) -> Plugged:
    """Where boards come and go; of several ports that are there already nobody knows which is a board, so none is."""
    there = [] if port is not None else usb_ports()
    if len(there) < 2:
        return Plugged(port)
    names = ", ".join(one.name for one in there)
    console.print(
        f"Left alone until they are plugged in anew, for they were here already: {names}", markup=False, soft_wrap=True
    )
    plugged = Plugged()
    plugged.leave_alone()
    return plugged


def write_image(job: Job, path: Path) -> None:
    """Write the whole flash to a file that only its owner may read, for it holds keys. Raises FlashProblem(FILES)."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            path.chmod(0o600)
            file.write(job.plan.whole_image())
    except OSError as error:
        raise FlashProblem(
            Kind.FILES, f"{path} cannot be written ({error.strerror})", "name a file in a folder that there is"
        ) from error


def _write_and_tell(job: Job, path: Path, console: Console, as_json: bool) -> None:
    write_image(job, path)
    size = path.stat().st_size
    if as_json:
        pieces = [{"offset": one.offset, "bytes": len(one.content), "name": one.name} for one in job.plan.pieces]
        print(json.dumps({"terminal": job.order.terminal, "image": str(path), "bytes": size, "pieces": pieces}))
        return
    screen.tell_plan(console, job.plan)
    has_keys = job.order.node_key is not None or job.order.broadcast_key is not None
    secret = " It holds the node's keys: keep it secret." if has_keys else ""
    console.print(f"{path}: the whole flash from offset 0, {size >> 20} MB.{secret}", markup=False, soft_wrap=True)


def _look_only(job: Job, settings: Settings, show: Show, console: Console, as_json: bool) -> None:
    with show.watcher() as watcher:
        chip, security = look(job, settings, watcher)
    if as_json:
        told = {"chip": chip.model, "mac": chip.mac, "flash_bytes": chip.flash_bytes, "security": security.words}
        print(json.dumps(told))
    else:
        console.print(f"{job.order.terminal} can be flashed onto this board. Nothing was written to it.", markup=False)


def _orders(node: Path | None, kit: Path | None, firmware: Path | None, board: str | None, trust: bool) -> OrderBook:
    if (node is None) == (kit is None):
        raise typer.BadParameter("say what the node is to become: --node FILE, or --kit FILE (docs/flash.md)")
    image = None if firmware is None else find_image(firmware, trust)
    if kit is not None:
        if board is not None:
            raise typer.BadParameter("a kit says itself which boards its nodes have: leave --board out")
        opened = open_kit(kit, None)
        return orders_of_kit(open_kit(kit, password_to_open(kit.name)) if opened.is_locked else opened, image)
    if image is None:
        raise typer.BadParameter("say where MicroPython's image is: --firmware FILE or --firmware FOLDER")
    assert node is not None
    return orders_of_files(node, board, image)


def _only(book: OrderBook, terminal: str | None) -> str:
    if terminal is None and len(book.terminals) > 1:
        raise typer.BadParameter(
            f"there are {len(book.terminals)} orders: say which with --terminal, or --batch for one after the other"
        )
    return terminal or book.terminals[0]


def _plain_name(terminal: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in terminal)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """A window that is closed and a `kill` end like Ctrl-C: no keys are left in a folder, and the result is kept."""
    ends = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for one in ends:
        signal.signal(one, signal.default_int_handler)
    try:
        yield
    finally:
        for one in ends:
            signal.signal(one, signal.SIG_DFL)


def _is_asked() -> bool:
    """Whether somebody sits there."""
    return sys.stdin.isatty()


def _confirm(yes: bool, ask: Callable[[str], bool]) -> Callable[[str], bool]:
    if yes:
        return lambda sentence: True
    return ask if _is_asked() else (lambda sentence: False)
