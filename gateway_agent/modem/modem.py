"""A modem's life: from the port to registered to a data connection, kept so, with UDP sockets for whoever asks.

`Modem.run` is a loop of sessions. A session goes through the stages; what fails in one is a trouble, for which the
ladder (`ladder`) names a rung, and a new session begins. The state tells at each moment how far it is and why.
"""

import asyncio
import contextlib
import logging
import random as randomness
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gateway_agent.clock import Clock
from gateway_agent.modem.at import AtEngine
from gateway_agent.modem.dialect import Dialect, Identity, LinkSettings, ModemData, SimState, load_modem
from gateway_agent.modem.dialects.choice import dialect_of
from gateway_agent.modem.errors import (
    AtError,
    InterruptedCommandError,
    ModemError,
    NoAnswerError,
    NoPromptError,
    PortGoneError,
    RebootedError,
    RefusedError,
)
from gateway_agent.modem.events import (
    Damaged,
    DataDown,
    Received,
    RegistrationChanged,
    SocketClosed,
    Started,
    Waiting,
)
from gateway_agent.modem.hooks import SUPPLY_OFF_S, HookError, Hooks
from gateway_agent.modem.kept_state import load_state, pin_key
from gateway_agent.modem.ladder import Ladder, Rung, Step, Trouble
from gateway_agent.modem.port import SerialPort
from gateway_agent.modem.stream import Line
from gateway_agent.modem.tgpp import Registration, RegistrationState, Signal

_LOG = logging.getLogger("gatepost.modem")

StateName = Literal["absent", "silent", "starting", "no-sim", "pin", "searching", "denied", "no-data", "online"]

_PORT_S = 1.0
_PORT_LONGEST_S = 10.0
_KNOCKS = 3
_REGISTRATION_S = 2.0
_POLL_S = 60.0
_DOUBT_S = 5.0
_SLEEPER_POLL_S = 900.0
_SETTLED_S = 60.0
_SEND_TRIES = 3
_BUSY_S = (0.05, 0.5, 2.0)
_QUEUE = 64
_REBOOTS = 4
_UNANSWERED = 4
_SIM_TRIES = 6
_SIM_S = 2.0
_DENIED_S = 30.0


@dataclass(frozen=True)
class ModemSettings:
    """One modem of a pole. `model` names a file of hardware/modems; `baud` None takes the model's, and tries others."""

    model: str
    port: str
    baud: int | None = None
    link: LinkSettings = field(default_factory=LinkSettings)
    pin: str | None = field(default=None, repr=False)
    hooks: Hooks = field(default_factory=Hooks)
    daily_cap: int = 24


@dataclass(frozen=True, slots=True)
class ModemState:
    """How far the modem is, since when (milliseconds of the monotonic clock), and why in words."""

    name: StateName
    since_ms: int
    reason: str


@dataclass
class ModemCounters:
    """What has happened since the start, besides what the AT engine counts."""

    sent: int = 0
    received: int = 0
    dropped: int = 0
    """Datagrams that were not sent: no service, or too many waiting."""
    sessions: int = 0
    data_lost: int = 0
    sockets_lost: int = 0
    reboots: int = 0


class _TroubleError(Exception):
    def __init__(self, trouble: Trouble, why: str) -> None:
        self.trouble: Trouble = trouble
        super().__init__(why)


