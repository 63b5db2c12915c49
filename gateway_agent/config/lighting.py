"""Tables of pole.toml about light: programmes, lamps, their calendar, sensors and expected power."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.config.names import Name, PointPath
from gateway_agent.toml_source import TomlModel
from gateway_agent.toml_spelling import Spelling

Level = Annotated[int, Field(ge=0, le=100, examples=[70])]
LitLevel = Annotated[int, Field(ge=1, le=100, examples=[100])]
Moment = Annotated[
    str,
    Spelling(
        r"([01]\d|2[0-3]):[0-5]\d|sun(set|rise)([+-]\d{1,3})?",
        "a moment is a time of day, hh:mm, or sunset or sunrise with minutes before or after",
        "sunset+10",
    ),
]
CalendarDate = Annotated[
    str,
    Spelling(
        r"(\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])",
        "a date is written month-day, or year-month-day for one year alone",
        "02-10",
    ),
]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_STEPS = 32


class StepConfig(TomlModel):
    """A moment within a programme from which another level holds."""

    at: Moment
    level: Level


class ProgrammeConfig(TomlModel):
    """`[[programmes]]`: one night, from noon to noon: when the lamp is on, and its levels."""

    name: Name
    on: Moment
    off: Moment
    level: Level = 100
    steps: Annotated[tuple[StepConfig, ...], Field(max_length=MAX_STEPS, strict=False)] = ()
    fade_s: Annotated[int, Field(ge=0, le=3600)] = 0

    @property
    def moments(self) -> tuple[str, ...]:
        """All moments that it names."""
        return (self.on, self.off, *(step.at for step in self.steps))


class CalendarRule(TomlModel):
    """Which programme holds on some evenings; the first rule that fits wins."""

    programme: Name
    first: Annotated[CalendarDate | None, Field(alias="from")] = None
    last: Annotated[CalendarDate | None, Field(alias="to")] = None
    days: Annotated[tuple[Day, ...], Field(min_length=1, strict=False)] = DAYS


class SensorRule(TomlModel):
    """A point of the same node that sets the level while its value is beyond a limit, and `hold_s` longer."""

    point: PointPath
    level: Level
    above: int | float | None = None
    below: int | float | None = None
    back: int | float | None = None
    hold_s: Annotated[int, Field(ge=1, le=65535)] = 60
    when: Literal["dark", "lit", "always"] = "always"


class PowerConfig(TomlModel):
    """What the lamp should draw, by a meter on the same node; the rules of the lamp's faults go by it."""

    point: PointPath
    full_w: Annotated[int | float, Field(gt=0, le=8000, examples=[60])]
    standby_w: Annotated[int | float, Field(ge=0, le=100)] = 5
    levels_w: Annotated[tuple[Annotated[tuple[int, int | float], Field(strict=False)], ...], Field(strict=False)] = ()
    voltage: PointPath | None = None
    supply_lost_v: Annotated[int | float, Field(gt=0, le=400)] = 50
    failure_pct: Annotated[int, Field(ge=1, le=50)] = 15
    low_pct: Annotated[int, Field(ge=10, le=99)] = 75
    high_pct: Annotated[int, Field(ge=101, le=250)] = 125
    failure_s: Annotated[int, Field(ge=1, le=3600)] = 60
    band_s: Annotated[int, Field(ge=1, le=3600)] = 300
    burner_s: Annotated[int, Field(ge=1, le=3600)] = 300
    settle_s: Annotated[int, Field(ge=0, le=3600)] = 10
    cycles: Annotated[int, Field(ge=0, le=20)] = 3


class LampConfig(TomlModel):
    """`[[lamps]]`: how the lamp of one node is run, with or without the gateway."""

    node: Name
    name: Name | None = None
    programme: Name | None = None
    calendar: Annotated[tuple[CalendarRule, ...], Field(max_length=64, strict=False)] = ()
    groups: Annotated[tuple[Annotated[int, Field(ge=0, le=15)], ...], Field(strict=False)] = ()
    default_level: Level = 100
    fail_safe_level: LitLevel = 100
    least_level: LitLevel = 1
    boot_level: Level | None = None
    boot_wait_s: Annotated[int, Field(ge=0, le=255)] = 20
    override_s: Annotated[int, Field(ge=1, le=2592000)] = 14400
    spread_s: Annotated[int, Field(ge=0, le=255)] = 60
    sensors: Annotated[tuple[SensorRule, ...], Field(max_length=8, strict=False)] = ()
    power: PowerConfig | None = None
    dimmer_pin: Annotated[int, Field(ge=1, le=33)] | None = None
    dimmer_inverted: bool = False
    relay_pin: Annotated[int, Field(ge=1, le=33)] | None = None
    relay_active_low: bool = False

    @property
    def has_pins(self) -> bool:
        """Whether it hangs on pins of the node rather than on its sensor bus."""
        return self.dimmer_pin is not None or self.relay_pin is not None


def date_parts(text: str) -> tuple[int, int, int]:
    """Year (0 for every year), month and day of a calendar date. Raises ValueError for a day that there is not."""
    parts = [int(part) for part in text.split("-")]
    year, month, day = parts if len(parts) == 3 else (0, *parts)
    date(year or 2024, month, day)
    if year and not 2001 <= year <= 2255:
        raise ValueError("a year must be 2001 to 2255")
    return year, month, day
