"""`gatepost node-settings`: give a node the table that pole.toml makes for it, over the pole bus."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.clock import Clock, SystemClock
from gateway_agent.commands.node_link import node_link, node_named
from gateway_agent.config import NodeConfig, PoleConfig, load_pole
from gateway_agent.provision import node_table
from gateway_agent.send_settings import SettingsOutcome, send_settings
from protocols import node_map, node_settings


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    node: Annotated[str, typer.Argument(help="The node's name in it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_table: Annotated[
        bool, typer.Option("--no-table", help="The node has no whole table: ask unit 247 at 19200 8N1.")
    ] = False,
) -> None:
    """Send a node its settings and tell what became of them; the node checks them, keeps them and starts again.

    The agent must not run on the same serial port meanwhile. Exit code 0 when the settings are safe on the node, 1 when
    they are not.

    Example: gatepost node-settings pole.toml lamp-air
    """
    configuration = load_pole(pole)
    wanted = node_named(configuration, pole, node)
    content = node_settings.pack([(node_settings.NODE_TABLE, node_table(configuration, node))])
    outcome = asyncio.run(send(configuration, wanted, content, SystemClock(), has_table=not no_table))
    print(json.dumps(asdict(outcome)) if as_json else outcome.sentence)
    if outcome.result != "taken":
        raise typer.Exit(1)


async def send(pole: PoleConfig, node: NodeConfig, content: bytes, clock: Clock, *, has_table: bool) -> SettingsOutcome:
    """Send `content` to the node over its bus, which nobody else may have open."""
    async with node_link(pole, node, (node_map.SETTINGS_STATE_REGISTERS,), clock, has_table=has_table) as link:
        return await send_settings(link, node.name, content)
