"""A link to one node for a subcommand of its own, which has the serial port for itself meanwhile."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from gateway_agent.clock import Clock
from gateway_agent.collect.collector import serial_line
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import LineSettings, NodeConfig, PoleConfig
from gateway_agent.errors import GatepostError
from gateway_agent.node_keys import WriteSeal, read_key
from protocols import node_map

_GAP_MS = 5
_RETRIES = 4
_OPEN_S = 0.2
_UNIT_WITHOUT_TABLE = 247
_LINE_WITHOUT_TABLE = LineSettings(baud=19200)


def node_named(pole: PoleConfig, path: Path, name: str) -> NodeConfig:
    """The node `name` of the pole.toml at `path`. Raises GatepostError when there is none."""
    wanted = next((one for one in pole.nodes if one.name == name), None)
    if wanted is None:
        names = ", ".join(one.name for one in pole.nodes) or "none"
        raise GatepostError(f"{path} has no node {name}; its nodes are: {names}")
    return wanted


@asynccontextmanager
async def node_link(
    pole: PoleConfig, node: NodeConfig, planned_counts: Collection[int], clock: Clock, *, has_table: bool = True
) -> AsyncIterator[UnitLink]:
    """A link to `node`, with its key where it has one. Raises GatepostError when the port cannot be opened.

    A node that has no whole table (`has_table` is False) listens as unit 247 at 19200 8N1, whatever pole.toml says.
    """
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    bus = next(bus for bus in pole.buses if bus.name == node.bus)
    owner = BusOwner(bus, serial_line(bus, clock))
    task = asyncio.create_task(owner.run())
    try:
        await asyncio.sleep(_OPEN_S)
        if owner.problem is not None:
            raise GatepostError(owner.problem)
        timing = Timing(node.reply_timeout_ms, _GAP_MS, _RETRIES)
        seal = None if node.key_file is None else WriteSeal(read_key(node.key_file))
        unit, line = (node.unit, bus.line) if has_table else (_UNIT_WITHOUT_TABLE, _LINE_WITHOUT_TABLE)
        yield UnitLink(owner, unit, line, timing, {*planned_counts, node_map.AUTH_REGISTERS}, seal=seal)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
