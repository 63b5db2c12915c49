"""Writing `protocols/node_map.py`: the register addresses of our own node as plain constants, for node and rig."""

from gateway_agent.profiles.blocks import BlockSection, FieldSection
from gateway_agent.profiles.model import Profile

_HEAD = '''"""Registers of our own node. Made by `make gen` from hardware/devices/gatepost-node.toml; do not edit.

For a block BLOCK: its first address, BLOCK_REGISTERS how many it has, and BLOCK_FIELD the address of each field. For a
record that repeats: the address of the first, how many there are, how many registers one takes, and the offset of each
field within one.
"""
'''


def node_map_module(profile: Profile) -> str:
    """The text of the module for the blocks of a node's profile."""
    parts = [_HEAD]
    for name, block in profile.blocks.items():
        parts.append(_block(name.upper(), block))
    return "\n".join(parts)


def _block(name: str, block: BlockSection) -> str:
    lines = [f"# {block.title}, {block.access}", f"{name} = 0x{block.address:04X}"]
    lines.append(f"{name}_REGISTERS = {block.registers}")
    lines += _fields(name, block.fields, block.address, "0x{:04X}")
    if block.entry is not None:
        entry = block.entry.name.upper()
        lines.append(f"{entry} = 0x{block.address + block.fields_registers:04X}")
        lines.append(f"{entry}_COUNT = {block.entry.count}")
        lines.append(f"{entry}_REGISTERS = {block.entry.registers}")
        lines += _fields(entry, block.entry.fields, 0, "{}")
    return "\n".join(lines) + "\n"


def _fields(prefix: str, fields: tuple[FieldSection, ...], start: int, form: str) -> list[str]:
    lines = []
    at = start
    for field in fields:
        note = "  # reserved" if field.reserved else f"  # {field.type}: {field.title}"
        lines.append(f"{prefix}_{field.name.upper()} = {form.format(at)}{note}")
        if field.fixed is not None:
            lines.append(f"{prefix}_{field.name.upper()}_VALUE = 0x{field.fixed:04X}")
        at += field.registers
    return lines
