"""The one task that owns a serial port: it takes requests in order of urgency and keeps the port open.

Pollers and commands wait in line here; nobody else touches the port. Urgent requests overtake, requests at the present
line settings are preferred over a change of settings, and while the port is down every request fails at once, so that
the pollers can say "no answer" instead of piling up.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from gateway_agent.collect.direction import DirectionError
from gateway_agent.collect.line import Line
from gateway_agent.collect.port_problem import PortError
from gateway_agent.collect.request import Answer, Ask, Fault, NoAnswerError
from gateway_agent.config import BusConfig, LineSettings

_LOG = logging.getLogger(__name__)
_FIRST_BACK_OFF_S = 1.0
_LAST_BACK_OFF_S = 30.0
_LOOK_AT_PORT_S = 30.0
_SAME_SETTINGS_FOR_S = 1.0
_LINGER_S = 0.05


class Urgency(IntEnum):
    """Who goes first; within one urgency it is first come, first served."""

    COMMAND = 0
    EVENTS = 1
    SERVICE = 2
    POLL = 3
    SLOW = 4


@dataclass(order=True, slots=True)
class _Job:
    urgency: Urgency
    number: int
    since_s: float = field(compare=False)
    ask: Ask = field(compare=False)
    settings: LineSettings = field(compare=False)
    reply_timeout_ms: int = field(compare=False)
    answer: asyncio.Future[Answer] = field(compare=False)


class BusOwner:
    """Owner of one bus. `run` is its task; `ask` may be called from any other task of the same loop.

    `problem` is what keeps the port closed, in words, or None. `on_change` is told when the port is lost (False) or
    open again (True).
    """

    def __init__(self, bus: BusConfig, line: Line, on_change: Callable[[bool], None] = lambda is_open: None) -> None:
        self.bus = bus
        self.problem: str | None = None
        self.line = line
        self._on_change = on_change
        self._jobs: list[_Job] = []
        self._numbers = itertools.count()
        self._work = asyncio.Event()
        self._settings = bus.line
        self._served_s = 0.0

    async def ask(self, ask: Ask, settings: LineSettings, reply_timeout_ms: int, urgency: Urgency) -> Answer:
        """Send a request when its turn comes and return the answer. Raises NoAnswerError."""
        if self.problem is not None:
            raise NoAnswerError(Fault.PORT_DOWN, self.problem)
        loop = asyncio.get_running_loop()
        job = _Job(urgency, next(self._numbers), loop.time(), ask, settings, reply_timeout_ms, loop.create_future())
        self._jobs.append(job)
        self._work.set()
        return await job.answer

    async def run(self) -> None:
        """Own the port until cancelled: open it, serve requests, open it again with growing pauses when it is lost."""
        back_off_s = _FIRST_BACK_OFF_S
        try:
            while True:
                if await self._open():
                    back_off_s = _FIRST_BACK_OFF_S
                    await self._serve()
                    self._lost("was lost; waiting for it to come back")
                    self._on_change(False)
                self._fail_waiting()
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, _LAST_BACK_OFF_S)
        finally:
            self._lost("is closed", quiet=True)
            self._fail_waiting()
            self.line.close()

    async def _open(self) -> bool:
        try:
            await self.line.open()
        except (PortError, DirectionError) as error:
            if self.problem != str(error):
                _LOG.error("%s", error)
            if self.problem is None:
                self._on_change(False)
            self.problem = str(error)
            return False
        if self.problem is not None:
            _LOG.warning("bus %s: serial port %s is open again", self.bus.name, self.bus.port)
            self._on_change(True)
        self.problem = None
        self._settings = self.bus.line
        self.line.counters.opened += 1
        return True

    async def _serve(self) -> None:
        """Answer requests as long as the port is open."""
        while self.line.is_open:
            job = self._next_job()
            if job is None:
                await self._wait_for_work(_LINGER_S if self._jobs else _LOOK_AT_PORT_S)
                continue
            self._settings = job.settings
            try:
                answer = await self.line.exchange(job.ask, job.settings, job.reply_timeout_ms)
            except NoAnswerError as error:
                if not job.answer.done():
                    job.answer.set_exception(error)
            except BaseException:
                job.answer.cancel()
                raise
            else:
                if not job.answer.done():
                    job.answer.set_result(answer)
            self._served_s = asyncio.get_running_loop().time()

    async def _wait_for_work(self, limit_s: float) -> None:
        """Wait for a request, or for so long: an unplugged adapter on an idle bus is to be noticed too."""
        self._work.clear()
        try:
            async with asyncio.timeout(limit_s):
                await self._work.wait()
        except TimeoutError:
            return

    def _next_job(self) -> _Job | None:
        """Take the most urgent request, or None when there is none that should be served now.

        Among equals one that needs no change of settings goes first, unless the oldest has waited for a second. Before
        a change the line is kept for a moment, since whoever has just been served may have more to ask.
        """
        self._jobs = [job for job in self._jobs if not job.answer.done()]
        if not self._jobs:
            return None
        first = min(self._jobs)
        now_s = asyncio.get_running_loop().time()
        if first.settings != self._settings and now_s - first.since_s < _SAME_SETTINGS_FOR_S:
            alike = [job for job in self._jobs if job.urgency == first.urgency and job.settings == self._settings]
            if alike:
                first = min(alike)
            elif first.urgency is not Urgency.COMMAND and now_s - self._served_s < _LINGER_S:
                return None
        self._jobs.remove(first)
        return first

    def _lost(self, what: str, quiet: bool = False) -> None:
        self.problem = f"bus {self.bus.name}: serial port {self.bus.port} {what}"
        if not quiet:
            _LOG.error("%s", self.problem)

    def _fail_waiting(self) -> None:
        for job in self._jobs:
            if not job.answer.done():
                job.answer.set_exception(NoAnswerError(Fault.PORT_DOWN, self.problem or ""))
        self._jobs.clear()
