"""What keeps a modem from service, and what its driver has to look at."""

import asyncio
import contextlib

from gateway_agent.modem.cause import Cause


class TroubleError(Exception):
    """A stage cannot be passed: the cause, and what is known of it in words."""

    def __init__(self, cause: Cause, why: str) -> None:
        self.cause = cause
        super().__init__(why)


class Attention:
    """What a session has to look at: something has happened, the session is over, the data connection is over."""

    def __init__(self) -> None:
        self.problem: Exception | None = None
        """Why the session is over: the port is gone, the modem has started anew or answers nothing."""
        self.data_problem: str | None = None
        self._stirred = asyncio.Event()

    def begin(self) -> None:
        """A new session: what was before is over."""
        self.problem = None
        self.data_problem = None

    def stir(self) -> None:
        """Something has happened: whoever pauses goes on."""
        self._stirred.set()

    def end_session(self, problem: Exception) -> None:
        """The session is over; the first reason counts."""
        self.problem = self.problem or problem
        self.stir()

    def end_data(self, why: str) -> None:
        """The data connection has to be made anew."""
        self.data_problem = why
        self.stir()

    def check(self) -> None:
        """Raise what ends the session, once."""
        if self.problem is not None:
            problem, self.problem = self.problem, None
            raise problem

    async def pause(self, seconds: float) -> None:
        """Wait until something happens, at most so long; not at all when the session is over."""
        self._stirred.clear()
        if self.problem is None and seconds > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._stirred.wait()

    async def rest(self, seconds: float) -> None:
        """Wait so long, whatever happens, but no longer than the session lasts."""
        loop = asyncio.get_running_loop()
        limit_s = loop.time() + seconds
        while self.problem is None and (left_s := limit_s - loop.time()) > 0:
            await self.pause(left_s)
