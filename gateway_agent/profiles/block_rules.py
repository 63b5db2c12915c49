"""Checks of a node's register blocks."""

from collections.abc import Iterator, Mapping

from gateway_agent.profiles.blocks import BlockSection, FieldSection
from gateway_agent.profiles.sources import REGISTER_COUNTS
from gateway_agent.toml_source import Finding


def check_blocks(blocks: Mapping[str, BlockSection]) -> Iterator[Finding]:
    """Blocks that overlap or leave the address space, fields of one name, fixed values that do not fit."""
    end, before = 0, ""
    for name, block in sorted(blocks.items(), key=lambda item: item[1].address):
        loc = ("blocks", name)
        if not block.registers:
            yield Finding(loc, f"block {name} has neither fields nor entry", "add fields")
        if block.address < end:
            what = f"block {name} begins at {block.address:#06x}, inside block {before}"
            yield Finding((*loc, "address"), what, f"begin at {end:#06x} or later")
        end, before = block.address + block.registers, name
        if end > 0x10000:
            yield Finding((*loc, "address"), f"block {name} ends behind register 0xFFFF", "begin lower")
        yield from _check_fields((*loc, "fields"), block.fields)
        if block.entry is not None:
            yield from _check_fields((*loc, "entry", "fields"), block.entry.fields)


def _check_fields(loc: tuple[str, ...], fields: tuple[FieldSection, ...]) -> Iterator[Finding]:
    seen = set()
    for index, field in enumerate(fields):
        if field.name in seen:
            yield Finding((*loc, index), f"two fields are named {field.name}", "give each its own name")
        seen.add(field.name)
        if field.fixed is not None and field.fixed >= 1 << 16 * REGISTER_COUNTS[field.type]:
            yield Finding((*loc, index, "fixed"), f"{field.fixed} does not fit into {field.type}", "use a wider type")
