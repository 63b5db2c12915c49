"""Puts a node together: which modules are loaded in which order, and which are let go when they have served.

They are loaded one after the other with a collection between them, so that what is needed only while one is loaded does
not pile up. In safe mode nothing but the core is loaded. What only the start needs (reading and checking the table,
choosing the parts) does not stay in the heap.
"""

import asyncio
import gc

from micropython import const

from node import board, modules

_BREATH_MS = const(1)
_COLLECT_EVERY_BYTES = const(4096)

# In the order of what needs what.
_FIRST = ("clock", "two_copies", "log", "boot_state", "start", "settings")
_CORE = ("line", "slots", "register_map", "events", "supervisor", "event_keeper", "event_registers", "status_registers")
_CORE_TOO = ("boot_registers", "files", "settings_file", "server", "update_gate", "core", "console")
_FULL = ("client", "inputs", "units", "poller", "full_node")

# What holds no more than the way there: it may be loaded again when settings or an update come.
_READS_TABLE = ("node.settings", "protocols.node_settings", "protocols.node_table_check")
_CHOOSES_PARTS = ("node.factory", "protocols.factory_record", "node.sensors", "node.full_node", "node.core")


async def assemble() -> list:  # type: ignore[type-arg]
    """The coroutines of this node, its supervisor's among them, to be run for ever; none: reset the board."""
    board.start_watchdog()
    gc.threshold(_COLLECT_EVERY_BYTES)
    await _load(_FIRST)
    from node import clock, start

    node_clock = clock.Clock()
    this_start = start.begin(node_clock)
    if this_start.swap():
        return []
    table = this_start.read_table()
    await _forget(_READS_TABLE)
    await _load(_CORE)
    await _load(_CORE_TOO)
    from node import console, core, supervisor

    node_core = core.Core(table, this_start, node_clock)
    parts = [node_core]
    full = None
    if table is not None and this_start.is_full:
        await _load(_FULL)
        from node import full_node

        await _load(full_node.more_modules(table))
        full = full_node.FullNode(table, node_core)
        parts.append(full)  # type: ignore[arg-type]
    elif table is not None:
        await _load(("safe_lamp",))
        from node import safe_lamp
        from protocols import node_table

        if node_table.lamp_present(table):
            parts.append(safe_lamp.SafeLamp(table))  # type: ignore[arg-type]
    parts.append(console.Console(table, node_core, full))  # type: ignore[arg-type]
    watch = supervisor.Supervisor()
    tasks = [watch.run()]
    for part in parts:
        tasks.extend(part.tasks(watch))
    await _forget(_CHOOSES_PARTS)
    return tasks


async def _load(names: "tuple[str, ...]") -> None:
    for name in names:
        __import__("node." + name)
        gc.collect()
        board.feed_watchdog()  # a slow flash, or an emulated one, may take seconds for one module
        await asyncio.sleep_ms(_BREATH_MS)


async def _forget(names: "tuple[str, ...]") -> None:
    modules.forget(names)
    gc.collect()
    await asyncio.sleep_ms(_BREATH_MS)
