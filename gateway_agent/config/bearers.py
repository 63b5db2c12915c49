"""`[[uplink.bearers]]`: the ways to the platform, and what each kind of link brings with it."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.config.names import Name
from gateway_agent.toml_source import TomlModel

MAX_BEARERS = 4
Kind = Literal["wired", "cat1", "nb-iot"]


@dataclass(frozen=True, slots=True)
class KindOfLink:
    """How long a command may take, and how long an answer is waited for before a message is repeated: RFC 7252, 4.8 has
    2 s, RFC 6298, 2.4 no less than 1 s; radio links of the narrow kind take up to 10 s."""

    command_delay_s: float
    bounds: Bounds


KINDS: dict[Kind, KindOfLink] = {
    "wired": KindOfLink(5, Bounds(2, 2, 30)),
    "cat1": KindOfLink(5, Bounds(3, 1, 30)),
    "nb-iot": KindOfLink(3600, Bounds(10, 3, 60)),
}


class BearerTerms(TomlModel):
    """What is agreed for one bearer: how long a command may take, and the month's plan."""

    command_delay_s: Annotated[float, Field(gt=0, le=86400, examples=[60])] | None = None
    plan_mib_per_month: Annotated[int | float, Field(gt=0, le=1_000_000)] | None = None
    plan_begins_day: Annotated[int, Field(ge=1, le=28)] = 1
    plan_overrun: Literal["windows", "hold"] = "windows"

    @property
    def plan_bytes(self) -> int | None:
        """The month's plan in bytes, None where nobody counts them."""
        return None if self.plan_mib_per_month is None else round(self.plan_mib_per_month * (1 << 20))


class BearerConfig(BearerTerms):
    """One way to the platform; the first of the list that works is used. `interface` is one of the system's, such as
    `eth0` or `ppp0`; without it the system's routes are taken."""

    name: Name
    kind: Kind
    interface: Annotated[str, Field(min_length=1, max_length=15, examples=["eth0"])] | None = None

    @property
    def delay_s(self) -> float:
        """How long a command may take to arrive, by the kind where it is not said."""
        return KINDS[self.kind].command_delay_s if self.command_delay_s is None else self.command_delay_s

    def is_observed(self, batch_s: float) -> bool:
        """Whether the mailbox is observed, because a command may not wait for the answer to a batch."""
        return self.delay_s < batch_s

    def answers_within_s(self, batch_s: float) -> float:
        """How far apart answers may be: commands come with them, unless the mailbox is observed (then infinite)."""
        return inf if self.is_observed(batch_s) else self.delay_s
