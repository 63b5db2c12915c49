"""Why a modem is where it is: the causes that are told apart, and what belongs to each."""

from enum import StrEnum
from typing import Literal

StateName = Literal["absent", "silent", "starting", "no-sim", "pin", "searching", "denied", "no-data", "online"]
Trouble = Literal[
    "absent",
    "silent",
    "no-sim",
    "sim-dead",
    "pin",
    "searching",
    "denied",
    "no-data",
    "no-socket",
    "unanswered",
    "rebooting",
]
"""What the ladder knows of a cause."""


class Cause(StrEnum):
    """Each has its words and its next step in `diagnosis`."""

    WELL = "well"
    STARTING = "starting"
    LOOKING = "looking"
    CONNECTING = "connecting"
    PORT_MISSING = "port-missing"
    PORT_HELD = "port-held"
    PORT_FORBIDDEN = "port-forbidden"
    PORT_DEAD = "port-dead"
    SILENT = "silent"
    REBOOTING = "rebooting"
    NO_SIM = "no-sim"
    SIM_DEAD = "sim-dead"
    PIN_MISSING = "pin-missing"
    PIN_REFUSED = "pin-refused"
    PIN_OPEN = "pin-open"
    PUK = "puk"
    NO_NETWORK = "no-network"
    NOT_REGISTERED = "not-registered"
    DENIED = "denied"
    NO_DATA = "no-data"
    NO_SOCKET = "no-socket"
    UNANSWERED = "unanswered"

    @property
    def state(self) -> StateName:
        """The state in which a modem is with this cause."""
        return _STATES[self]

    @property
    def trouble(self) -> Trouble:
        """What the ladder knows of it."""
        return _TROUBLES[self]


_STATES: dict[Cause, StateName] = {
    Cause.WELL: "online",
    Cause.STARTING: "starting",
    Cause.LOOKING: "searching",
    Cause.CONNECTING: "no-data",
    Cause.PORT_MISSING: "absent",
    Cause.PORT_HELD: "absent",
    Cause.PORT_FORBIDDEN: "absent",
    Cause.PORT_DEAD: "absent",
    Cause.SILENT: "silent",
    Cause.REBOOTING: "starting",
    Cause.NO_SIM: "no-sim",
    Cause.SIM_DEAD: "no-sim",
    Cause.PIN_MISSING: "pin",
    Cause.PIN_REFUSED: "pin",
    Cause.PIN_OPEN: "pin",
    Cause.PUK: "pin",
    Cause.NO_NETWORK: "searching",
    Cause.NOT_REGISTERED: "searching",
    Cause.DENIED: "denied",
    Cause.NO_DATA: "no-data",
    Cause.NO_SOCKET: "no-data",
    Cause.UNANSWERED: "no-data",
}
_TROUBLES: dict[Cause, Trouble] = {
    Cause.PORT_MISSING: "absent",
    Cause.PORT_HELD: "absent",
    Cause.PORT_FORBIDDEN: "absent",
    Cause.PORT_DEAD: "absent",
    Cause.SILENT: "silent",
    Cause.REBOOTING: "rebooting",
    Cause.NO_SIM: "no-sim",
    Cause.SIM_DEAD: "sim-dead",
    Cause.PIN_MISSING: "pin",
    Cause.PIN_REFUSED: "pin",
    Cause.PIN_OPEN: "pin",
    Cause.PUK: "pin",
    Cause.NO_NETWORK: "searching",
    Cause.NOT_REGISTERED: "searching",
    Cause.DENIED: "denied",
    Cause.NO_DATA: "no-data",
    Cause.NO_SOCKET: "no-socket",
    Cause.UNANSWERED: "unanswered",
}
