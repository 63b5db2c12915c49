"""The self tests in a report at the console: each tries the thing itself, or tells what was tried at the start.

A result is `ok`, perhaps with a remark, or `failed` and why.
"""

import os

from micropython import const

from node import console, factory, two_copies
from protocols import node_table
from protocols import node_table_layout as layout
from protocols.errors import WireError

_FILE = "self.test"
_PATTERN = b"gatepost \x00\x55\xaa\xff"
_FLASH_EVERY_S = const(60)
_KEY_BYTES = const(384)
_SIZE = const(6)
_TABLE_FILE = "node.tab"
_SAFE = "ok (not in safe mode)"
_NONE_GIVEN = "ok (none was given)"


async def tell(sheet: console.Sheet, node: console.Console) -> None:
    """Put a line for each test."""
    put = sheet.put
    await put("test table", _table(node))
    await put("test identity", _identity())
    await put("test flash", _flash(node))
    error = node.core.start.flash_error
    await put("test boot_state", "failed: error %d" % error if error else "ok")
    await put("test sensor_bus", _sensor_bus(node))
    accelerometer = _accelerometer(node)
    if accelerometer:
        await put("test accelerometer", accelerometer)
    clock = node.core.clock
    clock.update()
    await put(
        "test clock", "ok (%d)" % clock.unix_s(clock.seconds, clock.millis) if clock.is_set else "ok (not set yet)"
    )
    await put("test update_key", _update_key())


def _table(node: console.Console) -> str:
    if node.table is not None:
        return "ok"
    if two_copies.newest(two_copies.SETTINGS) is None and not _is_there(_TABLE_FILE):
        return _NONE_GIVEN
    from node import settings

    try:
        settings.read_table()
    except WireError as error:
        return "failed: not whole, reason %d" % error.reason
    return "failed: it was not whole at the start"


def _is_there(name: str) -> bool:
    try:
        os.stat(name)
    except OSError:
        return False
    return True


def _identity() -> str:
    state = factory.state()
    if state == factory.BROKEN:
        return "failed: broken"
    return "ok" if state == factory.WHOLE else _NONE_GIVEN


def _flash(node: console.Console) -> str:
    """Write, read back and remove a small file; once a minute at most, for whoever asks all day must not wear it."""
    seconds = node.core.clock.seconds
    kept = node.flash_test
    if kept is None or seconds - kept[0] >= _FLASH_EVERY_S:
        node.flash_test = kept = (seconds, _try_flash())  # type: ignore[assignment]
    return kept[1]


def _try_flash() -> str:
    try:
        with open(_FILE, "wb") as file:
            file.write(_PATTERN)
        with open(_FILE, "rb") as file:
            is_same = file.read() == _PATTERN
        os.remove(_FILE)
    except OSError as error:
        return "failed: error %s" % error.errno
    return "ok" if is_same else "failed: it keeps other bytes"


def _sensor_bus(node: console.Console) -> str:
    if node.poller is None:
        return _SAFE
    if not node_table.baud(node.table):  # type: ignore[arg-type]
        return "ok (none)"
    return "ok (%d good, %d failed)" % (node.poller.good, node.poller.failed)


def _accelerometer(node: console.Console) -> str:
    """Empty where the table has none."""
    if node.table is None or not node_table.has_type(node.table, layout.TILT, layout.TILT):
        return ""
    if node.cover is None:
        return _SAFE
    return "ok" if node.cover.has_sensor() else "failed: no LIS3DH answers"


def _update_key() -> str:
    try:
        size = os.stat("update.key")[_SIZE]
    except OSError:
        return _NONE_GIVEN
    return "ok" if size in (_KEY_BYTES, 2 * _KEY_BYTES) else "failed: not one or two keys"
