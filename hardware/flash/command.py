"""`gatepost flash`: from a bare ESP32 to a node that works."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hardware.flash import screen
from hardware.flash.images import find_image
from hardware.flash.orders import Job, OrderBook, orders_of_files
from hardware.flash.problem import FlashProblem, Kind


def command(
    node: Annotated[
        Path | None, typer.Option("--node", metavar="FILE", help="What the node is to become; a folder with --batch.")
    ] = None,
    firmware: Annotated[
        Path | None, typer.Option("--firmware", metavar="IMAGE|DIR", help="MicroPython's image, or a folder of them.")
    ] = None,
    board: Annotated[str | None, typer.Option("--board", help="Which board, where no pole names it.")] = None,
    image_only: Annotated[
        Path | None,
        typer.Option("--image-only", metavar="FILE", help="Only write the whole flash to a file."),
    ] = None,
    trust: Annotated[bool, typer.Option("--trust", help="Take an image of unknown digest.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, no progress.")] = False,
) -> None:
    """Flash a node, start it, ask it whether it works, and keep the answer.

    Example: gatepost flash --node lamp-12.toml --firmware images
    """
    console = Console(stderr=as_json, highlight=False)
    book = _orders(node, firmware, board, trust)
    job = book.job(book.terminals[0])
    if not as_json:
        screen.tell_order(console, job.order, job.image, job.application)
    if image_only is not None:
        write_image(job, image_only)
        _told_image(console, job, image_only, as_json)


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


def _told_image(console: Console, job: Job, path: Path, as_json: bool) -> None:
    size = path.stat().st_size
    if as_json:
        pieces = [{"offset": one.offset, "bytes": len(one.content), "name": one.name} for one in job.plan.pieces]
        print(json.dumps({"terminal": job.order.terminal, "image": str(path), "bytes": size, "pieces": pieces}))
        return
    screen.tell_plan(console, job.plan)
    console.print(
        f"{path}: the whole flash from offset 0, {size >> 20} MB; it holds the node's keys, so keep it secret"
    )


def _orders(node: Path | None, firmware: Path | None, board: str | None, trust: bool) -> OrderBook:
    if node is None:
        raise typer.BadParameter(
            "say what the node is to become: --node FILE (hardware/nodes/example.toml), or --kit FILE"
        )
    if firmware is None:
        raise typer.BadParameter("say where MicroPython's image is: --firmware FILE or --firmware FOLDER")
    return orders_of_files(node, board, find_image(firmware, trust))
