"""Profile sections that write to a device: the lamp, guarded configuration, guarded actions."""

from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.profiles.sources import Address, OptionName, RegisterSection, WriteFunction
from gateway_agent.toml_source import TomlModel

MAX_LAMP_VALUE = 255


class LampWriteSection(TomlModel):
    """The register that takes the driver's value."""

    function: WriteFunction
    address: Address
    unit_offset: Annotated[int, Field(ge=0, le=15)] = 0
    shift: OptionName | None = None


class LampSection(TomlModel):
    """A lamp: where its level is written and read back.

    `level_pct` is linear light output, 0 to 100. The curve turns it into the driver's value: `linear` is
    level / 100 * full_value, `dali-log` is the inverse of X% = 10^((n-1)/(253/3)-1) (IEC 62386-102). Level 0 is
    `off_value`. `read_back` names the point that holds the driver's present value; `settle_ms` is how long after a
    write it may still show the old one.
    """

    write: LampWriteSection
    read_back: str
    curve: Literal["linear", "dali-log"]
    off_value: Annotated[int, Field(ge=0, le=MAX_LAMP_VALUE)] = 0
    full_value: Annotated[int, Field(ge=1, le=MAX_LAMP_VALUE, examples=[254])]
    settle_ms: Annotated[int, Field(ge=0, le=60000)] = 0


class ConfigurationSection(TomlModel):
    """A setting of the device that is written once, at commissioning, with this device alone on the bus.

    `codes` lists the register's codes by what they mean (`{ 9600 = 2 }`); without it the value is the number itself,
    within `range`. It is a table of its own kind so that no poller and no command can reach it.
    """

    title: str = ""
    register_at: Annotated[RegisterSection, Field(alias="register")]
    write: WriteFunction
    sets: Literal["unit-id", "baud", "parity", "correction", "threshold", "zero", "other"]
    codes: dict[str, Annotated[int, Field(ge=0, le=0xFFFF)]] | None = None
    range: Annotated[tuple[int, int], Strict(False)] | None = None
    guard: Literal["commissioning"]


class ActionSection(TomlModel):
    """Something the device does when it is told: a write of one coil or register, or a vendor's own function.

    Functions 5, 6 and 16 take `address` and `value`; any other function takes its `payload` bytes as they are.
    """

    title: str = ""
    function: Annotated[int, Field(ge=5, le=127)]
    address: Address | None = None
    value: Annotated[int, Field(ge=0, le=0xFFFF)] | None = None
    payload: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Strict(False), Field(max_length=250)] = ()
    guard: Literal["commissioning", "operator"]

    def request(self) -> bytes:
        """The protocol data unit: function and data, without unit id and CRC."""
        if self.address is None or self.value is None:
            return bytes([self.function, *self.payload])
        head = bytes([self.function]) + self.address.to_bytes(2, "big")
        if self.function == 16:
            return head + b"\x00\x01\x02" + self.value.to_bytes(2, "big")
        return head + self.value.to_bytes(2, "big")