class ModemLink:
    """Datagrams to one peer through a socket inside the modem."""

    def __init__(
        self,
        modem: "Modem",
        host: str,
        port: int,
        on_datagram: Callable[[bytes], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        self.limit_bytes = modem.data.socket.limit_bytes
        self.host = host
        self.port = port
        self.number = -1
        self.on_datagram = on_datagram
        self.on_lost = on_lost
        self._modem = modem

    def send(self, data: bytes, *, answer_expected: bool) -> None:
        """Queue a datagram; they go out one at a time, in order. What fails is told to `on_lost`."""
        self._modem.enqueue(self, data, answer_expected)

    def close(self) -> None:
        """Send and receive no more. A second call does nothing."""
        self._modem.forget(self)


class Modem:
    """One modem on one port. `on_change` is told of each new state."""

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
        self.signal = Signal()
        self.registration = Registration(RegistrationState.UNKNOWN)
        self.identity = Identity()
        self.address = ""
        self.kept = load_state(state_file)
        self.unanswered = 0
        self.state = ModemState("starting", clock.monotonic_ms(), "not started yet")
        self._clock = clock
        self._on_change = on_change
        chance = random or randomness.Random()
        self._ladder = Ladder(_rungs_of(settings.hooks), self.kept, clock, daily_cap=settings.daily_cap, chance=chance)
        self._port = SerialPort(settings.port, self._heard, self._port_gone)
        self.at = AtEngine(self._port, self._urc)
        self.dialect: Dialect = dialect_of(self.at, self.data, settings.link)
        self._links: dict[int, ModemLink] = {}
        self._opening = asyncio.Lock()
        self._queue: deque[tuple[ModemLink, bytes, bool]] = deque()
        self._to_close: list[int] = []
        self._to_read: set[int] = set()
        self._stir = asyncio.Event()
        self._session_problem: Exception | None = None
        self._data_problem: str | None = None
        self._without_s = 0.0
        self._offline_since_ms: int | None = clock.monotonic_ms()
        self._refused_sends = 0
        self._patient_until_s = float("-inf")
        self._recent_boots: deque[int] = deque(maxlen=_REBOOTS)

    @property
    def is_online(self) -> bool:
        """Whether sockets can be opened and used."""
        return self.state.name == "online"

    @property
    def seconds_without_service(self) -> float:
        """Seconds since the start in which there was no data connection."""
        now_ms = self._clock.monotonic_ms()
        running_ms = 0 if self._offline_since_ms is None else now_ms - self._offline_since_ms
        return self._without_s + running_ms / 1000

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
            "since_ms": self.state.since_ms,
            "reason": self.state.reason,
            "identity": asdict(self.identity),
            "registration": self.registration.state.name.lower(),
            "cell": self.registration.cell,
            "address": self.address,
            "signal": asdict(self.signal),
            "counters": {**asdict(self.at.counters), **asdict(self.counters)},
            "recoveries": self.recoveries,
            "last_climbs": [asdict(climb) for climb in self.kept.climbs[-5:]],
            "disturbances_today": self._ladder.disturbances(),
            "without_service_s": round(self.seconds_without_service, 1),
            "unanswered": self.unanswered,
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
            self._lose_all(ModemError("the modem's driver has ended"))
            self._port.close()

    async def open(
        self, host: str, port: int, on_datagram: Callable[[bytes], None], on_lost: Callable[[Exception], None]
    ) -> ModemLink:
        """A link to a peer. Raises ModemError, with the modem's state in words where it has no service."""
        self._require_service()
        async with self._opening:
            self._require_service()
            link = ModemLink(self, host, port, on_datagram, on_lost)
            try:
                peer = host if self.data.socket.takes_names or _is_address(host) else await self.dialect.resolve(host)
                link.host = peer
                free = next((one for one in range(self.data.socket.count) if one not in self._links), None)
                if free is None:
                    raise ModemError(f"all {self.data.socket.count} sockets of the modem are in use; close one")
                link.number = await self.dialect.open(free, peer, port)
            except RefusedError as refused:
                self._begin_data_anew(f"no socket can be opened: {refused}")
                raise
            except NoAnswerError as problem:
                # The session ends by it: it comes to the ladder there.
                self._session_problem = self._session_problem or problem
                self._stir.set()
                raise
            self._require_service()
            self._links[link.number] = link
            return link

    def note_answered(self) -> None:
        """The uplink's word: the platform has answered an exchange."""
        self.unanswered = 0
        self.kept.answered_ms = self._clock.unix_ms()
        self.kept.awaits_answer = False

    def note_unanswered(self) -> None:
        """The uplink's word: an exchange was sent, as often as it is, and never answered."""
        self.unanswered += 1
        self._stir.set()

    def enqueue(self, link: ModemLink, data: bytes, answer_expected: bool) -> None:
        """See ModemLink.send."""
        if self._links.get(link.number) is not link:
            self.counters.dropped += 1
            link.on_lost(ModemError(f"the socket is closed: {self.state.reason}"))
        elif len(data) > link.limit_bytes:
            self.counters.dropped += 1
            link.on_lost(ModemError(f"{len(data)} bytes are more than the {link.limit_bytes} that the modem takes"))
        elif len(self._queue) >= _QUEUE:
            self.counters.dropped += 1
        else:
            self._queue.append((link, data, answer_expected))
            self._stir.set()

    def forget(self, link: ModemLink) -> None:
        """See ModemLink.close."""
        if self._links.get(link.number) is link:
            del self._links[link.number]
            self._to_close.append(link.number)
            self._queue = deque(item for item in self._queue if item[0] is not link)
            self._stir.set()

    # The stages of a session.

    async def _live(self) -> Step | None:
        """One session, until something ends it; the rung to take then, None where it only has to begin anew."""
        self.counters.sessions += 1
        self._session_problem = None
        self._data_problem = None
        try:
            await self._open_port()
            await self._contact()
            await self._unlock()
            self._note_pin_if_tried()
            await self._register()
            while True:
                await self._bring_data_up()
                await self._serve()
        except PortGoneError as problem:
            self._enter("absent", str(problem))
            return None
        except RebootedError as problem:
            return self._rebooted(problem)
        except NoAnswerError as problem:
            self._enter("silent", str(problem))
            return self._ladder.next("silent", str(problem))
        except _TroubleError as problem:
            step = self._ladder.next(problem.trouble, str(problem))
            return self._at_once(step) if problem.trouble == "unanswered" else step
        except AtError as problem:
            trouble: Trouble = "no-data" if self.registration.state.is_registered else "searching"
            self._enter("no-data" if trouble == "no-data" else "searching", str(problem))
            return self._ladder.next(trouble, str(problem))
        finally:
            self._lose_all(ModemError(self.state.reason))

    def _at_once(self, step: Step) -> Step:
        """The step without its wait, which comes before the next one: where there is a connection it is used meanwhile,
        for an answer may come all the same."""
        self.unanswered = 0
        self._patient_until_s = asyncio.get_running_loop().time() + step.wait_s
        return replace(step, wait_s=0.0)

    def _rebooted(self, problem: RebootedError) -> Step | None:
        """A modem starts anew now and then; one that does so again and again has a trouble, often of its supply."""
        self.counters.reboots += 1
        self._enter("starting", str(problem))
        now_ms = self._clock.monotonic_ms()
        self._recent_boots.append(now_ms)
        if len(self._recent_boots) == _REBOOTS and now_ms - self._recent_boots[0] < 600_000:
            self._recent_boots.clear()
            return self._ladder.next("rebooting", f"the modem has started {_REBOOTS} times in ten minutes")
        return None

    async def _open_port(self) -> None:
        """Have the port open: a modem that is not there is waited for."""
        wait_s = _PORT_S
        while not self._port.is_open:
            try:
                self._open_at(self.settings.baud or self.data.serial.bauds[0])
            except PortGoneError as problem:
                self._enter("absent", str(problem))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _PORT_LONGEST_S)

    def _open_at(self, baud: int) -> None:
        self._port.open(baud)
        self.at.restart()

    async def _contact(self) -> None:
        """Hear the modem answer, at its own baud rate or another, and prepare it."""
        self._enter("starting", "waiting for the modem to answer")
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + self.data.times.boot_s
        bauds = list(dict.fromkeys([self._port.baud, *self.data.serial.bauds]))
        if self.settings.baud is not None:
            bauds = [self.settings.baud]
        answers = await self.at.knock(_KNOCKS)
        while not answers and loop.time() < limit_s:
            answers = await self.at.knock(_KNOCKS)
        for baud in [] if answers else bauds[1:]:
            self._open_at(baud)
            if answers := await self.at.knock(_KNOCKS):
                break
        if not answers:
            self._open_at(bauds[0])
            tried = ", ".join(map(str, bauds))
            raise NoAnswerError(f"the modem on {self.settings.port} does not answer AT at {tried} baud")
        self._session_problem = None
        await self.dialect.prepare()

    async def _unlock(self) -> None:
        """Have a SIM that is ready, and know who it is."""
        try:
            await self._make_sim_ready()
        finally:
            self.identity = await self.dialect.identity()

    async def _make_sim_ready(self) -> None:
        for _ in range(_SIM_TRIES):
            sim = await self.dialect.sim()
            if sim == SimState.READY:
                return
            if sim == SimState.PIN:
                await self._enter_pin()
            elif sim == SimState.PUK:
                self._enter("pin", "the SIM is locked and wants its PUK")
                raise _TroubleError("pin", self.state.reason)
            elif sim == SimState.DEAD:
                self._enter("no-sim", "the SIM does not work (the modem calls it a failure or a wrong SIM)")
                raise _TroubleError("sim-dead", self.state.reason)
            await self._pause(_SIM_S)
        self._enter("no-sim", "the modem finds no SIM")
        raise _TroubleError("no-sim", self.state.reason)

    def _note_pin_if_tried(self) -> None:
        if self.settings.pin is not None:
            key = pin_key(self.identity.iccid, self.settings.pin)
            if self.kept.pins.get(key) == "tried":
                self.kept.pins[key] = "accepted"
                self.kept.save()

    async def _enter_pin(self) -> None:
        """Try the PIN, if it was never tried on this SIM or has been right before. Recorded before it is tried."""
        if self.settings.pin is None:
            self._enter("pin", "the SIM wants a PIN and pole.toml has none")
            raise _TroubleError("pin", self.state.reason)
        self.identity = await self.dialect.identity()
        key = pin_key(self.identity.iccid, self.settings.pin)
        outcome = self.kept.pins.get(key)
        if self.kept.is_damaged and outcome is None:
            self._enter("pin", "the record of tried PINs was damaged, so the PIN is not tried")
            raise _TroubleError("pin", self.state.reason)
        if outcome in ("tried", "refused"):
            self._enter("pin", f"the PIN of pole.toml was {outcome} on this SIM before and is not tried again")
            raise _TroubleError("pin", self.state.reason)
        if outcome is None:
            self.kept.pins[key] = "tried"
            self.kept.save()
        try:
            await self.dialect.enter_pin(self.settings.pin)
        except RefusedError as refused:
            self.kept.pins[key] = "refused"
            self.kept.save()
            self._enter("pin", f"the SIM has refused the PIN of pole.toml ({refused.line})")
            raise _TroubleError("pin", self.state.reason) from refused
        self.kept.pins[key] = "accepted"
        self.kept.save()

    async def _register(self) -> None:
        """Wait for the network to take us."""
        self._enter("searching", "looking for the network")
        await self.dialect.connect()
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + self.data.times.register_s
        denied_s: float | None = None
        while True:
            self.registration = await self.dialect.registration()
            if self.registration.state.is_registered:
                return
            now_s = loop.time()
            if self.registration.state is not RegistrationState.DENIED:
                denied_s = None
            elif denied_s is None:
                denied_s = now_s
            elif now_s - denied_s >= _DENIED_S:
                self._enter("denied", "the network refuses this SIM or modem")
                raise _TroubleError("denied", self.state.reason)
            if now_s >= limit_s:
                await self._tell_no_network()
            await self._pause(_REGISTRATION_S)

    async def _tell_no_network(self) -> None:
        self.signal = await self.dialect.signal()
        heard = "no cell is heard" if self.signal.rssi_dbm is None else f"a cell is heard at {self.signal.rssi_dbm} dBm"
        waited_s = self.data.times.register_s
        state = self.registration.state.name.lower()
        self._enter("searching", f"not registered after {waited_s:g} s ({state}; {heard})")
        raise _TroubleError("searching", self.state.reason)

    async def _bring_data_up(self) -> None:
        self._data_problem = None
        if not self.is_online:
            self._enter("no-data", "registered, bringing the data connection up")
        try:
            self.address = await self.dialect.data_up()
        except RefusedError as refused:
            self._enter("no-data", f"registered, but there is no data connection: {refused}")
            raise _TroubleError("no-data", self.state.reason) from refused
        self.signal = await self.dialect.signal()
        self._enter("online", f"registered ({self.registration.state.name.lower()}) with a data connection")

    async def _serve(self) -> None:
        """Send, receive and look after the connection; returns when the data connection has to be made anew."""
        loop = asyncio.get_running_loop()
        may_sleep = self.at.may_sleep
        poll_s = _SLEEPER_POLL_S if may_sleep else _POLL_S
        next_poll_s = loop.time() + poll_s
        settled_s = loop.time() + _SETTLED_S
        doubt_s = float("inf")
        while True:
            self._check()
            if self._data_problem is not None:
                self._lose_data(self._data_problem)
                await self.dialect.data_down()
                return
            if self.unanswered >= _UNANSWERED and loop.time() >= self._patient_until_s:
                self._enter("no-data", f"{self.unanswered} exchanges were sent and never answered")
                raise _TroubleError("unanswered", self.state.reason)
            if loop.time() >= settled_s:
                self._ladder.settled()
                settled_s = float("inf")
            if self.registration.state.is_registered:
                doubt_s = float("inf")
            elif doubt_s == float("inf"):
                # An URC has said so; cells are changed in a moment, so it may be over when it is asked for.
                doubt_s = loop.time() + _DOUBT_S
            if await self._work():
                continue
            if loop.time() >= min(next_poll_s, doubt_s):
                next_poll_s = loop.time() + poll_s
                await self._poll()
                continue
            await self._pause(min(next_poll_s, doubt_s, settled_s) - loop.time())

    async def _work(self) -> bool:
        """One piece of work, the most urgent first; False when there is none."""
        if self._to_read:
            await self._read(self._to_read.pop())
        elif self._to_close:
            await self.dialect.close(self._to_close.pop())
        elif self._queue and self.registration.state.is_registered:
            await self._send(*self._queue.popleft())
        else:
            return False
        return True

    async def _send(self, link: ModemLink, data: bytes, answer_expected: bool) -> None:
        """Send one datagram. Whether it was sent when nothing was answered nobody knows: it counts as sent."""
        for attempt in range(_SEND_TRIES):
            if self._links.get(link.number) is not link:
                return
            try:
                await self.dialect.send(link.number, data, link.host, link.port, answer_expected=answer_expected)
            except NoPromptError:
                continue  # surely not sent: the next command gets into step first
            except NoAnswerError as problem:
                _LOG.info("modem: %s", problem)
            except InterruptedCommandError as problem:
                self._lose(link.number, problem)
                return
            except RefusedError as refused:
                if attempt + 1 == _SEND_TRIES:
                    self._send_refused(link, refused)
                    return
                await self._pause(_BUSY_S[attempt])
                self._check()
                continue
            self.counters.sent += 1
            self._refused_sends = 0
            return
        raise NoAnswerError("the modem never asks for the data of a send")

    def _send_refused(self, link: ModemLink, refused: RefusedError) -> None:
        """A socket that takes nothing is given up; when the next takes nothing either, the connection is at fault."""
        self._lose(link.number, refused)
        self._to_close.append(link.number)
        self._refused_sends += 1
        if self._refused_sends > 1:
            self._refused_sends = 0
            self._begin_data_anew(f"nothing can be sent: {refused}")

    async def _read(self, socket: int) -> None:
        """Read until nothing waits: it is announced once only."""
        for _ in range(_QUEUE):
            try:
                read = await self.dialect.receive(socket)
            except RefusedError as refused:
                self._lose(socket, refused)
                return
            for data in read:
                self._received(socket, data)
            if not read:
                return

    async def _poll(self) -> None:
        """See whether the connection is as it should be."""
        self.registration = await self.dialect.registration()
        if not self.registration.state.is_registered:
            raise InterruptedCommandError(f"no longer registered ({self.registration.state.name.lower()})")
        self.signal = await self.dialect.signal()
        if await self.dialect.data_address() is None:
            self._data_problem = "the data connection is gone, and nothing has told so"
        for socket in self._links if self.data.socket.receives == "buffered" else ():
            self._to_read.add(socket)

    # What the modem tells.

    def _heard(self, data: bytes) -> None:
        self.at.heard(data)

    def _port_gone(self, problem: PortGoneError) -> None:
        self._session_problem = problem
        self.at.port_gone(problem)
        self._stir.set()

    def _urc(self, line: Line) -> None:
        event = self.dialect.event_of(line)
        match event:
            case Received(socket, data):
                self._received(socket, data)
            case Waiting(socket):
                self._to_read.update(self._links if socket is None else [socket])
            case SocketClosed(socket, why):
                self._lose(socket, ModemError(f"the socket is gone: {why}"))
            case DataDown(why):
                self._data_problem = why
            case RegistrationChanged(registration):
                self.registration = registration
            case Started():
                self._session_problem = RebootedError(f"the modem has started anew ({line.text})")
            case Damaged():
                self.at.counters.damaged += 1
            case None:
                _LOG.debug("modem says %s", line.text)
        if event is not None:
            self._stir.set()

    def _begin_data_anew(self, why: str) -> None:
        self._data_problem = why
        self._stir.set()

    def _received(self, socket: int, data: bytes) -> None:
        link = self._links.get(socket)
        if link is not None:
            self.counters.received += 1
            link.on_datagram(data)

    def _lose(self, socket: int, problem: Exception) -> None:
        link = self._links.pop(socket, None)
        if link is not None:
            self.counters.sockets_lost += 1
            self._queue = deque(item for item in self._queue if item[0] is not link)
            link.on_lost(problem)

    def _lose_data(self, why: str) -> None:
        self.counters.data_lost += 1
        self._enter("no-data", why)
        self._lose_all(ModemError(why))

    def _lose_all(self, problem: Exception) -> None:
        self._to_read.clear()
        self._to_close.clear()
        for socket in list(self._links):
            self._lose(socket, problem)

    # Rungs.

    async def _climb(self, step: Step) -> None:
        """Wait, then take the rung. What fails in it leads to the next one."""
        _LOG.warning("modem %s: %s; %s in %.0f s", self.settings.model, step.reason, step.rung, step.wait_s)
        self._stir.clear()
        await self._rest(step.wait_s)
        with contextlib.suppress(AtError, PortGoneError):
            try:
                await self._take(step.rung)
            except HookError as problem:
                _LOG.error("modem %s: %s", self.settings.model, problem)

    async def _take(self, rung: Rung) -> None:
        hooks = self.settings.hooks
        if rung == "radio":
            await self.dialect.radio(False)
            await asyncio.sleep(_REGISTRATION_S)
        elif rung == "reset":
            await self.dialect.reset()
            await asyncio.sleep(_REGISTRATION_S)
        elif rung == "power-key" and hooks.power_key is not None:
            await hooks.power_key()
        elif rung == "supply" and hooks.supply_off is not None and hooks.supply_on is not None:
            self._port.close()
            try:
                await hooks.supply_off()
                await asyncio.sleep(SUPPLY_OFF_S)
            finally:
                await hooks.supply_on()

    async def _rest(self, wait_s: float) -> None:
        """Wait, but no longer than until the modem says that it has started or the port is gone."""
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + wait_s
        while (rest_s := limit_s - loop.time()) > 0 and self._session_problem is None:
            await self._pause(rest_s)

    async def _pause(self, seconds: float) -> None:
        """Wait until something happens, at most so long."""
        self._stir.clear()
        if self._session_problem is None and seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stir.wait()

    def _check(self) -> None:
        if self._session_problem is not None:
            problem, self._session_problem = self._session_problem, None
            raise problem

    def _require_service(self) -> None:
        if not self.is_online:
            raise ModemError(f"the modem {self.settings.model} is not in service: {self.state.reason}")

    def _enter(self, name: StateName, reason: str) -> None:
        if (name, reason) == (self.state.name, self.state.reason):
            return
        now_ms = self._clock.monotonic_ms()
        since_ms = self.state.since_ms if name == self.state.name else now_ms
        if name == "online" and self._offline_since_ms is not None:
            self._without_s += (now_ms - self._offline_since_ms) / 1000
            self._offline_since_ms = None
        elif name != "online" and self._offline_since_ms is None:
            self._offline_since_ms = now_ms
        self.state = ModemState(name, since_ms, reason)
        _LOG.info("modem %s: %s, %s", self.settings.model, name, reason)
        self._on_change(self.state)


def _rungs_of(hooks: Hooks) -> list[Rung]:
    rungs: list[Rung] = ["wait", "radio", "reset"]
    if hooks.power_key is not None:
        rungs.append("power-key")
    if hooks.supply_off is not None and hooks.supply_on is not None:
        rungs.append("supply")
    return rungs


def _is_address(host: str) -> bool:
    return bool(host) and all(part.isdigit() and int(part) < 256 for part in host.split(".")) and host.count(".") == 3
