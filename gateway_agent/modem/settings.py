"""What a modem is told, and what it tells of itself."""

from dataclasses import dataclass, field

from gateway_agent.modem.cause import Cause, StateName
from gateway_agent.modem.dialect import LinkSettings
from gateway_agent.modem.hooks import Hooks


@dataclass(frozen=True)
class ModemSettings:
    """One modem of a pole. `model` names a file of hardware/modems; `baud` None takes the model's, and tries others.

    `daily_cap`: how many times a day the modem or the network may be disturbed to mend a trouble.
    """

    model: str
    port: str
    baud: int | None = None
    link: LinkSettings = field(default_factory=LinkSettings)
    pin: str | None = field(default=None, repr=False)
    hooks: Hooks = field(default_factory=Hooks)
    daily_cap: int = 24


@dataclass(frozen=True, slots=True)
class ModemState:
    """How far the modem is and why, since when (milliseconds of the monotonic clock), and `reason` in words."""

    cause: Cause
    since_ms: int
    reason: str

    @property
    def name(self) -> StateName:
        """How far it is."""
        return self.cause.state


@dataclass
class ModemCounters:
    """What has happened since the start, besides what the AT engine counts."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    """Datagrams that were not sent: no service, too large, or too many waiting."""
    sessions: int = 0
    data_lost: int = 0
    sockets_lost: int = 0
    reboots: int = 0
