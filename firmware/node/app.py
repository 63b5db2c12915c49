"""Runs the node: what starts in which order, and what happens when it ends, is told in docs/node.md."""

import asyncio
import gc
import sys

from micropython import const

from node import board, modules

_RESTART_MS = const(5000)


async def _start() -> list:  # type: ignore[type-arg]
    """The tasks of this node; what made them is let go."""
    from node import assembly

    tasks = await assembly.assemble()
    modules.forget(("node.assembly",))
    return tasks


async def _live() -> None:
    stamp = board.STAMP_OWN_RESET
    try:
        tasks = await _start()
        gc.collect()
        if tasks:
            await asyncio.gather(*tasks)
    except Exception as error:
        stamp = board.STAMP_EXCEPTION
        sys.print_exception(error)
        _note(error)
        await asyncio.sleep_ms(_RESTART_MS)
    board.reset(stamp)


def _note(error: Exception) -> None:
    """Put the first letters of the error's name into the log, and the log onto the flash."""
    from node import log
    from protocols import log_codes

    name = type(error).__name__[:4].encode() + bytes(4)
    log.note(log_codes.EXCEPTION, int.from_bytes(name[:4], "big"))
    log.keep(True)


def main() -> None:
    """Start the node. An error is printed on the console and the board starts again five seconds later.

    Ctrl-C at the beginning of a line on the console leads to the prompt (node/console.py); the watchdog ends that after
    ten seconds, which is no crash.
    """
    asyncio.run(_live())
