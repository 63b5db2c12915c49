"""What a family of modems is: its data in `hardware/modems/*.toml`, and the protocol that its module fulfils."""

import importlib.resources
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import Field, Strict

from gateway_agent.modem.at import AtRules
from gateway_agent.modem.errors import ModemError
from gateway_agent.modem.events import Event
from gateway_agent.modem.stream import Line
from gateway_agent.modem.tgpp import Registration, Signal
from gateway_agent.toml_source import ConfigError, Finding, TomlModel, TomlSource, load_toml, validate
from gateway_agent.toml_wording import nearest

DialectName = Literal["neul", "quectel-nb", "quectel-qi", "ml307", "simcom-nb", "simcom", "sim800"]
Seconds = Annotated[float, Field(gt=0, le=600)]
Baud = Annotated[int, Field(ge=1200, le=921600)]
UsbId = Annotated[str, Field(pattern=r"^[0-9a-f]{4}$")]


class ModemSection(TomlModel):
    """`[modem]`: what it is, which module speaks to it, which radio it has."""

    name: Annotated[str, Field(min_length=1, max_length=48)]
    dialect: DialectName
    radio: Literal["nb-iot", "cat-1", "cat-m"]


class SerialSection(TomlModel):
    """`[serial]`: baud rates in the order in which they are tried, and how it wants to be spoken to.

    `gap_ms` is left before each command. `awake_s`: after so long without a word it may sleep and is woken first, where
    sleep is allowed at all.
    """

    bauds: Annotated[tuple[Baud, ...], Strict(False), Field(min_length=1, max_length=12)]
    gap_ms: Annotated[int, Field(ge=0, le=1000)] = 20
    awake_s: Seconds = 5.0


class TimesSection(TomlModel):
    """`[times]`: how long things take at most. `register_s` runs from the radio's start to a registration."""

    boot_s: Seconds
    register_s: Seconds
    data_s: Seconds = 75.0
    open_s: Seconds = 60.0
    send_s: Seconds = 10.0
    close_s: Seconds = 10.0


class SocketSection(TomlModel):
    """`[socket]`: the greatest datagram, how it is given, and what else its sockets can.

    `form`: how `limit_bytes` are sent, as hexadecimal text in the command or raw at a prompt. `receives`: "push" within
    the URC, "buffered" read after it. `takes_names`: whether a host's name will do. `release_assistance`: whether it
    can be told that no answer, or one, is expected.
    """

    limit_bytes: Annotated[int, Field(ge=64, le=1500)]
    form: Literal["hex", "raw"]
    receives: Literal["push", "buffered"] = "push"
    count: Annotated[int, Field(ge=1, le=12)] = 5
    takes_names: bool = False
    release_assistance: bool = False


class UsbSection(TomlModel):
    """`[usb]`: how the modem shows itself on USB, for the udev rules in deploy/.

    `at_interface` is the number of the interface that takes AT commands, as udev writes it; without it nobody told
    which one it is, and the port gets no name. `mark`: C a named source, K usual practice.
    """

    vendor: UsbId
    products: Annotated[tuple[UsbId, ...], Strict(False), Field(min_length=1)]
    at_interface: Annotated[str, Field(pattern=r"^[0-9a-f]{2}$")] | None = None
    source: Annotated[str, Field(min_length=1)]
    mark: Literal["C", "K"]


class QuirksSection(TomlModel):
    """`[quirks]`: where members of a family differ; each key says for which dialect it is."""

    context: Annotated[int, Field(ge=0, le=7)] = 1
    """quectel-nb, quectel-qi, ml307: the number of the data context in the commands of sockets."""
    send: Literal["prompt", "hex", "hex-rai"] = "prompt"
    """quectel-nb: QISEND at the prompt, QISENDEX, or QISEND with the data and the release assistance in it."""
    length_counts: Literal["bytes", "characters"] = "bytes"
    """simcom-nb: whether the length of CSOSEND counts bytes or hexadecimal characters; firmwares differ."""


class ModemData(TomlModel):
    """A whole file of `hardware/modems`."""

    modem: ModemSection
    serial: SerialSection
    times: TimesSection
    socket: SocketSection
    quirks: QuirksSection = QuirksSection()
    usb: UsbSection | None = None


class UnknownModemError(ModemError):
    """No modem has the name; `mend` says which one may have been meant."""

    def __init__(self, name: str, known: list[str]) -> None:
        guess = nearest(name, known)
        self.mend = f"did you mean {guess}?" if guess else f"the modems there are: {', '.join(known)}"
        super().__init__(f"there is no modem {name}; {self.mend}")


def modem_directory() -> Path:
    """The folder with the modem files that come with Gatepost."""
    return Path(str(importlib.resources.files("hardware").joinpath("modems")))


def modem_names() -> list[str]:
    """The names of the modems, sorted: the file names without `.toml`."""
    return sorted(path.stem for path in modem_directory().glob("*.toml"))


def load_modem(name: str) -> ModemData:
    """The checked data of a modem. Raises UnknownModemError, or ConfigError with every problem and its line."""
    if name not in modem_names():
        raise UnknownModemError(name, modem_names())
    return modem_of(load_toml(modem_directory() / f"{name}.toml"))


