"""The rig owns time: one clock object for real runs, one event loop whose time jumps when nothing is left to do.

`run_real` and `run_virtual` run the same coroutine; only the loop differs. In a virtual run a day passes as fast
as the machine can work it off: timers, sockets, socketpairs, executor jobs and node machines behave as usual, but
waiting costs nothing. Jobs in an executor hold time still until they are done.
"""

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")

DEMO_START_UNIX_MS = 1_781_740_800_000  # 2026-06-18 00:00:00 UTC, the day of the uplink workload
_STUCK_AFTER_S = 60.0
_SETTLE_S = 0.0005


class RigClock:
    """Wall time that follows the running loop: `start_unix_ms` at the moment the clock is made (milliseconds).

    `is_trusted` is true until somebody says otherwise.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, start_unix_ms: int | None = None) -> None:
        self.loop = loop
        self.is_trusted = True
        start = time.time_ns() // 1_000_000 if start_unix_ms is None else start_unix_ms
        self._origin_ms = start - loop.time() * 1000

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        return int(self._origin_ms + self.loop.time() * 1000)

    def monotonic_ms(self) -> int:
        """Milliseconds of the loop's own time, which never goes back; cut off where `unix_ms` is."""
        return self.unix_ms() - int(self._origin_ms)

    def boot_id(self) -> str:
        """One name for every rig: its monotonic clock begins with the run."""
        return "rig"

    def loop_time(self, unix_ms: float) -> float:
        """The loop time (seconds) at which the wall clock shows `unix_ms`."""
        return (unix_ms - self._origin_ms) / 1000


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the kernel first; when nothing is ready and nobody holds time, moves the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.held = 0
        self._busy = False
        self._datagram_sockets: set[int] = set()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file, and note whether it is a datagram socket."""
        key = super().register(fileobj, events, data)
        if _is_datagram_socket(key.fd):
            self._datagram_sockets.add(key.fd)
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Stop to watch a file."""
        key = super().unregister(fileobj)
        self._datagram_sockets.discard(key.fd)
        return key

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Ready events, or an empty list after `now` has moved by `timeout` seconds."""
        ready = self._ready(0)
        if ready:
            return ready
        if timeout is not None and timeout <= 0:
            return []
        if self._busy and not self.held:
            # A datagram sent in this instant may still be on its way through the kernel.
            self._busy = False
            ready = self._ready(_SETTLE_S)
            if ready:
                return ready
        if self.held or timeout is None:
            ready = self._ready(_STUCK_AFTER_S)
            if not ready:
                raise RuntimeError("the virtual run waits for something outside that never came")
            return ready
        self.now += timeout
        return []

    def _ready(self, timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(timeout)
        if any(key.fd in self._datagram_sockets for key, _ in ready):
            self._busy = True
        return ready


def _is_datagram_socket(descriptor: int) -> bool:
    try:
        with socket.socket(fileno=os.dup(descriptor)) as probe:
            return probe.type == socket.SOCK_DGRAM
    except OSError:
        return False


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is virtual. Not for production: it never sleeps."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # asyncio lets a timer go off when it is due to within this; after half a year a second is no longer told apart
        # to the nanosecond that it has otherwise, and a timer that is due would never go off.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        """As in asyncio, and time stands still until the job is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumping.held += 1
        future.add_done_callback(self._release)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """As in asyncio, and time stands still until the threads have ended."""
        self._jumping.held += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumping.held -= 1

    def _release(self, _future: asyncio.Future[Any]) -> None:
        self._jumping.held -= 1


def run_virtual(
    main: Callable[[RigClock], Coroutine[Any, Any, Result]], *, start_unix_ms: int = DEMO_START_UNIX_MS
) -> Result:
    """Run `main(clock)` to its end in virtual time and return its result."""
    return _run(VirtualLoop(), main, start_unix_ms)


def run_real(main: Callable[[RigClock], Coroutine[Any, Any, Result]]) -> Result:
    """Run `main(clock)` to its end in real time, starting at the machine's own wall time."""
    return _run(asyncio.new_event_loop(), main, None)


def _run(
    loop: asyncio.AbstractEventLoop,
    main: Callable[[RigClock], Coroutine[Any, Any, Result]],
    start_unix_ms: int | None,
) -> Result:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:

        async def started() -> Result:
            return await main(RigClock(asyncio.get_running_loop(), start_unix_ms))

        return runner.run(started())
