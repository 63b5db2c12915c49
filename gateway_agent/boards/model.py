"""What a board file may say: one class per table of `hardware/boards/*.toml`. What pins may be stands in `rules`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.boards.wiring import ConnectorSection, PartSection, SupplySection
from gateway_agent.toml_source import TomlModel

Pin = Annotated[int, Field(ge=0, le=39)]
Pins = Annotated[tuple[Pin, ...], Strict(False)]
Rule = Literal["strapping", "console", "psram", "boot-pulse"]
Text = Annotated[str, Field(min_length=1)]


class BoardSection(TomlModel):
    """`[board]`: what it is. `number` is how a node tells its board, and what an update's manifest names."""

    model: Annotated[str, Field(min_length=1, max_length=48)]
    number: Annotated[int, Field(ge=1, le=65535)]
    module: Literal["WROOM", "WROVER"]


class PortSection(TomlModel):
    """`[pole_bus]` and `[sensor_port]`: a UART, its pins and its transceiver.

    `transceiver` says who turns it round: "pin" the firmware by `direction` (high is sending), "auto" the board itself,
    "none": there is none, a serial sensor hangs on bare pins. `echoes`: the board hears what it sends. `max_baud` is
    the highest speed that the transceiver carries, where it has one.
    """

    uart: Literal[1, 2]
    tx: Pin
    rx: Pin
    transceiver: Literal["pin", "auto", "none"]
    direction: Pin | None = None
    echoes: bool = False
    max_baud: Annotated[int, Field(ge=1200, le=115200)] | None = None


class EnableSection(TomlModel):
    """`[[enable]]`: a pin that must have `level` before anything can be sent; `what` it switches."""

    pin: Pin
    level: Literal[0, 1]
    what: Text


class I2cSection(TomlModel):
    """`[i2c]`: the pins of the I2C bus, for an accelerometer."""

    sda: Pin
    scl: Pin


class LampSection(TomlModel):
    """`[lamp]`: pins for a lamp on pins, `dimmer` by PWM, `relay` on or off, as far as the board has them."""

    dimmer: Pin | None = None
    relay: Pin | None = None


class FreeSection(TomlModel):
    """`[free]`: what a node table may use: digital inputs, analogue inputs, outputs. One pin may stand in several."""

    inputs: Pins = ()
    analog: Pins = ()
    outputs: Pins = ()


class ExceptionSection(TomlModel):
    """`[[exceptions]]`: a pin that breaks a rule all the same, and the reason why that does no harm."""

    pin: Pin
    rule: Rule
    reason: Annotated[str, Field(min_length=20)]


class Board(TomlModel):
    """A whole board file."""

    board: BoardSection
    pole_bus: PortSection
    sensor_port: PortSection
    enable: Annotated[tuple[EnableSection, ...], Strict(False)] = ()
    i2c: I2cSection | None = None
    lamp: LampSection = LampSection()
    free: FreeSection = FreeSection()
    wired: Mapping[str, Pins] = {}
    exceptions: Annotated[tuple[ExceptionSection, ...], Strict(False)] = ()
    connectors: Annotated[tuple[ConnectorSection, ...], Strict(False)] = ()
    supply: SupplySection | None = None
    parts: Annotated[tuple[PartSection, ...], Strict(False)] = ()

    def fixed_pins(self) -> Iterator[tuple[tuple[str | int, ...], int]]:
        """Key path and pin of each pin that has its use once and for all."""
        for name, port in (("pole_bus", self.pole_bus), ("sensor_port", self.sensor_port)):
            yield (name, "tx"), port.tx
            yield (name, "rx"), port.rx
            if port.direction is not None:
                yield (name, "direction"), port.direction
        for index, enable in enumerate(self.enable):
            yield ("enable", index, "pin"), enable.pin
        for name, pins in self.wired.items():
            for pin in pins:
                yield ("wired", name), pin

    def chosen_pins(self) -> Iterator[tuple[tuple[str | int, ...], int]]:
        """Key path and pin of each pin that a node may use or leave alone."""
        if self.i2c is not None:
            yield ("i2c", "sda"), self.i2c.sda
            yield ("i2c", "scl"), self.i2c.scl
        for name, pin in (("dimmer", self.lamp.dimmer), ("relay", self.lamp.relay)):
            if pin is not None:
                yield ("lamp", name), pin
        for name, pins in (("inputs", self.free.inputs), ("analog", self.free.analog), ("outputs", self.free.outputs)):
            for pin in pins:
                yield ("free", name), pin
