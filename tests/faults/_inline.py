"""Virtual time without threads: what is given to an executor is done at once, where it is given.

Thousands of short lives of a journal spend most of their time in waking each other's threads. The order of what is done
is the same; only that nothing goes on meanwhile is not as in the agent, which other cases run with its threads.
"""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

from hardware.rig.clock import RigClock, VirtualLoop

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class _InlineLoop(VirtualLoop):
    def run_in_executor(
        self, executor: Executor | None, func: Callable[[*Arguments], Result], *args: *Arguments
    ) -> asyncio.Future[Result]:
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def run_inline(main: Callable[[RigClock], Coroutine[Any, Any, Result]], *, start_unix_ms: int) -> Result:
    """Run `main(clock)` to its end, as `run_virtual` does, in this thread alone."""
    with asyncio.Runner(loop_factory=_InlineLoop) as runner:

        async def started() -> Result:
            return await main(RigClock(asyncio.get_running_loop(), start_unix_ms))

        return runner.run(started())
