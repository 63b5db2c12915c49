"""The commands that 3GPP has given to every modem; a dialect adds its sockets and what its maker does otherwise."""

import asyncio
import re
from typing import ClassVar

from gateway_agent.modem.answer import ANY_LINE, Reply
from gateway_agent.modem.at import AtEngine, AtRules
from gateway_agent.modem.dialect import Identity, LinkSettings, ModemData, SimState
from gateway_agent.modem.errors import ModemError, RefusedError
from gateway_agent.modem.events import Damaged, Event, RegistrationChanged, Started
from gateway_agent.modem.stream import Line
from gateway_agent.modem.tgpp import (
    CME_DEAD_SIM,
    CME_NO_SIM,
    CME_PIN,
    Registration,
    RegistrationState,
    Signal,
    active_timer,
    periodic_timer,
    registration_of,
    rsrp_of,
    rssi_of,
    unix_ms_of_clock,
)

BEGIN_S = 8.0
"""In which a modem says OK to a command whose result may take long."""

_RADIO_S = 60.0
_SLOW_S = 10.0
_ADDRESS_S = 1.0
_NB_ACCESS = 5  # AcT of CEDRXS: E-UTRAN in its NB-S1 mode
_LTE_ACCESS = 4


class CommonCommands:
    """What all dialects share. A dialect derives from it and gives `boots`, `urcs` and its own methods."""

    boots: ClassVar[str]
    """A pattern of what it says when it has started."""
    urcs: ClassVar[tuple[str, ...]] = ()
    raw_headers: ClassVar[tuple[str, ...]] = ()
    takes: ClassVar[frozenset[str]] = frozenset()
    """Which of `band`, `user` and `password` of LinkSettings it tells the modem; the rest of them all dialects do."""
    iccid_command: ClassVar[str] = "AT+CCID"
    reset_command: ClassVar[str] = "AT+CFUN=1,1"

    def __init__(self, at: AtEngine, data: ModemData, settings: LinkSettings) -> None:
        self.at = at
        self.data = data
        self.settings = settings
        self.rules = rules_of(type(self), data, settings)

    async def ask(
        self, command: str, answer: str = "", *, timeout_s: float = 2.0, must: bool = False, secret: bool = False
    ) -> Reply:
        """A command that ends with OK."""
        return await self.at.ask(command, answer=answer, timeout_s=timeout_s, must=must, secret=secret)

    async def try_out(self, command: str, answer: str = "", *, timeout_s: float = 2.0) -> Reply | None:
        """A command that a firmware may not know; None when it was refused."""
        try:
            return await self.ask(command, answer, timeout_s=timeout_s)
        except RefusedError:
            return None

    def event_of(self, line: Line) -> Event | None:
        """See Dialect; a dialect looks for its own lines first."""
        if self.rules.boots.fullmatch(line.text):
            return Started()
        registration = registration_of(line.text)
        if registration is not None:
            return RegistrationChanged(registration)
        return None

    async def prepare(self) -> None:
        """See Dialect."""
        await self.try_out("ATE0")
        await self.try_out("AT+CMEE=1")
        await self.try_out("AT+CEREG=2")

    async def identity(self) -> Identity:
        """See Dialect."""
        return Identity(
            await self._word("AT+CGMM"),
            await self._word("AT+CGMR"),
            _digits(await self._word("AT+CGSN=1") or await self._word("AT+CGSN")),
            _digits(await self._word("AT+CIMI")),
            _digits(await self._word(self.iccid_command)),
        )

    async def _word(self, command: str) -> str:
        try:
            reply = await self.at.ask(command, answer=ANY_LINE, timeout_s=_SLOW_S)
        except RefusedError:
            return ""
        return re.sub(r"^\+[A-Z]+: ?|^Revision: ?", "", reply.text).strip('" ')

    async def sim(self) -> str:
        """See Dialect."""
        try:
            reply = await self.ask("AT+CPIN?", "+CPIN:", timeout_s=_SLOW_S)
        except RefusedError as refused:
            return _sim_by_code(refused.code)
        return _sim_by_word(reply.text.partition(":")[2].strip())

    async def enter_pin(self, pin: str) -> None:
        """See Dialect."""
        await self.ask(f'AT+CPIN="{pin}"', timeout_s=_SLOW_S, secret=True)

    async def connect(self) -> None:
        """See Dialect."""
        await self.save_power()
        if self.settings.apn:
            await self.set_apn()
        # Where it is refused the radio may be on all the same: whether it is shows in the registration.
        await self.try_out("AT+CFUN=1", timeout_s=_RADIO_S)

    async def set_apn(self) -> None:
        """Tell the access point. One that is refused shows in the registration."""
        await self.try_out(f'AT+CGDCONT=1,"IP","{self.settings.apn}"', timeout_s=_SLOW_S)

    async def save_power(self) -> None:
        """PSM and eDRX as wanted; a firmware without them says so and needs none."""
        if self.settings.psm_s is None:
            await self.try_out("AT+CPSMS=0")
        else:
            periodic_s, active_s = self.settings.psm_s
            await self.try_out(f'AT+CPSMS=1,,,"{periodic_timer(periodic_s)}","{active_timer(active_s)}"')
        access = _NB_ACCESS if self.data.modem.radio == "nb-iot" else _LTE_ACCESS
        edrx = self.settings.edrx
        await self.try_out(f"AT+CEDRXS=0,{access}" if edrx is None else f'AT+CEDRXS=1,{access},"{edrx}"')

    async def registration(self) -> Registration:
        """See Dialect."""
        reply = await self.ask("AT+CEREG?", "+CEREG:", must=True)
        # An URC may stand among the lines. What comes last is the newest, whichever it is.
        heard = [found for line in reply.lines if (found := registration_of(line.text)) is not None]
        return heard[-1] if heard else Registration(RegistrationState.UNKNOWN)

    async def signal(self) -> Signal:
        """See Dialect."""
        rssi = await self.try_out("AT+CSQ", "+CSQ:")
        rsrp = await self.try_out("AT+CESQ", "+CESQ:")
        return Signal(None if rssi is None else rssi_of(rssi.text), None if rsrp is None else rsrp_of(rsrp.text))

    async def network_time(self) -> int | None:
        """See Dialect."""
        reply = await self.try_out("AT+CCLK?", "+CCLK:")
        return None if reply is None else unix_ms_of_clock(reply.text)

    async def radio(self, on: bool) -> None:
        """See Dialect."""
        await self.ask(f"AT+CFUN={int(on)}", timeout_s=_RADIO_S)

    async def reset(self) -> None:
        """See Dialect."""
        await self.ask(self.reset_command, timeout_s=_SLOW_S)

    async def attach(self) -> None:
        """Have the packet service attached."""
        reply = await self.ask("AT+CGATT?", "+CGATT:", must=True)
        if not reply.text.rstrip().endswith("1"):
            await self.ask("AT+CGATT=1", timeout_s=self.data.times.data_s)

    async def data_address(self) -> str | None:
        """See Dialect: up while the packet service is attached and there is an address."""
        reply = await self.ask("AT+CGATT?", "+CGATT:", must=True)
        return await self.address() if reply.text.rstrip().endswith("1") else None

    async def address(self) -> str | None:
        """Our address in the network, empty where the firmware does not tell it, None while there is none."""
        reply = await self.try_out("AT+CGPADDR", "+CGPADDR:")
        if reply is None:
            return ""
        found = re.search(r"\d+\.\d+\.\d+\.\d+", " ".join(line.text for line in reply.lines))
        return None if found is None or found[0] == "0.0.0.0" else found[0]

    async def attached_address(self) -> str:
        """Our address, waited for: with NB-IoT the data connection comes by itself, a little after the registration.

        Raises RefusedError where none comes in the family's time for it.
        """
        await self.attach()
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + self.data.times.data_s
        while (address := await self.data_address()) is None:
            if loop.time() >= limit_s:
                raise RefusedError("AT+CGPADDR", "no address")
            await asyncio.sleep(_ADDRESS_S)
        return address

    async def receive(self, socket: int) -> list[bytes]:
        """See Dialect: a family that pushes leaves nothing to be read."""
        return []

    async def resolve(self, host: str) -> str:
        """See Dialect."""
        raise ModemError(
            f"the modem {self.data.modem.name} takes only addresses, and cannot look up the name {host}; write the "
            "platform's address into the url"
        )


