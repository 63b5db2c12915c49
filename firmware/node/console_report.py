"""The first part of a report at the console: who the node is, what it runs, how its devices' last polls went.

No key is ever told, only whether there is one.
"""

import gc
import os
import sys

from micropython import const

from node import board, boot_state, console, factory, identity
from protocols import node_table, quality
from protocols import node_table_layout as layout

_KEY_BYTES = const(384)
_SIZE = const(6)


async def tell(sheet: console.Sheet, node: console.Console) -> None:
    """Put the lines from `report` to the last device."""
    await sheet.begin()
    put = sheet.put
    table = node.table
    start = node.core.start
    await put("report", 1)
    await put("terminal", factory.terminal_code().decode() or "none")
    await put("unit", node.core.server.unit)
    await put("mac", ":".join(["%02x" % byte for byte in board.mac()]))
    await put("board", board.BOARD_NUMBER)
    await put("firmware", "%d.%d.%d" % (identity.FIRMWARE_MAJOR, identity.FIRMWARE_MINOR, identity.FIRMWARE_PATCH))
    await put("micropython", "%d.%d.%d" % sys.implementation.version[:3])
    await put("mode", "%s %d" % ("full" if start.is_full else "safe", start.mode))
    await put("started", start.reason)
    node.core.clock.update()
    await put("uptime_s", node.core.clock.seconds)
    gc.collect()
    await put("heap_free", board.heap_free_bytes())
    flash = os.statvfs("/")
    await put("flash_free", flash[0] * flash[3])
    await put("table", "none" if table is None else "%08x" % layout.u32(table, layout.DIGEST_AT))
    await put("identity", factory.state())
    await put("node_key", "no" if factory.node_key() is None else "yes")
    await put("broadcast_key", "no" if factory.broadcast_key() is None else "yes")
    await put("update_keys", _update_keys())
    await put("slot", "ab"[boot_state.running_slot()])
    if table is None or not node_table.baud(table):
        await put("sensor_bus", "none")
    else:
        parity = "NEO"[node_table.parity(table)]
        await put("sensor_bus", "%d 8%s%d" % (node_table.baud(table), parity, node_table.stop_bits(table)))
    if table is None or node.poller is None:
        return
    for device in range(node_table.device_count(table)):
        await put("device %d" % device, _device(table, device, node.core.slots.qualities))


def _update_keys() -> int:
    try:
        return os.stat("update.key")[_SIZE] // _KEY_BYTES
    except OSError:
        return 0


def _device(table: bytes, device: int, qualities: bytearray) -> str:
    """The worst of its points says how the device stands."""
    first = node_table.device_first_slot(table, device)
    counts = [0] * 16
    for slot in range(first, first + node_table.device_slot_count(table, device)):
        counts[qualities[slot]] += 1
    standing = "waiting" if counts[quality.NEVER] else "answered"
    if counts[quality.BAD_ANSWER]:
        standing = "garbled"
    if counts[quality.NO_ANSWER]:
        standing = "silent"
    unit = "pins"
    if node_table.device_request_count(table, device):
        unit = "unit %d" % node_table.device_unit(table, device)
    text = "%s %s, %d of %d points good" % (unit, standing, counts[quality.GOOD], sum(counts))
    return text + ", %d warming up" % counts[quality.WARMING_UP] if counts[quality.WARMING_UP] else text
