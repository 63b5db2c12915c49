"""Profile sections for the register blocks of our own node, from which `protocols/node_map.py` is made."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.profiles.sources import REGISTER_COUNTS, Address
from gateway_agent.toml_source import TomlModel
from gateway_agent.toml_spelling import Spelling

FieldName = Annotated[
    str,
    Field(max_length=32),
    Spelling(
        "[a-z][a-z0-9_]*", "the name of a field has small letters, digits and _, and begins with a letter", "unix_s"
    ),
]


class FieldSection(TomlModel):
    """One field of a block. `fixed` is its value for ever; `reserved` fields read 0 and take no writes yet."""

    name: FieldName
    type: Literal["u16", "s16", "u32", "s32", "u64"]
    title: str = ""
    fixed: Annotated[int, Field(ge=0)] | None = None
    reserved: bool = False

    @property
    def registers(self) -> int:
        """How many registers the field takes."""
        return REGISTER_COUNTS[self.type]


Fields = Annotated[tuple[FieldSection, ...], Strict(False), Field(min_length=1)]


class EntrySection(TomlModel):
    """A record that stands `count` times, one after the other, behind the fields of its block."""

    name: FieldName
    count: Annotated[int, Field(ge=1, le=1000)]
    fields: Fields

    @property
    def registers(self) -> int:
        """How many registers one record takes."""
        return sum(field.registers for field in self.fields)


class BlockSection(TomlModel):
    """Neighbouring registers that belong together; fields follow each other without gaps, high word first."""

    address: Address
    access: Literal["read", "write", "read-write"]
    title: str = ""
    fields: Annotated[tuple[FieldSection, ...], Strict(False)] = ()
    entry: EntrySection | None = None

    @property
    def fields_registers(self) -> int:
        """How many registers the fields before the entries take."""
        return sum(field.registers for field in self.fields)

    @property
    def registers(self) -> int:
        """How many registers the block takes."""
        entries = self.entry.count * self.entry.registers if self.entry else 0
        return self.fields_registers + entries