def rules_of(dialect: type[CommonCommands], data: ModemData, settings: LinkSettings) -> AtRules:
    """The rules by which the engine reads a dialect."""
    may_sleep = settings.psm_s is not None or settings.edrx is not None
    return AtRules(
        dialect.urcs,
        re.compile(dialect.boots),
        tuple(re.compile(header) for header in dialect.raw_headers),
        data.serial.gap_ms / 1000,
        data.serial.awake_s if may_sleep else None,
    )


def hex_data(text: str, digits: str, length: int | None = None) -> bytes | Damaged:
    """The bytes of hexadecimal text out of the line `text`, which must be `length` where that is known."""
    try:
        data = bytes.fromhex(digits)
    except ValueError:
        return Damaged(text)
    return data if length is None or len(data) == length else Damaged(text)


def _digits(text: str) -> str:
    """The longest run of digits, with a hexadecimal end as ICCIDs may have."""
    runs = re.findall(r"\d{10,}[\dA-F]*", text)
    return max(runs, key=len, default="")


def _sim_by_code(code: int | None) -> str:
    if code in CME_NO_SIM:
        return SimState.ABSENT
    if code in CME_DEAD_SIM:
        return SimState.DEAD
    if code in CME_PIN:
        return SimState.PIN if code not in (12, 18) else SimState.PUK
    return SimState.BUSY


def _sim_by_word(word: str) -> str:
    if word == "READY":
        return SimState.READY
    if "PUK" in word:
        return SimState.PUK
    if "PIN" in word:
        return SimState.PIN
    return SimState.ABSENT if "NOT INSERTED" in word else SimState.BUSY
