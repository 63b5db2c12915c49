"""The first part of a report at the console: who the node is and what it runs. No key is ever told, only whether."""

import gc
import os
import sys

from node import board, boot_state, console, console_sheet, factory, identity
from protocols import node_table, start_codes
from protocols import node_table_layout as layout

_MODES = {
    start_codes.FULL_MODE: "full",
    start_codes.SAFE_AFTER_CRASHES: "safe after crashes",
    start_codes.SAFE_WITHOUT_TABLE: "safe without table",
}
_PARITIES = "NEO"
_KEY_BYTES = 384


async def tell(sheet: console_sheet.Sheet, node: console.Console) -> None:
    """Put the lines from `report` to `sensor_bus`."""
    await sheet.begin()
    put = sheet.put
    start = node.core.start
    await put("report", 1)
    await put("terminal", factory.terminal_code().decode() or "none")
    await put("unit", node.core.server.unit)
    await put("mac", ":".join(["%02x" % byte for byte in board.mac()]))
    await put("board", board.BOARD_NUMBER)
    await put("firmware", "%d.%d.%d" % (identity.FIRMWARE_MAJOR, identity.FIRMWARE_MINOR, identity.FIRMWARE_PATCH))
    await put("micropython", ".".join([str(number) for number in sys.implementation.version[:3]]))
    await put("mode", "%s %d" % (_MODES.get(start.mode, "safe"), start.mode))
    await put("started", start.reason)
    node.core.clock.update()
    await put("uptime_s", node.core.clock.seconds)
    gc.collect()
    await put("heap_free", board.heap_free_bytes())
    flash = os.statvfs("/")
    await put("flash_free", flash[0] * flash[3])
    await put("table", "none" if node.table is None else "%08x" % layout.u32(node.table, layout.DIGEST_AT))
    await put("identity", factory.state())
    await put("node_key", _is_there(factory.node_key()))
    await put("broadcast_key", _is_there(factory.broadcast_key()))
    await put("update_keys", _update_keys())
    await put("slot", "ab"[boot_state.running_slot()])
    await put("sensor_bus", _sensor_bus(node.table))


def _is_there(key: "bytes | None") -> str:
    return "no" if key is None else "yes"


def _update_keys() -> int:
    try:
        return os.stat("update.key")[6] // _KEY_BYTES
    except OSError:
        return 0


def _sensor_bus(table: "bytes | None") -> str:
    if table is None or not node_table.baud(table):
        return "none"
    parity = _PARITIES[node_table.parity(table)]
    return "%d 8%s%d" % (node_table.baud(table), parity, node_table.stop_bits(table))
