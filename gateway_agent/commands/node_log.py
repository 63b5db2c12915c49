"""`gatepost node-log`: what a node has noted of itself, as sentences."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gateway_agent.clock import Clock, SystemClock
from gateway_agent.collect.node_log import LogEntry, read_log
from gateway_agent.collect.request import NoAnswerError
from gateway_agent.commands.node_link import node_link, node_named
from gateway_agent.config import NodeConfig, PoleConfig, load_pole
from gateway_agent.errors import GatepostError


def command(
    pole: Annotated[Path, typer.Argument(help="The configuration of the pole.")],
    node: Annotated[str, typer.Argument(help="The node's name in it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    no_table: Annotated[
        bool, typer.Option("--no-table", help="The node has no whole table: ask unit 247 at 19200 8N1.")
    ] = False,
) -> None:
    """Print the last entries of a node's log, the oldest first; the agent writes the same into its own log.

    The agent must not run on the same serial port meanwhile.

    Example: gatepost node-log pole.toml lamp-air
    """
    configuration = load_pole(pole)
    wanted = node_named(configuration, pole, node)
    try:
        entries = asyncio.run(read(configuration, wanted, SystemClock(), has_table=not no_table))
    except NoAnswerError as error:
        raise GatepostError(f"{node}: {error.advice()}") from error
    if as_json:
        print(json.dumps({"node": node, "entries": [asdict(one) | {"sentence": one.sentence} for one in entries]}))
        return
    for one in entries:
        print(f"{one.number:6}  start {one.start}, {one.seconds} s after it: {one.sentence}")


async def read(pole: PoleConfig, node: NodeConfig, clock: Clock, *, has_table: bool) -> list[LogEntry]:
    """All entries that the node has. Raises NoAnswerError when it does not answer."""
    async with node_link(pole, node, (), clock, has_table=has_table) as link:
        return await read_log(link)
