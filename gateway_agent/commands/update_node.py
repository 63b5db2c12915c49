"""`gatepost update-node`: send a signed bundle to one node and let the node try it."""

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gateway_agent.clock import SystemClock
from gateway_agent.collect.collector import serial_line
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import NodeConfig, PoleConfig, load_pole
from gateway_agent.errors import GatepostError
from gateway_agent.node_keys import WriteSeal, read_key
from gateway_agent.update_node import NodeUpdate, UpdateOutcome, read_bundle
from protocols import node_map

_GAP_MS = 5
_RETRIES = 4
_OPEN_S = 0.2


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    node: Annotated[str, typer.Argument(help="The node's name in it.")],
    bundle: Annotated[Path, typer.Argument(help="The bundle that `make bundle` has built.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, no progress.")] = False,
) -> None:
    """Send a new version to a node, wait for its trial and tell what came of it.

    The agent must not run on the same serial port meanwhile. An interrupted update goes on where it was. Exit code 0
    when the new version is kept, 1 when it is not.

    Example: gatepost update-node pole.toml lamp-air dist/gatepost-node-0.2.0-esp32-devkitc.gpb
    """
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    configuration = load_pole(pole)
    wanted = next((one for one in configuration.nodes if one.name == node), None)
    if wanted is None:
        names = ", ".join(one.name for one in configuration.nodes) or "none"
        raise GatepostError(f"{pole} has no node {node}; its nodes are: {names}")
    outcome = asyncio.run(_update(configuration, wanted, read_bundle(bundle), quiet=as_json))
    print(json.dumps(asdict(outcome)) if as_json else outcome.sentence)
    if outcome.result != "kept":
        raise typer.Exit(1)


async def _update(pole: PoleConfig, node: NodeConfig, content: bytes, *, quiet: bool) -> UpdateOutcome:
    clock = SystemClock()
    bus = next(bus for bus in pole.buses if bus.name == node.bus)
    owner = BusOwner(bus, serial_line(bus, clock))
    task = asyncio.create_task(owner.run())
    try:
        await asyncio.sleep(_OPEN_S)
        if owner.problem is not None:
            raise GatepostError(owner.problem)
        timing = Timing(node.reply_timeout_ms, _GAP_MS, _RETRIES)
        seal = None if node.key_file is None else WriteSeal(read_key(node.key_file))
        link = UnitLink(
            owner, node.unit, bus.line, timing, {node_map.UPDATE_REGISTERS, node_map.AUTH_REGISTERS}, seal=seal
        )
        update = NodeUpdate(link, node.name, content)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
            sending = bar.add_task(f"{node.name}: sending", total=len(content))

            def show(done: int, total: int) -> None:
                what = "sending" if done < total else "verified and tried"
                bar.update(sending, completed=done, total=total, description=f"{node.name}: {what}")

            return await update.run(show)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
