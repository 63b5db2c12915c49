"""A modem's life: from the port to registered to a data connection, kept so, with UDP sockets for whoever asks.

`Modem.run` is a loop of sessions. A session brings the modem up (`bring_up`) and serves; what fails is a trouble, for
which the ladder (`ladder`) names a rung, and a new session begins. The state tells at each moment how far it is, and
why.
"""

import asyncio
import logging
import random as randomness
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gateway_agent.clock import Clock
from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.bring_up import BringUp, Known
from gateway_agent.modem.cause import Cause
from gateway_agent.modem.dialect import Dialect, ModemData, load_modem
from gateway_agent.modem.dialects.choice import dialect_of
from gateway_agent.modem.errors import (
    AtError,
    ModemError,
    NoAnswerError,
    PortGoneError,
    RebootedError,
    SilentError,
)
from gateway_agent.modem.events import Damaged, DataDown, Received, RegistrationChanged, SocketClosed, Started, Waiting
from gateway_agent.modem.kept_state import load_state
from gateway_agent.modem.ladder import Ladder, Rung, Step
from gateway_agent.modem.port import SerialPort
from gateway_agent.modem.rungs import rungs_of, take, wake_with
from gateway_agent.modem.settings import ModemCounters, ModemSettings, ModemState
from gateway_agent.modem.sockets import ModemLink, Sockets
from gateway_agent.modem.stream import Line
from gateway_agent.modem.trouble import Attention, TroubleError

_LOG = logging.getLogger("gatepost.modem")

_NEVER_S = float("inf")
_POLL_S = 60.0
_SLEEPER_POLL_S = 900.0
_DOUBT_S = 5.0
_SETTLED_S = 60.0
_REBOOTS, _REBOOTS_MS = 4, 600_000
_UNANSWERED = 4
_UNHEARD = 3
_IN_VAIN = 3
_GO_ON_MEANWHILE = frozenset({Cause.UNANSWERED, Cause.NO_SOCKET})


