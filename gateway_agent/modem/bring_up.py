"""From a closed port to a data connection, stage by stage. What cannot be passed is a TroubleError with its cause."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway_agent.clock import Clock
from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.cause import Cause
from gateway_agent.modem.dialect import Dialect, Identity, ModemData
from gateway_agent.modem.errors import PortGoneError, RefusedError, SilentError
from gateway_agent.modem.kept_state import KeptState
from gateway_agent.modem.port import SerialPort
from gateway_agent.modem.settings import ModemSettings
from gateway_agent.modem.tgpp import Registration, RegistrationState, Signal
from gateway_agent.modem.trouble import Attention, TroubleError
from gateway_agent.modem.unlock import have_sim

_NEVER_S = float("inf")
_PORT_S = 1.0
_PORT_LONGEST_S = 10.0
_ABSENT_S = 300.0
_MAY_HANG = frozenset({Cause.PORT_MISSING, Cause.PORT_DEAD})
_KNOCKS = 3
_REGISTRATION_S = 2.0
_DENIED_S = 30.0
_SIM_S = 20.0


@dataclass
class Known:
    """What is known of a modem: who it is, whether the network has it, how well it hears, its address there."""

    identity: Identity = field(default_factory=Identity)
    registration: Registration = field(default_factory=lambda: Registration(RegistrationState.UNKNOWN))
    signal: Signal = field(default_factory=Signal)
    address: str = ""
    clock_off_s: float | None = None
    """By how much the network's clock is ahead of the gateway's, None where it tells no time."""

    @property
    def is_registered(self) -> bool:
        """Whether the network has it, as far as is known."""
        return self.registration.state.is_registered


class BringUp:
    """The stages of one modem. `enter` is told of each new cause, with words; `known` is kept up to date."""

    def __init__(
        self,
        settings: ModemSettings,
        data: ModemData,
        port: SerialPort,
        at: AtEngine,
        dialect: Dialect,
        kept: KeptState,
        attention: Attention,
        known: Known,
        clock: Clock,
        enter: Callable[[Cause, str], None],
    ) -> None:
        self._settings = settings
        self._data = data
        self._port = port
        self._at = at
        self._dialect = dialect
        self._kept = kept
        self._attention = attention
        self._known = known
        self._clock = clock
        self._enter = enter
        self._own_baud = settings.baud or data.serial.bauds[0]

    async def until_registered(self) -> None:
        """All stages up to a registration. Raises AtError, PortGoneError, TroubleError."""
        await self._open_port()
        await self._contact()
        self._known.identity = await self._dialect.identity()
        await self._have_sim()
        self._known.identity = await self._dialect.identity()
        self._enter(Cause.LOOKING, "looking for the network")
        await self._dialect.connect()
        await self.register()

    async def register(self) -> None:
        """Wait for the network to take us. Raises TroubleError."""
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + self._data.times.register_s
        denied_s = _NEVER_S
        look_s = loop.time() + _SIM_S
        while True:
            self._known.registration = await self._dialect.registration()
            if self._known.is_registered:
                return
            self._enter(Cause.LOOKING, "looking for the network")
            now_s = loop.time()
            is_denied = self._known.registration.state is RegistrationState.DENIED
            denied_s = min(denied_s, now_s) if is_denied else _NEVER_S
            if now_s - denied_s >= _DENIED_S:
                raise TroubleError(Cause.DENIED, "the network refuses this SIM or this modem")
            if now_s >= look_s:
                # A SIM that was taken out, or has died, shows in no other way once it has been ready.
                await self._have_sim()
                look_s = loop.time() + _SIM_S
            if now_s >= limit_s:
                raise await self._unregistered()
            await self._attention.pause(_REGISTRATION_S)
            self._attention.check()

    async def data_up(self) -> None:
        """Have a data connection. Raises TroubleError."""
        self._attention.data_problem = None
        self._enter(Cause.CONNECTING, "registered, bringing the data connection up")
        try:
            self._known.address = await self._dialect.data_up()
        except RefusedError as refused:
            raise TroubleError(Cause.NO_DATA, f"registered without a data connection: {refused}") from refused
        # In some families the packet service is part of the registration, and comes back with the data connection.
        self._known.registration = await self._dialect.registration()
        self._known.signal = await self._dialect.signal()
        network_ms = await self._dialect.network_time()
        self._known.clock_off_s = None if network_ms is None else (network_ms - self._clock.unix_ms()) / 1000
        state = self._known.registration.state.name.lower()
        self._enter(Cause.WELL, f"registered ({state}) with a data connection")

    def forget_baud(self) -> None:
        """The modem has started: it may be at its own baud rate again, or find ours by what it hears first."""
        if self._port.baud != self._own_baud:
            self._port.close()

    async def port_comes_back(self, within_s: float) -> bool:
        """Wait so long for a modem that was away; whether its port is open now."""
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + within_s
        while (left_s := limit_s - loop.time()) > 0:
            await asyncio.sleep(min(_PORT_LONGEST_S, left_s))
            try:
                self._open_at(self._own_baud)
            except PortGoneError:
                continue
            return True
        return False

    async def _open_port(self) -> None:
        """Have the port open: a modem that is not there is waited for, a while.

        Raises TroubleError when it stays away: one on USB that hangs may have gone with its port.
        """
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + _ABSENT_S
        wait_s = _PORT_S
        while not self._port.is_open:
            try:
                self._open_at(self._own_baud)
            except PortGoneError as problem:
                self._enter(problem.cause, str(problem))
                if problem.cause in _MAY_HANG and loop.time() >= limit_s:
                    raise TroubleError(problem.cause, str(problem)) from problem
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _PORT_LONGEST_S)

    def _open_at(self, baud: int) -> None:
        self._port.open(baud)
        self._at.restart()

    async def _contact(self) -> None:
        """Hear the modem answer, at its own baud rate or another, and prepare it. Raises SilentError."""
        self._enter(Cause.STARTING, "waiting for the modem to answer")
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + self._data.times.boot_s
        first = self._port.baud
        others = () if self._settings.baud is not None else (baud for baud in self._data.serial.bauds if baud != first)
        answers = await self._at.knock(_KNOCKS)
        while not answers and loop.time() < limit_s:
            answers = await self._at.knock(_KNOCKS)
        for baud in others if not answers else ():
            self._open_at(baud)
            if answers := await self._at.knock(_KNOCKS):
                break
        if not answers:
            self._port.close()
            raise SilentError(f"the modem on {self._settings.port} does not answer AT, at no baud rate that it has")
        # What it said while it started is no reason to begin anew.
        self._attention.begin()
        await self._dialect.prepare()

    async def _have_sim(self) -> None:
        await have_sim(self._dialect, self._settings.pin, self._kept, self._attention)

    async def _unregistered(self) -> TroubleError:
        self._known.signal = await self._dialect.signal()
        strength = self._known.signal.rsrp_dbm or self._known.signal.rssi_dbm
        state = self._known.registration.state.name.lower()
        waited = f"not registered after {self._data.times.register_s:g} s ({state})"
        if strength is None:
            return TroubleError(Cause.NO_NETWORK, f"{waited}, and no cell is heard")
        return TroubleError(Cause.NOT_REGISTERED, f"{waited}, though a cell is heard at {strength:g} dBm")
