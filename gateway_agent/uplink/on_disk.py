"""Work on the disk that the event loop must not wait for, and that is never left half done behind its caller's back."""

import asyncio
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def on_disk(work: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
    """What `work(*arguments)` gives, done in a thread.

    Who is cancelled meanwhile ends only when the work has, so that nobody else touches the same file at the same time.
    """
    job = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    try:
        return await asyncio.shield(job)
    except asyncio.CancelledError:
        await asyncio.wait({job})
        raise
