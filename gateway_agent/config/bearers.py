"""`[[uplink.bearers]]`: the ways to the platform, and what each kind of link brings with it."""

from dataclasses import dataclass
from math import inf
from typing import Annotated, Literal

from pydantic import Field

from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.config.names import Name
from gateway_agent.toml_source import TomlModel
from gateway_agent.toml_spelling import Spelling

MAX_BEARERS = 4
Command = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], Field(strict=False, examples=[["/usr/local/bin/modem-power"]])
]
Quoted = Spelling("[ !#-~]*", "a modem takes printable ASCII without quotation marks", "cmnbiot")
"""For what stands between quotation marks in a command to the modem."""
Pin = Annotated[str, Spelling("[0-9]{4,8}", "a PIN is four to eight digits", "1234")]
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
    """One way to the platform; the first of the list that works is used.

    `interface` is one of the system's, such as `eth0` or `ppp0`; without it the system's routes are taken. With `modem`
    and `port` the way is a socket inside that modem instead; the commands are run where its wiring is used.
    """

    name: Name
    kind: Kind
    interface: Annotated[str, Field(min_length=1, max_length=15, examples=["eth0"])] | None = None
    modem: Annotated[str, Field(min_length=1, max_length=32, examples=["bc660k"])] | None = None
    port: Annotated[str, Field(min_length=1, examples=["/dev/gatepost-modem"])] | None = None
    baud: Annotated[int, Field(ge=1200, le=921600, examples=[115200])] | None = None
    apn: Annotated[str, Field(max_length=100), Quoted] = ""
    user: Annotated[str, Field(max_length=64), Quoted] = ""
    password: Annotated[str, Field(max_length=64), Quoted] = Field("", repr=False)
    pin: Pin | None = Field(None, repr=False)
    band: Annotated[int, Field(ge=1, le=256, examples=[8])] | None = None
    sleep_update_s: Annotated[int, Field(ge=60, le=35_712_000, examples=[43_200])] | None = None
    sleep_active_s: Annotated[int, Field(ge=2, le=11_160)] = 16
    edrx: Annotated[str, Spelling("[01]{4}", "the eDRX cycle is four bits", "0010")] | None = None
    power_key_command: Command = ()
    supply_command: Command = ()
    wake_command: Command = ()
    resets_a_day: Annotated[int, Field(ge=0, le=1000)] = 24

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
