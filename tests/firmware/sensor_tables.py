"""Node tables for one serial sensor or for points that the node measures itself, made as provisioning makes them."""

from pathlib import Path
from typing import Any

from gateway_agent.config.schema import PoleConfig
from gateway_agent.provision import node_table, slots
from gateway_agent.toml_source import parse_toml
from tests.firmware.workbench import NODE

HEAD = """
[pole]
gateway = "gp-test-1"
[[buses]]
name = "pole"
port = "/dev/ttyS0"
baud = 19200
[journal]
path = "journal.sqlite"
[uplink]
url = "coap://127.0.0.1:5683"
security = "clear"
"""


def pole_of(
    *devices: tuple[str, dict[str, Any]], every_s: float = 2.0, manhole: dict[str, Any] | None = None
) -> PoleConfig:
    """A pole with one node "node" that has these devices: (profile, options), named d0, d1 and so on."""
    entries = [
        {"name": f"d{index}", "profile": profile, "every_s": every_s, "options": options}
        for index, (profile, options) in enumerate(devices)
    ]
    node = {"name": "node", "bus": "pole", "unit": NODE, "every_s": 2.0, "devices": entries}
    if manhole is not None:
        node["manhole"] = manhole
    base = parse_toml(HEAD, Path("pole.toml")).data
    return PoleConfig.model_validate({**base, "nodes": [node]})


def table_and_slots(pole: PoleConfig) -> tuple[bytes, dict[str, int]]:
    """The node's table, and the slot of each point by its own name."""
    return node_table(pole, "node"), {slot.point.name: slot.index for slot in slots(pole, "node")}