class Modem:
    """One modem on one port. `on_change` is told of each new state, `state_file` keeps what must not be forgotten.

    Raises UnknownModemError, and KeptStateError where the state file cannot be used.
    """

    def __init__(
        self,
        settings: ModemSettings,
        clock: Clock,
        *,
        state_file: Path | None = None,
        on_change: Callable[[ModemState], None] = lambda state: None,
        random: randomness.Random | None = None,
    ) -> None:
        self.settings = settings
        self.data: ModemData = load_modem(settings.model)
        self.counters = ModemCounters()
        self.known = Known()
        self.kept = load_state(state_file)
        self.unanswered = 0
        self.state = ModemState(Cause.STARTING, clock.monotonic_ms(), "not started yet")
        self._clock = clock
        self._on_change = on_change
        self._ladder = Ladder(rungs_of(settings.hooks), self.kept, clock, daily_cap=settings.daily_cap, chance=random)
        self._attention = Attention()
        self._port = SerialPort(settings.port, self._heard, self._port_gone)
        self.at = AtEngine(self._port, self._urc)
        self.at.wake = settings.hooks.wake and wake_with(settings.hooks.wake)
        self.dialect: Dialect = dialect_of(self.at, self.data, settings.link)
        self._bring_up = BringUp(
            settings,
            self.data,
            self._port,
            self.at,
            self.dialect,
            self.kept,
            self._attention,
            self.known,
            clock,
            self._enter,
        )
        self._sockets = Sockets(self.data, self.dialect, self._attention, self.counters)
        self._opening = asyncio.Lock()
        self._patient_until_s = float("-inf")
        self._in_vain_before = 0
        self._unheard = 0
        self._boots_ms: deque[int] = deque(maxlen=_REBOOTS)
        self._without_ms = 0
        self._without_since_ms: int | None = clock.monotonic_ms()

    @property
    def is_online(self) -> bool:
        """Whether sockets can be opened and used."""
        return self.state.name == "online"

    @property
    def seconds_without_service(self) -> float:
        """Seconds since the start in which there was no data connection."""
        since_ms = self._without_since_ms
        running_ms = 0 if since_ms is None else self._clock.monotonic_ms() - since_ms
        return (self._without_ms + running_ms) / 1000

    @property
    def recoveries(self) -> dict[Rung, int]:
        """How often each rung was taken since the start."""
        return dict(self._ladder.climbed)

    def status(self) -> dict[str, Any]:
        """Everything about the modem, ready for JSON."""
        return {
            "model": self.settings.model,
            "port": self.settings.port,
            "state": self.state.name,
            "cause": str(self.state.cause),
            "for_s": round((self._clock.monotonic_ms() - self.state.since_ms) / 1000, 1),
            "reason": self.state.reason,
            "identity": asdict(self.known.identity),
            "registration": self.known.registration.state.name.lower(),
            "area": self.known.registration.area,
            "cell": self.known.registration.cell,
            "address": self.known.address,
            "clock_off_s": self.known.clock_off_s,
            "signal": asdict(self.known.signal),
            "at": asdict(self.at.counters),
            "counters": asdict(self.counters),
            "recoveries": self.recoveries,
            "climbs": [asdict(climb) for climb in self.kept.climbs[-5:]],
            "disturbances_today": self._ladder.disturbances(),
            "daily_cap": self.settings.daily_cap,
            "without_service_s": round(self.seconds_without_service, 1),
            "unanswered": self.unanswered,
            "connections_in_vain": self._sockets.in_vain,
            "why_in_vain": self._sockets.why_in_vain,
            "awaits_answer": self.kept.awaits_answer,
            "answered_ms": self.kept.answered_ms,
        }

    async def run(self) -> None:
        """Keep the modem in service until cancelled. What is ordinary in the field raises nothing."""
        try:
            while True:
                step = await self._live()
                if step is not None:
                    await self._climb(step)
        finally:
            self._sockets.lose_all(ModemError("the modem's driver has ended"))
            self._port.close()

    async def open(
        self, host: str, port: int, on_datagram: Callable[[bytes], None], on_lost: Callable[[Exception], None]
    ) -> ModemLink:
        """A link to a peer. Raises ModemError, with the modem's state in words where it has no service."""
        self._require_service()
        async with self._opening:
            self._require_service()
            return await self._sockets.open(host, port, on_datagram, on_lost)

    def note_answered(self) -> None:
        """The uplink's word: the platform has answered an exchange."""
        self.unanswered = 0
        self._ladder.answered()

    def note_unanswered(self) -> None:
        """The uplink's word: an exchange was sent, as often as it is, and never answered."""
        self.unanswered += 1
        self._attention.stir()

    # The stages of a session.

    async def _live(self) -> Step | None:
        """One session, until something ends it; the rung to take then, None where it only has to begin anew."""
        self.counters.sessions += 1
        self._attention.begin()
        try:
            await self._bring_up.until_registered()
            while True:
                await self._bring_up.data_up()
                self._unheard = 0
                if not await self._serve():
                    await self._bring_up.register()
        except PortGoneError as problem:
            self._enter(problem.cause, str(problem))
            return None
        except RebootedError as problem:
            return self._rebooted(problem)
        except NoAnswerError as problem:
            self._unheard += 1
            if self._unheard < _UNHEARD and not isinstance(problem, SilentError):
                _LOG.info("modem %s: %s", self.settings.model, problem)
                return None
            self._unheard = 0
            return self._trouble(Cause.SILENT, problem)
        except TroubleError as problem:
            step = self._trouble(problem.cause, problem)
            return self._at_once(step) if problem.cause in _GO_ON_MEANWHILE else step
        except AtError as problem:
            is_registered = self.known.is_registered
            return self._trouble(Cause.NO_DATA if is_registered else Cause.NOT_REGISTERED, problem)
        finally:
            self._sockets.lose_all(ModemError(self.state.reason))

    async def _serve(self) -> bool:
        """Send, receive and look after the connection. Ends when the data connection has to be made anew; returns
        whether the network still has us."""
        loop = asyncio.get_running_loop()
        every_s = _SLEEPER_POLL_S if self.at.may_sleep else _POLL_S
        poll_s = loop.time() + every_s
        settled_s = loop.time() + _SETTLED_S
        doubt_s = _NEVER_S
        while self._attention.data_problem is None:
            self._attention.check()
            if loop.time() >= self._patient_until_s:
                self._check_use()
            if loop.time() >= settled_s:
                self._ladder.settled()
                settled_s = _NEVER_S
            if self.known.is_registered:
                doubt_s = _NEVER_S
            elif doubt_s == _NEVER_S:
                # An URC has said so; cells are changed in a moment, so it may be over when it is asked for.
                doubt_s = loop.time() + _DOUBT_S
            is_polled = loop.time() >= min(poll_s, doubt_s)
            if await self._once(is_polled, may_send=doubt_s == _NEVER_S):
                if is_polled:
                    poll_s = loop.time() + every_s
            else:
                await self._attention.pause(min(poll_s, doubt_s, settled_s) - loop.time())
        return await self._lose_data(self._attention.data_problem)

    def _check_use(self) -> None:
        """Raise TroubleError when a data connection is there, and is of no use."""
        sockets = self._sockets
        if sockets.in_vain == 0:
            self._in_vain_before = 0
        elif sockets.in_vain - self._in_vain_before >= _IN_VAIN:
            raise TroubleError(Cause.NO_SOCKET, f"{sockets.why_in_vain}, over no new data connection either")
        if self.unanswered >= _UNANSWERED:
            raise TroubleError(Cause.UNANSWERED, f"{self.unanswered} exchanges were sent, none was answered")

    async def _once(self, is_polled: bool, *, may_send: bool) -> bool:
        """Look at the connection, or do one piece of the sockets' work; False where there is nothing to do.

        One command that is not answered is nothing yet, for the engine gets into step before the next; several are.
        """
        try:
            if is_polled:
                await self._poll()
            elif not await self._sockets.work(may_send=may_send):
                return False
        except SilentError:
            raise
        except NoAnswerError as problem:
            self._unheard += 1
            if self._unheard >= _UNHEARD:
                raise
            _LOG.info("modem %s: %s", self.settings.model, problem)
            return True
        self._unheard = 0
        return True

    async def _poll(self) -> None:
        """See whether the connection is as it should be."""
        self.known.registration = await self.dialect.registration()
        if not self.known.is_registered:
            self._attention.end_data(f"no longer registered ({self.known.registration.state.name.lower()})")
            return
        self.known.signal = await self.dialect.signal()
        if await self.dialect.data_address() is None:
            self._attention.end_data("the data connection is gone, and the modem has not told so")
        elif self.data.socket.receives == "buffered":
            self._sockets.look_in()

    async def _lose_data(self, why: str) -> bool:
        is_registered = self.known.is_registered
        self.counters.data_lost += 1
        self._enter(Cause.CONNECTING if is_registered else Cause.LOOKING, why)
        self._sockets.lose_all(ModemError(why))
        if is_registered:
            # Which ends the registration too, in some families, until the data connection is brought up.
            await self.dialect.data_down()
        return is_registered

    # What the modem tells.

    def _heard(self, data: bytes) -> None:
        self.at.heard(data)

    def _port_gone(self, problem: PortGoneError) -> None:
        self._attention.end_session(problem)
        self.at.port_gone(problem)

    def _urc(self, line: Line) -> None:
        event = self.dialect.event_of(line)
        match event:
            case Received(number, data):
                self._sockets.received(number, data)
            case Waiting(number):
                self._sockets.look_in(number)
            case SocketClosed(number, why):
                self._sockets.lose(number, ModemError(f"the socket is gone: {why}"))
            case DataDown(why):
                self._attention.end_data(why)
            case RegistrationChanged(registration):
                self.known.registration = registration
            case Started():
                self._attention.end_session(RebootedError(f"the modem has started anew ({line.text})"))
            case Damaged():
                self.at.counters.damaged += 1
            case None:
                _LOG.debug("modem %s says %s", self.settings.model, line.text)
        if event is not None:
            self._attention.stir()

    # What is done about a trouble.

    def _rebooted(self, problem: RebootedError) -> Step | None:
        """A modem starts anew now and then; one that does so again and again has a trouble, often of its supply."""
        self.counters.reboots += 1
        self._bring_up.forget_baud()
        self._enter(Cause.STARTING, str(problem))
        now_ms = self._clock.monotonic_ms()
        self._boots_ms.append(now_ms)
        if len(self._boots_ms) == _REBOOTS and now_ms - self._boots_ms[0] < _REBOOTS_MS:
            self._boots_ms.clear()
            why = f"the modem has started {_REBOOTS} times in ten minutes by itself"
            return self._trouble(Cause.REBOOTING, ModemError(why))
        return None

    def _trouble(self, cause: Cause, problem: Exception) -> Step:
        self._enter(cause, str(problem))
        return self._ladder.next(cause.trouble, str(problem))

    def _at_once(self, step: Step) -> Step:
        """The step without its wait, which comes before the next one: where there is a connection it is used meanwhile,
        for an answer may come all the same."""
        self.unanswered = 0
        self._in_vain_before = self._sockets.in_vain
        self._patient_until_s = asyncio.get_running_loop().time() + step.wait_s
        return replace(step, wait_s=0.0)

    async def _climb(self, step: Step) -> None:
        _LOG.warning("modem %s: %s; %s in %.0f s", self.settings.model, step.reason, step.rung, step.wait_s)
        self._attention.begin()
        if self.state.name == "absent":
            if await self._bring_up.port_comes_back(step.wait_s):
                return
        else:
            # A modem that says that it has started, or that is pulled out, is not waited for.
            await self._attention.rest(step.wait_s)
        await take(step.rung, self.dialect, self._port, self.settings.hooks)

    def _require_service(self) -> None:
        if not self.is_online:
            raise ModemError(f"the modem {self.settings.model} has no service: {self.state.reason}")

    def _enter(self, cause: Cause, reason: str) -> None:
        if (cause, reason) == (self.state.cause, self.state.reason):
            return
        now_ms = self._clock.monotonic_ms()
        since_ms = self.state.since_ms if cause.state == self.state.name else now_ms
        if cause is Cause.WELL and self._without_since_ms is not None:
            self._without_ms += now_ms - self._without_since_ms
            self._without_since_ms = None
        elif cause is not Cause.WELL and self._without_since_ms is None:
            self._without_since_ms = now_ms
        self.state = ModemState(cause, since_ms, reason)
        _LOG.info("modem %s: %s, %s", self.settings.model, self.state.name, reason)
        self._on_change(self.state)
