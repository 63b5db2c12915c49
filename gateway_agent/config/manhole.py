"""`[nodes.manhole]`: what a node watches in a manhole and at which limits, with the defaults of the trade.

The limits are common knowledge of the trade, not of one standard (DOMAIN 4.2): a site sets its own. They are no
clearance for anyone to climb in.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.config.names import PointPath
from gateway_agent.toml_source import TomlModel
from protocols import manhole_codes

AlarmName = Literal[
    "level_warning", "level_alarm", "level_critical", "ch4_low", "ch4_high", "h2s_low", "h2s_high", "co_low",
    "co_high", "o2_low", "o2_high",
]  # fmt: skip
Number = int | float

ALARM_BITS: dict[str, int] = {
    "level_warning": manhole_codes.LEVEL_WARNING,
    "level_alarm": manhole_codes.LEVEL_ALARM,
    "level_critical": manhole_codes.LEVEL_CRITICAL,
    "ch4_low": manhole_codes.CH4_LOW,
    "ch4_high": manhole_codes.CH4_HIGH,
    "h2s_low": manhole_codes.H2S_LOW,
    "h2s_high": manhole_codes.H2S_HIGH,
    "co_low": manhole_codes.CO_LOW,
    "co_high": manhole_codes.CO_HIGH,
    "o2_low": manhole_codes.O2_LOW,
    "o2_high": manhole_codes.O2_HIGH,
}
"""The bit of each alarm that has a limit."""

UNITS = {"level": "m", "ch4": "%LEL", "h2s": "ppm", "co": "ppm", "o2": "%VOL"}
"""The unit of the point behind each quantity."""

BELOW = ("o2_low",)
"""The alarms that are raised below their limit; for oxygen both too little and too much are."""

_PIPE_WARNING = 0.75
_BELOW_COVER_M = 0.4
_LEVEL_BACK_M = 0.03


class LimitConfig(TomlModel):
    """One limit, in the point's unit: raised beyond `at` for `hold_s` seconds, cleared beyond `clear`."""

    at: Number
    clear: Number
    hold_s: Annotated[int, Field(ge=0, le=3600)] = 10


_LIMITS = {
    "ch4_low": LimitConfig(at=10, clear=8),
    "ch4_high": LimitConfig(at=25, clear=20),
    "h2s_low": LimitConfig(at=10, clear=8),
    "h2s_high": LimitConfig(at=15, clear=12),
    "co_low": LimitConfig(at=24, clear=20),
    "co_high": LimitConfig(at=160, clear=130),
    "o2_low": LimitConfig(at=19.5, clear=20),
    "o2_high": LimitConfig(at=23.5, clear=23),
}


class ManholeConfig(TomlModel):
    """What is watched: `cover` is a tilt or a contact, the others are points of devices on the same node.

    The cover is open beyond `open_deg` from its angle at rest for `hold_s`, closed again below `closed_deg`, turned
    over beyond `over_deg` at once; angles are means over `filter_s`. A point without a value for `fault_s` is an alarm.
    `pipe_m` is the height of the pipe's crown above the bottom, `depth_m` that of the cover.
    """

    cover: PointPath | None = None
    level: PointPath | None = None
    ch4: PointPath | None = None
    h2s: PointPath | None = None
    co: PointPath | None = None
    o2: PointPath | None = None
    open_deg: Annotated[float, Field(ge=1, le=89, examples=[10])] = 10
    closed_deg: Annotated[float, Field(ge=0.5, le=88)] = 7
    hold_s: Annotated[int, Field(ge=0, le=3600)] = 30
    over_deg: Annotated[float, Field(ge=45, le=180)] = 90
    filter_s: Annotated[float, Field(ge=0.4, le=60)] = 2
    fault_s: Annotated[int, Field(ge=10, le=65535)] = 300
    pipe_m: Annotated[float, Field(gt=0, le=50)] | None = None
    depth_m: Annotated[float, Field(gt=0, le=50)] | None = None
    limits: Mapping[AlarmName, LimitConfig] = {}

    def point_of(self, quantity: str) -> str | None:
        """The full name of the point behind a quantity of `UNITS`."""
        found: str | None = getattr(self, quantity)
        return found

    def points(self) -> list[tuple[str, str]]:
        """Key and full name of every point that is named."""
        keys = ("cover", *UNITS)
        return [(key, path) for key in keys if (path := getattr(self, key)) is not None]

    def rules(self) -> "list[Rule]":
        """A rule for each alarm whose point is named and whose limit is known, in the order of the bits."""
        found = []
        given: dict[str, LimitConfig] = {str(name): limit for name, limit in self.limits.items()}
        for name, bit in ALARM_BITS.items():
            path = self.point_of(name.partition("_")[0])
            limit = given.get(name) or self._usual(name)
            if path is not None and limit is not None:
                found.append(Rule(name, bit, path, name in BELOW, limit))
        return found

    def _usual(self, name: str) -> LimitConfig | None:
        at = {
            "level_warning": None if self.pipe_m is None else _PIPE_WARNING * self.pipe_m,
            "level_alarm": self.pipe_m,
            "level_critical": None if self.depth_m is None else self.depth_m - _BELOW_COVER_M,
        }.get(name)
        return _LIMITS.get(name) if at is None else LimitConfig(at=at, clear=at - _LEVEL_BACK_M)


@dataclass(frozen=True, slots=True)
class Rule:
    """One alarm of a manhole: its name and bit, the point, whether it is raised below the limit, and the limit."""

    name: str
    bit: int
    point: str
    below: bool
    limit: LimitConfig
