"""What a device profile may say: one class per table of `hardware/devices/*.toml`.

Shape alone is checked here; what one key means for another is checked in `rules`. `docs/devices.md` tells in words how
a profile is written.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway_agent.profiles.blocks import BlockSection
from gateway_agent.profiles.frame_sections import (
    CurrentSection,
    FrameFieldSection,
    FrameSection,
    PulsesSection,
    TiltSection,
)
from gateway_agent.profiles.sources import (
    ExponentSection,
    OptionName,
    PinSection,
    RegisterSection,
    StatusSection,
)
from gateway_agent.profiles.wiring import WiringSection
from gateway_agent.profiles.writes import ActionSection, ConfigurationSection, LampSection
from gateway_agent.toml_source import TomlModel

OptionValue = int | str
Baud = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
Parity = Literal["N", "E", "O"]
StopBits = Literal[1, 2]
UnitId = Annotated[int, Field(ge=1, le=255)]
Name = Annotated[str, Field(max_length=32)]


class SerialSection(TomlModel):
    """How the device leaves the factory, and the other settings that it can be given.

    An empty tuple of choices means that the factory setting is the only one.
    """

    baud: Baud
    parity: Parity
    stop_bits: StopBits
    unit_id: UnitId
    baud_choices: Annotated[tuple[Baud, ...], Strict(False)] = ()
    parity_choices: Annotated[tuple[Parity, ...], Strict(False)] = ()
    stop_bits_choices: Annotated[tuple[StopBits, ...], Strict(False)] = ()

    def misfits(self, baud: int, parity: str, stop_bits: int) -> list[str]:
        """Why the device cannot share a line with these settings, one phrase each; empty when it can."""
        reasons = []
        for what, value, own, choices in (
            ("baud", baud, self.baud, self.baud_choices),
            ("parity", parity, self.parity, self.parity_choices),
            ("stop bits", stop_bits, self.stop_bits, self.stop_bits_choices),
        ):
            allowed = tuple(dict.fromkeys((own, *choices)))
            if value not in allowed:
                reasons.append(f"the line has {what} {value}, the device takes {' or '.join(map(str, allowed))}")
        return reasons


class TimingSection(TomlModel):
    """How the device wants to be spoken to.

    `reply_timeout_ms` runs from the end of the request to the first byte of the answer; `gap_ms` is the least silence
    between two requests to it; for `warm_up_s` seconds after power-on its figures do not count. Where a point has
    `zero_means_retry`, a zero is asked for again up to `zero_tries` times, `zero_wait_ms` apart.
    """

    reply_timeout_ms: Annotated[int, Field(ge=10, le=10000, examples=[200])]
    gap_ms: Annotated[int, Field(ge=0, le=5000, examples=[20])]
    retries: Annotated[int, Field(ge=0, le=10, examples=[2])]
    warm_up_s: Annotated[int, Field(ge=0, le=3600)] = 0
    zero_tries: Annotated[int, Field(ge=0, le=20)] = 0
    zero_wait_ms: Annotated[int, Field(ge=0, le=10000)] = 0


class RequestsSection(TomlModel):
    """How reads may be joined: registers in one request, and unused registers that a request may run across."""

    max_registers: Annotated[int, Field(ge=1, le=125)] = 125
    max_gap: Annotated[int, Field(ge=0, le=124)] = 0


class DeviceSection(TomlModel):
    """What the device is. `serial` and `timing` are for devices on a bus; one of pins or frames alone has neither."""

    model: Annotated[str, Field(min_length=1, examples=["Maker Model-1"])]
    kind: Annotated[str, Field(min_length=1, examples=["electrical meter"])]
    serial: SerialSection | None = None
    timing: TimingSection | None = None
    requests: RequestsSection = RequestsSection()


class ShiftSection(TomlModel):
    """How an option moves addresses: address + (value of the option - origin) * step."""

    origin: int
    step: int


class OptionSection(TomlModel):
    """A choice that `pole.toml` makes for one device: one of `choices`, or a whole number within `range`."""

    title: Annotated[str, Field(min_length=1, examples=["what it chooses"])]
    default: OptionValue
    choices: Annotated[tuple[OptionValue, ...], Strict(False)] = ()
    range: Annotated[tuple[int, int], Strict(False)] | None = None
    shift: ShiftSection | None = None

    @property
    def bounds_or_choices(self) -> tuple[OptionValue, ...]:
        """Both ends of the range, or all choices."""
        return self.choices if self.range is None else self.range

    def allows(self, value: object) -> bool:
        """Whether the option may have this value."""
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return False
        if self.range is not None:
            return isinstance(value, int) and self.range[0] <= value <= self.range[1]
        return value in self.choices


class ReportSection(TomlModel):
    """How a point is reported when `pole.toml` does not say otherwise.

    Either on change, at least every `every_s` seconds, `change` being in the point's unit; or as window figures over
    `window_s` seconds.
    """

    every_s: Annotated[int, Field(ge=1, le=86400, examples=[60])] | None = None
    change: Annotated[float, Field(gt=0)] | None = None
    window_s: Annotated[int, Field(ge=1, le=86400)] | None = None


class PointSection(TomlModel):
    """One quantity of the device: from a register, a field of a frame, a pin, a current, pulses or a tilt.

    `scale` is the power of ten of one count, or names the option that holds it; `offset` is what a register of 0
    stands for; `range` is what is plausible; both are in `unit`. `invalid` lists raw register values that mean "no
    value" (NaN and the infinities of an f32 always do). A point with `when` exists only where the options have those
    values; `name` stands for the table's own name where two such tables are the same quantity. `no_echo` lists raw
    values by which an ultrasonic sensor says that it heard nothing; `stuck_min` is how many minutes the value may stay
    the same before it is no longer believed, 0 for ever. With `down_from` the point is that option's value, in counts
    of the point, less what the register counts: a level below a sensor that measures the distance down to it.
    """

    title: str = ""
    unit: Annotated[str, Field(examples=["V"])]
    register_at: Annotated[RegisterSection | None, Field(alias="register")] = None
    pin: PinSection | None = None
    field: FrameFieldSection | None = None
    current: CurrentSection | None = None
    pulses: PulsesSection | None = None
    tilt: TiltSection | None = None
    name: Name | None = None
    scale: int | OptionName = 0
    offset: float = 0
    range: Annotated[tuple[float, float], Strict(False)] | None = None
    invalid: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Strict(False), Field(max_length=8)] = ()
    no_echo: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Strict(False), Field(max_length=8)] = ()
    stuck_min: Annotated[int, Field(ge=0, le=43200)] = 0
    down_from: OptionName | None = None
    inverted: bool = False
    zero_means_retry: bool = False
    alarm: bool = False
    status: OptionName | None = None
    decimals: ExponentSection | None = None
    unit_code: ExponentSection | None = None
    when: Mapping[str, OptionValue] = Field(default_factory=dict)
    report: Annotated[ReportSection, Field(examples=[{"every_s": 60}])]


class Profile(TomlModel):
    """A whole profile. `points`, `options`, `status`, `configuration`, `actions` and `blocks` are by name."""

    device: DeviceSection
    wiring: WiringSection | None = None
    options: Mapping[OptionName, OptionSection] = {}
    points: Mapping[str, PointSection] = {}
    status: Mapping[str, StatusSection] = {}
    frame: FrameSection | None = None
    lamp: LampSection | None = None
    configuration: Mapping[str, ConfigurationSection] = {}
    actions: Mapping[str, ActionSection] = {}
    blocks: Mapping[str, BlockSection] = {}
