"""Profile sections that say where a value comes from: registers, parts of registers, a pin.

Addresses are those of the protocol data unit, counted from 0 (MODBUS Application Protocol V1.1b3, section 4.4).
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from gateway_agent.toml_source import TomlModel
from gateway_agent.toml_spelling import Spelling

RegisterType = Literal["u16", "s16", "u32", "s32", "u48", "u64", "f32", "bool", "bits"]
REGISTER_COUNTS = {"u16": 1, "s16": 1, "bool": 1, "u32": 2, "s32": 2, "f32": 2, "u48": 3, "u64": 4}

Address = Annotated[int, Field(ge=0, le=0xFFFF, examples=[0])]
ReadFunction = Literal[3, 4]
WriteFunction = Literal[6, 16]
Bit = Annotated[int, Field(ge=0, le=15)]
BitRange = Annotated[tuple[Bit, Bit], Strict(False)]
OptionName = Annotated[
    str,
    Field(max_length=32),
    Spelling(
        "[a-z][a-z0-9_]*",
        "the name of an option has small letters, digits and _, and begins with a letter",
        "wind_scale",
    ),
]
QualityWord = Literal["good", "warming-up", "fault", "invalid"]


def _code(key: Any) -> Any:
    """A TOML key such as `7` or `0x0F` as the number that it writes."""
    try:
        return int(key, 0) if isinstance(key, str) else key
    except ValueError:
        return key


Code = Annotated[int, BeforeValidator(_code), Field(ge=0, le=0xFFFF)]


class PartSection(TomlModel):
    """Some bits of one register, `bits = [highest, lowest]`, bit 0 being the least significant."""

    address: Address
    bits: BitRange = (15, 0)


class RegisterSection(TomlModel):
    """Where in the device's registers a value stands, and as what.

    `type = "bits"` puts a value together from `parts`, the most significant first; all other types begin at `address`.
    `bits` takes one range out of a single register (u16 or bool). `word_order = "little"` has the least significant
    register first. `unit_offset` is added to the device's unit id, for products that answer under several.
    `shift` names an option that moves the address.
    """

    function: ReadFunction
    type: RegisterType
    address: Address | None = None
    bits: BitRange | None = None
    parts: Annotated[tuple[PartSection, ...], Strict(False), Field(max_length=4)] = ()
    word_order: Literal["big", "little"] = "big"
    unit_offset: Annotated[int, Field(ge=0, le=15)] = 0
    shift: OptionName | None = None


class StatusSection(TomlModel):
    """A status register and what each of its codes does to the quality of the points that name it.

    It is read under the unit id, with the function and with the shift of the point. A code that is not listed gives
    `otherwise`.
    """

    address: Address
    bits: BitRange = (15, 0)
    codes: Annotated[dict[Code, QualityWord], Field(min_length=1, max_length=32)]
    otherwise: QualityWord = "fault"


class ExponentSection(TomlModel):
    """A register whose code says by which power of ten a value counts: its decimals, or its unit.

    As `decimals` the code maps to a number of decimals (value = raw / 10^decimals); as `unit_code` it maps to the
    power of ten from the device's unit to the point's (cm to m is -2). An unlisted code makes the value invalid.
    """

    address: Address
    bits: BitRange = (15, 0)
    codes: Annotated[dict[Code, Annotated[int, Field(ge=-9, le=9)]], Field(min_length=1, max_length=32)]


class PinSection(TomlModel):
    """A digital input of the node: `number` is a GPIO or names the option that holds it."""

    number: Annotated[int, Field(ge=0, le=48)] | OptionName
    active: Literal["high", "low"] = "high"
    pull: Literal["up", "down", "none"] = "up"
    debounce_ms: Annotated[int, Field(ge=0, le=1000)] = 50
