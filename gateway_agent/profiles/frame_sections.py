"""Profile sections for serial sensors that speak in frames of their own, and for text sentences (NMEA 0183).

A frame is read as if it were the answer to a register request, one that counts bytes: `field.at` is the place of a
value, counted from 0 at the first sync byte. How a node finds frames is told in protocols/spec/node-table.md.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.profiles.sources import OptionName
from gateway_agent.toml_source import TomlModel

Byte = Annotated[int, Field(ge=0, le=255)]
Command = Annotated[tuple[Byte, ...], Strict(False), Field(max_length=20)]
SentenceName = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
FIELD_BYTES = {"u8": 1, "s8": 1, "u16": 2, "s16": 2, "u32": 4, "s32": 4}


Baud = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]


class LineSection(TomlModel):
    """The sensor's own serial line; it has no other device on it. `baud_choices` are what else it can be set to."""

    baud: Baud = 9600
    baud_choices: Annotated[tuple[Baud, ...], Strict(False)] = ()
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1


class LengthSection(TomlModel):
    """A length that the frame itself tells: the number at byte `at`, plus `adds`, is the whole frame.

    Only lengths from `least` to `most` are frames of this sensor.
    """

    at: Annotated[int, Field(ge=0, le=127)]
    type: Literal["u8", "u16"]
    adds: Annotated[int, Field(ge=-128, le=127)] = 0
    least: Annotated[int, Field(ge=4, le=128)]
    most: Annotated[int, Field(ge=4, le=128)]


class ChecksumSection(TomlModel):
    """Which bytes are summed and where the sum stands; places below 0 count from the frame's end.

    `first` is the first byte that counts, or names the option that holds it; `end` is the first that does not (without
    it: where the sum stands). `sum16` is 16 bits, the high byte first; `sum8` the low byte of the sum; `negated-sum8`
    its two's complement.
    """

    kind: Literal["sum16", "sum8", "negated-sum8"]
    at: Annotated[int, Field(ge=-128, le=127)]
    first: Annotated[int, Field(ge=0, le=127)] | OptionName = 0
    end: Annotated[int, Field(ge=-128, le=127)] | None = None


class SentenceSection(TomlModel):
    """A kind of sentence, and the letters that its field `valid_field` must hold before anything in it counts."""

    valid_field: Annotated[int, Field(ge=1, le=30)] | None = None
    valid: Annotated[str, Field(max_length=20)] = ""


class FrameSection(TomlModel):
    """How a sensor's frames look and when they come.

    `streaming` sensors and `sentences` speak by themselves, at least every `every_ms`; an `answering` one is sent
    `request` and begins to answer within `reply_timeout_ms`. `setup` goes out before the first request and after every
    failure. With `median` a sample is the middle one of the last three good ones, so that a single false echo is none.
    `gap_ms` is the silence that is waited for first; `retries`, `warm_up_s`, `zero_tries` and `zero_wait_ms`
    are those of a device's timing.
    """

    mode: Literal["streaming", "answering", "sentences"]
    line: LineSection = LineSection()
    sync: Annotated[tuple[Byte, ...], Strict(False), Field(max_length=4)] = ()
    bytes_: Annotated[int | None, Field(alias="bytes", ge=4, le=128)] = None
    length: LengthSection | None = None
    checksum: ChecksumSection | None = None
    tail: Annotated[tuple[Byte, ...], Strict(False), Field(max_length=2)] = ()
    request: Command = ()
    setup: Command = ()
    sentences: Mapping[SentenceName, SentenceSection] = {}
    median: bool = False
    every_ms: Annotated[int, Field(ge=50, le=20000)] | None = None
    reply_timeout_ms: Annotated[int, Field(ge=10, le=10000)] | None = None
    gap_ms: Annotated[int, Field(ge=0, le=1000)] = 10
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    warm_up_s: Annotated[int, Field(ge=0, le=3600)] = 0
    zero_tries: Annotated[int, Field(ge=0, le=20)] = 0
    zero_wait_ms: Annotated[int, Field(ge=0, le=10000)] = 0

    @property
    def least(self) -> int:
        """Bytes of the shortest frame; 0 for sentences."""
        return self.length.least if self.length is not None else self.bytes_ or 0

    @property
    def most(self) -> int:
        """Bytes of the longest frame; 0 for sentences."""
        return self.length.most if self.length is not None else self.bytes_ or 0

    @property
    def timeout_ms(self) -> int:
        """How long a poll waits for a frame to begin: twice the sensor's own period, or its reply time-out."""
        return self.reply_timeout_ms or 2 * (self.every_ms or 0)


class FrameFieldSection(TomlModel):
    """Where in a frame a value stands: byte `at` and a type; or which field of which sentence, and how it is written.

    A `position` is `ddmm.mmmm` with its hemisphere in the next field, a `time` `hhmmss`.
    """

    at: Annotated[int, Field(ge=0, le=127)] | None = None
    type: Literal["u8", "s8", "u16", "s16", "u32", "s32"] | None = None
    order: Literal["big", "little"] = "big"
    sentence: SentenceName | None = None
    number: Annotated[int, Field(ge=1, le=30)] | None = None
    written: Literal["number", "position", "time"] = "number"


class CurrentSection(TomlModel):
    """A 4-20 mA sensor at an ADC pin: what 4 mA and 20 mA stand for, in the point's unit, and the shunt."""

    pin: Annotated[int, Field(ge=32, le=39)] | OptionName
    shunt_ohm: Annotated[int, Field(ge=10, le=1000)] | OptionName
    at_4_ma: float | OptionName
    at_20_ma: float | OptionName


class PulsesSection(TomlModel):
    """A contact whose closings the node counts; edges nearer to each other than `debounce_ms` are one."""

    number: Annotated[int, Field(ge=0, le=48)] | OptionName
    edge: Literal["falling", "rising"] = "falling"
    pull: Literal["up", "down", "none"] = "up"
    debounce_ms: Annotated[int, Field(ge=1, le=2000)] = 150


class TiltSection(TomlModel):
    """An angle of the LIS3DH on I2C: from the background that the node learned, or from upright (z up)."""

    turned_from: Literal["background", "upright"]
    sda: Annotated[int, Field(ge=0, le=33)] | OptionName
    scl: Annotated[int, Field(ge=0, le=33)] | OptionName
    address: Annotated[int, Field(ge=8, le=119)] | OptionName
