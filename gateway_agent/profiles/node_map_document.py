"""The text of docs/node-map.md: the register map of our own node."""

from gateway_agent.profiles.blocks import BlockSection, FieldSection
from gateway_agent.profiles.model import Profile

_HEAD = """# The node's register map

Made by `make gen` from `hardware/devices/gatepost-node.toml`; do not edit.

A node is a Modbus RTU server on the pole bus: {line}, unit id {unit} unless pole.toml says otherwise. Addresses are
those of the protocol, counted from 0. Functions 3 and 4 read every register alike; blocks that can be written take
functions 6 and 16. A number of several registers has its most significant register first and is read in one request.
Reserved fields read 0. Qualities are those of `protocols/quality.py`, event codes those of `protocols/event_codes.py`.
"""


def node_map_document(profile: Profile) -> str:
    """The whole document for a node's profile."""
    serial = profile.device.serial
    assert serial is not None
    head = _HEAD.format(line=f"{serial.baud} 8{serial.parity}{serial.stop_bits}", unit=serial.unit_id)
    return "\n".join([head, *(_block(name, block) for name, block in profile.blocks.items())])


def _block(name: str, block: BlockSection) -> str:
    title = f"## {name.replace('_', ' ').capitalize()}: 0x{block.address:04X}, {block.access}"
    lines = [title, "", f"{block.title}.", ""]
    if block.fields:
        lines += ["| register | field | type | |", "|---|---|---|---|"]
        lines += _rows(block.fields, block.address, "0x{:04X}")
        lines.append("")
    if block.entry is not None:
        start = block.address + block.fields_registers
        entry = block.entry
        lines += [f"From 0x{start:04X} on {entry.count} times, {entry.registers} registers each:", ""]
        lines += ["| offset | field | type | |", "|---|---|---|---|"]
        lines += _rows(entry.fields, 0, "+{}")
        lines.append("")
    return "\n".join(lines)


def _rows(fields: tuple[FieldSection, ...], start: int, form: str) -> list[str]:
    rows = []
    at = start
    for field in fields:
        fixed = "" if field.fixed is None else f"0x{field.fixed:04X}: "
        note = "reserved" if field.reserved else fixed + field.title
        rows.append(f"| {form.format(at)} | `{field.name}` | {field.type} | {note} |")
        at += field.registers
    return rows
