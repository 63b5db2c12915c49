"""What a pole needs beside its nodes and devices: hardware/parts/pole.toml."""

import importlib.resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.boards.wiring import PartSection
from gateway_agent.toml_source import TomlModel, load_toml, validate


class PolePart(PartSection):
    """A part with what one of it is needed for."""

    each: Literal["pole", "bus", "sensor bus", "ttl device", "modem"]


class PoleParts(TomlModel):
    """The whole file."""

    rail_volts: Annotated[int, Field(ge=5, le=60)]
    parts: Annotated[tuple[PolePart, ...], Strict(False)]


def load_pole_parts() -> PoleParts:
    """The checked file. Raises ConfigError."""
    path = Path(str(importlib.resources.files("hardware").joinpath("parts", "pole.toml")))
    return validate(PoleParts, load_toml(path))