def modem_of(source: TomlSource) -> ModemData:
    """The checked data of a source. Raises ConfigError."""
    if not source.text.startswith("# Source: "):
        finding = Finding((), "the head does not say where the commands come from", 'begin with "# Source: ..."')
        raise ConfigError([source.problem(finding)])
    return validate(ModemData, source, [_check])


_HEX_LIMIT_BYTES = 1358
_USES = {
    "send": frozenset({"quectel-nb"}),
    "length_counts": frozenset({"simcom-nb"}),
    "context": frozenset({"quectel-nb", "quectel-qi", "ml307"}),
}


def _check(data: ModemData) -> Iterator[Finding]:
    for quirk in sorted(data.quirks.model_fields_set):
        if data.modem.dialect not in _USES[quirk]:
            what = f"{quirk} says nothing to the dialect {data.modem.dialect}"
            yield Finding(("quirks", quirk), what, "remove it")
    if data.socket.form == "hex" and data.socket.limit_bytes > _HEX_LIMIT_BYTES:
        what = f"no modem takes {data.socket.limit_bytes} bytes as hexadecimal text"
        yield Finding(("socket", "limit_bytes"), what, f"at most {_HEX_LIMIT_BYTES}")


def check_quotable(what: str, text: str) -> None:
    """Raise ModemError when a text cannot stand between quotation marks in a command."""
    if not (text.isascii() and text.isprintable()) or '"' in text:
        raise ModemError(f"{what} holds characters that a modem does not take; use ASCII without quotation marks")


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What a modem has to know of the network and of the pole's habits.

    `psm_s`: seconds of T3412 and T3324 where it may sleep between messages, None for a modem that is always reachable.
    `edrx`: four bits, None for off. `band`: the one to look in, None for all; bc95, bc35 and bc28 only.
    """

    apn: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    psm_s: tuple[int, int] | None = None
    edrx: str | None = None
    band: int | None = None

    def __post_init__(self) -> None:
        """Raises ModemError for what cannot stand between quotation marks in a command."""
        for key in ("apn", "user", "password"):
            check_quotable(f"{key} of the modem's bearer", getattr(self, key))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who modem and SIM are; empty for what was not told."""

    model: str = ""
    firmware: str = ""
    imei: str = ""
    imsi: str = ""
    iccid: str = ""


class SimState:
    """The states of a SIM, as words."""

    READY = "ready"
    PIN = "pin"
    PUK = "puk"
    ABSENT = "absent"
    DEAD = "dead"
    BUSY = "busy"


class Dialect(Protocol):
    """How one family is spoken to. Every method but `event_of` sends commands and raises AtError and PortGoneError.

    The calls come in this order after each start of the modem: `prepare`, `sim`, `connect`, `registration` until it is
    registered, `data_up`, `open`. A socket's number is the modem's.
    """

    rules: AtRules

    def event_of(self, line: Line) -> Event | None:
        """What a line that belongs to no answer tells, None where it tells us nothing."""
        ...

    async def prepare(self) -> None:
        """Echo off, numeric errors, no sleep while we speak; forget sockets of before."""
        ...

    async def identity(self) -> Identity:
        """Who modem and SIM are."""
        ...

    async def sim(self) -> str:
        """One of SimState."""
        ...

    async def enter_pin(self, pin: str) -> None:
        """Unlock the SIM. RefusedError when it is wrong: the caller must never try it again."""
        ...

    async def connect(self) -> None:
        """Switch the radio on, with APN and power saving as wanted, and let it look for the network."""
        ...

    async def registration(self) -> Registration:
        """Whether the network takes us."""
        ...

    async def data_up(self) -> str:
        """Have a data connection and return our address in it, empty where the family does not tell it."""
        ...

    async def data_address(self) -> str | None:
        """Our address where the data connection is up, perhaps empty; None where it is down."""
        ...

    async def data_down(self) -> None:
        """Take the data connection down, so that the next `data_up` begins afresh."""
        ...

    async def open(self, socket: int, host: str, port: int) -> int:
        """Open a UDP socket to a peer and return its number: `socket`, or another where the modem chooses."""
        ...

    async def send(self, socket: int, data: bytes, host: str, port: int, *, answer_expected: bool) -> None:
        """Send a datagram: it is in the modem's buffer when this returns."""
        ...

    async def receive(self, socket: int) -> list[bytes]:
        """Read a few of the datagrams that wait in the modem; none when nothing waits any more."""
        ...

    async def close(self, socket: int) -> None:
        """Close a socket; one that is closed already is no error."""
        ...

    async def resolve(self, host: str) -> str:
        """The address of a name by the network's DNS. ModemError where the family cannot."""
        ...

    async def signal(self) -> Signal:
        """How well the cell is heard."""
        ...

    async def network_time(self) -> int | None:
        """Unix milliseconds by the network's clock, None where it told none; good to a second or two."""
        ...

    async def radio(self, on: bool) -> None:
        """Switch the radio off or on."""
        ...

    async def reset(self) -> None:
        """Start the modem anew by its own command; it is gone for a while after that."""
        ...
