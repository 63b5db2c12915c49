"""Checks settings that have come over the pole bus and puts them into the older one of the two copies.

Loaded when settings are put into force, and forgotten afterwards: that is seldom, and heap is scarce.
"""

import asyncio
import errno
import os

from micropython import const

from node import factory, log, supervisor, two_copies
from protocols import log_codes, node_settings, node_table, settings_codes
from protocols.errors import WireError

_PIECE_BYTES = const(256)


async def take(name: str, received: int, seat: supervisor.Seat) -> int:
    """Check the `received` bytes in file `name` and make them the newest copy; returns a reason of settings_codes."""
    try:
        with open(name, "rb") as file:
            length = node_settings.length_of(file.read(node_settings.HEAD_BYTES))
            reason = _check(file, received, length)
            seat.check_in()
            if reason:
                return reason
            writing = two_copies.Writing(two_copies.SETTINGS)
            file.seek(0)
            left = length
            while left > 0:
                piece = file.read(min(left, _PIECE_BYTES))
                writing.add(piece)
                left -= len(piece)
                seat.check_in()
                await asyncio.sleep_ms(0)
            writing.finish()
    except OSError:
        return settings_codes.FLASH
    try:
        os.remove(name)
    except OSError as error:  # in force they are all the same
        log.note(log_codes.FLASH_FAILED, error.errno or errno.EIO)
    return settings_codes.NO_REASON


def _check(file, received: int, length: int) -> int:  # type: ignore[no-untyped-def]
    if length < 0:
        return settings_codes.VERSION
    if received not in (length, length + 1):
        return settings_codes.NOT_WHOLE
    reason = node_settings.check_form(file, 0, length)
    if reason:
        return reason
    at, size = node_settings.find(file, 0, length, node_settings.TERMINAL_CODE)
    if at:
        file.seek(at)
        if file.read(size) != factory.terminal_code():
            return settings_codes.OTHER_TERMINAL
    at, size = node_settings.find(file, 0, length, node_settings.NODE_TABLE)
    file.seek(at)
    try:
        node_table.check(file.read(size))
    except WireError:
        return settings_codes.TABLE
    return settings_codes.NO_REASON
