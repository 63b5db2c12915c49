"""`gatepost update-node`: send a signed bundle to one node and let the node try it."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway_agent.clock import Clock, SystemClock
from gateway_agent.commands.node_link import node_link, node_named
from gateway_agent.config import NodeConfig, PoleConfig, load_pole
from gateway_agent.update_node import NodeUpdate, UpdateOutcome, check_board, read_bundle
from protocols import node_map


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    node: Annotated[str, typer.Argument(help="The node's name in it.")],
    bundle: Annotated[Path, typer.Argument(help="The bundle that `make bundle` has built.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, no progress.")] = False,
    no_table: Annotated[
        bool, typer.Option("--no-table", help="The node has no whole table: ask unit 247 at 19200 8N1.")
    ] = False,
) -> None:
    """Send a new version to a node, wait for its trial and tell what came of it.

    The agent must not run on the same serial port meanwhile. An interrupted update goes on where it was. Exit code 0
    when the new version is kept, 1 when it is not.

    Example: gatepost update-node pole.toml lamp-air dist/gatepost-node-0.2.0-esp32-devkitc.gpb
    """
    configuration = load_pole(pole)
    wanted = node_named(configuration, pole, node)
    content = read_bundle(bundle)
    check_board(content, wanted.board, wanted.name)
    outcome = asyncio.run(send(configuration, wanted, content, SystemClock(), has_table=not no_table, quiet=as_json))
    print(json.dumps(asdict(outcome)) if as_json else outcome.sentence)
    if outcome.result != "kept":
        raise typer.Exit(1)


async def send(
    pole: PoleConfig, node: NodeConfig, content: bytes, clock: Clock, *, has_table: bool, quiet: bool
) -> UpdateOutcome:
    """Send a bundle over the node's bus, which nobody else may have open, and wait for the end of its trial."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    async with node_link(pole, node, (node_map.UPDATE_REGISTERS,), clock, has_table=has_table) as link:
        update = NodeUpdate(link, node.name, content)
        with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
            sending = bar.add_task(f"{node.name}: sending", total=len(content))

            def show(done: int, total: int) -> None:
                what = "sending" if done < total else "verified and tried"
                bar.update(sending, completed=done, total=total, description=f"{node.name}: {what}")

            return await update.run(show)
