"""What a modem tells unasked, as a dialect understands it."""

from dataclasses import dataclass

from gateway_agent.modem.tgpp import Registration


@dataclass(frozen=True, slots=True)
class Received:
    """A datagram has come."""

    socket: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """Datagrams wait inside the modem and have to be read until there are no more. `socket` None: look in each."""

    socket: int | None


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The modem or the network has closed a socket."""

    socket: int
    why: str


@dataclass(frozen=True, slots=True)
class DataDown:
    """The data connection is gone, and all sockets with it."""

    why: str


@dataclass(frozen=True, slots=True)
class RegistrationChanged:
    """The network has told another state."""

    registration: Registration


@dataclass(frozen=True, slots=True)
class Started:
    """The modem has started, of itself or because it was told to."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A line that announced data cannot be used: what it brought is lost."""

    text: str


Event = Received | Waiting | SocketClosed | DataDown | RegistrationChanged | Started | Damaged
