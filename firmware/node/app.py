"""Runs the node: what starts in which order, and what happens when it ends, is told in docs/node.md.

The parts are loaded one after the other with a collection between them, so that what is needed only while one is loaded
does not pile up. In safe mode nothing but the core is loaded.
"""

import asyncio
import gc
import sys

from micropython import const

from node import board

_RESTART_MS = const(5000)
_BREATH_MS = const(1)
_COLLECT_EVERY_BYTES = const(8192)

# In the order of what needs what.
_FIRST = ("clock", "two_copies", "log", "boot_state", "start", "settings")
_CORE = ("line", "slots", "register_map", "events", "supervisor", "event_keeper", "event_registers", "status_registers")
_CORE_TOO = ("factory", "boot_registers", "files", "settings_file", "server", "update_gate", "core")
_FULL = ("client", "inputs", "units", "poller", "full_node")


async def _load(names: "tuple[str, ...]") -> None:
    for name in names:
        __import__("node." + name)
        gc.collect()
        await asyncio.sleep_ms(_BREATH_MS)


async def assemble() -> list:  # type: ignore[type-arg]
    """The parts of this node, put together: its core, and all else unless it is in safe mode; none: reset the board."""
    board.start_watchdog()
    gc.threshold(_COLLECT_EVERY_BYTES)
    await _load(_FIRST)
    from node import clock, start

    node_clock = clock.Clock()
    this_start = start.begin(node_clock)
    if this_start.swap():
        return []
    table = this_start.read_table()
    await _load(_CORE)
    await _load(_CORE_TOO)
    from node import core

    parts = [core.Core(table, this_start, node_clock)]
    if table is not None and this_start.is_full:
        await _load(_FULL)
        from node import full_node

        await _load(full_node.more_modules(table))
        parts.append(full_node.FullNode(table, parts[0]))  # type: ignore[arg-type]
    elif table is not None:
        await _load(("safe_lamp",))
        from node import safe_lamp
        from protocols import node_table

        if node_table.lamp_present(table):
            parts.append(safe_lamp.SafeLamp(table))  # type: ignore[arg-type]
    return parts


async def run(parts: list) -> None:  # type: ignore[type-arg]
    """Run the tasks of all parts for ever; an error in one of them ends all."""
    from node import supervisor

    watch = supervisor.Supervisor()
    tasks = [watch.run()]
    for part in parts:
        tasks.extend(part.tasks(watch))
    gc.collect()
    await asyncio.sleep_ms(_BREATH_MS)
    await asyncio.gather(*tasks)


async def _live() -> None:
    stamp = board.STAMP_OWN_RESET
    try:
        parts = await assemble()
        if parts:
            await run(parts)
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
    """Start the node. An error is printed on the console and the board starts again five seconds later."""
    asyncio.run(_live())
