"""What travels between the stages of the agent: small immutable records.

Times are unix milliseconds by the gateway's clock (see `Era`), values are scaled integers (`value * 10 ** exponent` in
the point's unit). A point's full name is `<device>/<point>`, for example `air/pm2_5`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one point, or one figure of a window.

    `kind` is `sample`, `mean`, `min` or `max`. A sample's `time_ms` is when the device answered, or its poll's slot
    when that is no more than a second earlier; a window figure's is the beginning of its window. Bad quality never
    makes a `Reading`.
    """

    point: str
    time_ms: int
    value: int
    exponent: int
    kind: str = "sample"


@dataclass(frozen=True, slots=True)
class Window:
    """What is left of readings of one point, of one kind, that were thinned: a window of `span_s` seconds.

    `time_ms` is its beginning. `least`, `greatest` and `total` are scaled by `exponent` like the readings' values, and
    `count` says how many readings they are of. Two windows of the same beginning and span stand for different readings.
    """

    point: str
    time_ms: int
    span_s: int
    exponent: int
    kind: str
    least: int
    greatest: int
    total: int
    count: int


@dataclass(frozen=True, slots=True)
class Thinned:
    """Windows that replace readings of one point, and the ranges (first, last) of journal sequences that held them."""

    windows: tuple[Window, ...]
    replaces: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Era:
    """A stretch of time in which the gateway's clock was monotonic time plus `offset_ms`.

    `boot_id` names the boot that the monotonic time belongs to. `shift_ms` is what must be added to a time that was
    told in this era: 0 when the clock was trusted, None while nobody knows.
    """

    number: int
    boot_id: str
    offset_ms: int
    trusted: bool
    shift_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once.

    kind `alarm`: `name` is the point (or device), `state` True when it was raised and False when it was cleared.
    kind `event`: `name` is what it is about, `code` is what happened. `source` and `origin` = (node epoch, node
    sequence) name an event that a node numbered, so that it is stored exactly once; both are empty for the gateway's
    own. `detail` says more in words, for people.
    """

    name: str
    kind: str
    code: str
    time_ms: int
    state: bool | None = None
    value: int | None = None
    source: str = ""
    origin: tuple[int, int] | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What the platform asks for. `expires_ms` is unix time, 0 for never."""

    id: str
    action: str
    target: str
    arguments: Mapping[str, int] = field(default_factory=dict)
    expires_ms: int = 0


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: `state` is confirmed, failed, expired or refused; `level_pct` is what was read back."""

    command_id: str
    state: str
    detail: str
    time_ms: int
    level_pct: int | None = None


@dataclass(frozen=True, slots=True)
class PointState:
    """The latest value of a point for the view; `value` is None until it was read once, `quality` is a number of
    `protocols.quality`, `monotonic_ms` is when the value was read by the monotonic clock (0 for never)."""

    point: str
    value: int | None
    exponent: int
    unit: str
    quality: int
    monotonic_ms: int


@dataclass(frozen=True, slots=True)
class LampOutcome:
    """How a command ended at the node, one to its lamp or to its manhole.

    `state` is confirmed, failed or refused. `actual_pct` is the level that the node read back, None when unknown.
    """

    state: str
    actual_pct: int | None
    detail: str
