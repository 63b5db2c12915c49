"""What a board file says for who wires the board: connectors with their real names, supply, parts. Drawings and bills
of material are made from it (hardware/drawings); the firmware does not use it."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.toml_source import TomlModel

Text = Annotated[str, Field(min_length=1)]
Mark = Literal["C", "C2", "K"]
"""How sure it is: C a named public source was read, C2 two of them, K usual practice that no source was read for."""

_GPIO_NAME = re.compile(r"(?:IO|GPIO)(\d+)")


class ConnectorSection(TomlModel):
    """`[[connectors]]`: pins in their order on the board, or as a list where `in_order` is false.

    `gpios` has the GPIO behind a name that does not tell it itself, as IO17 does. `bus` marks the terminals of the pole
    bus on a board that has its transceiver.
    """

    name: Text
    side: Literal["left", "right"]
    pins: Annotated[tuple[Text, ...], Strict(False), Field(min_length=1)]
    gpios: Mapping[str, int] = {}
    in_order: bool = True
    bus: Annotated[tuple[Text, Text, Text], Strict(False)] | None = None
    remark: str = ""

    def gpio(self, pin: str) -> int | None:
        """The GPIO behind a pin's name, None where there is none."""
        if pin in self.gpios:
            return self.gpios[pin]
        found = _GPIO_NAME.fullmatch(pin)
        return int(found[1]) if found else None


class SupplySection(TomlModel):
    """`[supply]`: where the board is fed: `plus` and `minus` name pins, `volts` is what they take."""

    plus: Text
    minus: Text
    volts: Text
    current_ma: Annotated[int, Field(ge=1)] | None = None
    source: Text
    mark: Mark
    remark: str = ""


class PartSection(TomlModel):
    """`[[parts]]`: a line of a bill of material. `current_ma` is what one draws at most at `supply`, where known;
    `needed_by` names the pin of `[lamp]` that the pole must use for the part to be needed."""

    part: Text
    model: Text
    quantity: Annotated[int, Field(ge=1)] = 1
    purpose: Text
    supply: str = ""
    current_ma: Annotated[int, Field(ge=1)] | None = None
    remark: str = ""
    needed_by: Literal["relay", "dimmer"] | None = None
    source: Text
    mark: Mark
