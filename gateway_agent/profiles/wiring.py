"""What a profile says for who wires the device: supply, terminals, with the source. Drawings and bills of material are
made from it (hardware/drawings); nothing else uses it."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.toml_source import TomlModel

Volts = Annotated[int | float, Field(gt=0, le=500)]
TerminalName = Literal["a", "b", "plus", "minus", "send", "receive", "live", "neutral"]


class WiringSection(TomlModel):
    """`[wiring]`: only what a source gives; what is left out is told as "see its data sheet".

    `link` is what it speaks over, where its Modbus is not on RS-485 but at `ttl` level. `volts` are the least and the
    most of its `supply`. `terminals` name wires or screws. `mark`: C one named source, C2 two, K usual practice.
    """

    link: Literal["rs485", "ttl"] = "rs485"
    supply: Literal["dc", "mains"] = "dc"
    volts: Annotated[tuple[Volts, Volts], Strict(False)] | None = None
    power_w: Annotated[int | float, Field(gt=0, le=100)] | None = None
    terminals: Mapping[TerminalName, Annotated[str, Field(min_length=1, max_length=24)]] = {}
    remark: Annotated[str, Field(max_length=120)] = ""
    source: Annotated[str, Field(min_length=1)]
    mark: Literal["C", "C2", "K"]
