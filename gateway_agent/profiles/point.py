"""A point as the agent, the rig and the provisioning use it: a profile's section with the options applied.

All values are scaled integers: the quantity is `value * 10 ** exponent` in `unit`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway_agent.profiles.model import ReportSection


@dataclass(frozen=True, slots=True)
class BitPart:
    """`width` bits of the register at `address`, the lowest of them being bit `low`."""

    address: int
    low: int
    width: int


@dataclass(frozen=True, slots=True)
class Lookup:
    """Some bits of a register and what each code means; `otherwise` is the meaning of an unlisted one.

    For a status the meanings are qualities (`protocols.quality`). For decimals and unit codes they are the power of
    ten by which one count of the register counts, and `otherwise` is None: the value is invalid.
    """

    part: BitPart
    codes: Mapping[int, int]
    otherwise: int | None


@dataclass(frozen=True, slots=True)
class RegisterSource:
    """Where a value stands. `type` is one of the schema's; `parts` are the bits of a `bits` value, or of one register.

    `unit_offset` is added to the device's unit id. `address` is the first of `count` registers of the value itself,
    `first` and `last` the span that a request must cover: value, status, decimals and unit code.
    """

    function: int
    unit_offset: int
    type: str
    address: int
    count: int
    little: bool
    parts: tuple[BitPart, ...]
    invalid: tuple[int, ...]
    inverted: bool
    zero_means_retry: bool
    status: Lookup | None
    decimals: Lookup | None
    unit_code: Lookup | None
    first: int
    last: int
    no_echo: tuple[int, ...] = ()

    @property
    def width(self) -> int:
        """Bits of the value."""
        return sum(part.width for part in self.parts) if self.parts else 16 * self.count


@dataclass(frozen=True, slots=True)
class TextField:
    """Field `number` of the sentence `sentence`; `written` is number, position or time."""

    sentence: str
    number: int
    written: str


@dataclass(frozen=True, slots=True)
class CurrentSource:
    """A 4-20 mA input at the ADC pin `number`; `at_4_ma` and `at_20_ma` are scaled as the point."""

    number: int
    shunt_ohm: int
    at_4_ma: int
    at_20_ma: int


@dataclass(frozen=True, slots=True)
class PulseSource:
    """A counter of edges at GPIO `number`."""

    number: int
    rising: bool
    pull: str
    debounce_ms: int


@dataclass(frozen=True, slots=True)
class TiltSource:
    """An angle of the LIS3DH at the I2C `address`."""

    from_background: bool
    sda: int
    scl: int
    address: int


@dataclass(frozen=True, slots=True)
class PinSource:
    """A digital input: GPIO `number`; the point is 1 while the level is the active one. `pull` is up, down or none."""

    number: int
    active_high: bool
    pull: str
    debounce_ms: int


@dataclass(frozen=True, slots=True)
class Point:
    """One quantity. One of `register`, `pin`, `field`, `current`, `pulses` and `tilt` says where it comes from; a value
    in a binary frame has a register too, of function 0. `low` and `high` bound what is plausible, `offset` is added to
    what the register counts, less if it `counts_down`; all three are scaled.

    `stuck_min` is how many minutes the value may stay the same, 0 for ever. `alarm` is True for an input whose change
    is an alarm. `title` is for people.
    """

    name: str
    title: str
    unit: str
    exponent: int
    offset: int
    low: int
    high: int
    report: ReportSection
    alarm: bool
    register: RegisterSource | None
    pin: PinSource | None
    field: TextField | None = None
    current: CurrentSource | None = None
    pulses: PulseSource | None = None
    tilt: TiltSource | None = None
    stuck_min: int = 0
    counts_down: bool = False

    @property
    def is_own(self) -> bool:
        """Whether the node makes the value itself, without asking or hearing anybody."""
        return self.register is None and self.field is None


@dataclass(frozen=True, slots=True)
class LampDriver:
    """Where a lamp's value is written and read back; `curve[level_pct]` is the driver's value for 0 to 100.

    `read_back` is the name of the point that holds the driver's present value.
    """

    function: int
    unit_offset: int
    address: int
    read_back: str
    curve: tuple[int, ...]
    settle_ms: int
