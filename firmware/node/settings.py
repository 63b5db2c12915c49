"""What the node runs on: its table, from the settings that came last, or from `node.tab` where none have come.

`settings.a|b` are two copies (node/two_copies.py) of the bytes that protocols/node_settings.py describes; `node.tab`
is what was on the flash when the node was provisioned.
"""

import os

from micropython import const

from node import log, two_copies
from protocols import log_codes, node_settings, node_table
from protocols.errors import SHORT, WireError

_TABLE_FILE = "node.tab"
_SIZE = const(6)


def read_table() -> bytes:
    """The node table, checked. Raises WireError when neither the settings nor `node.tab` hold a whole one."""
    table = read_section(node_settings.NODE_TABLE)
    if table is not None:
        try:
            node_table.check(table)
            return table
        except WireError as error:
            # Made for a firmware that knew more: the one of the provisioning is better than none.
            log.note(log_codes.TABLE_BROKEN, error.reason)
            table = None
    try:
        with open(_TABLE_FILE, "rb") as file:
            table = bytes(file.read())
    except OSError as error:
        raise WireError(SHORT) from error
    node_table.check(table)
    return table


def read_section(kind: int) -> "bytes | None":
    """The body of a section of the settings, None if there is none."""
    whole = two_copies.newest(two_copies.SETTINGS)
    if whole is None:
        return None
    length = os.stat(whole)[_SIZE] - two_copies.BODY_AT - two_copies.TAIL_BYTES
    with open(whole, "rb") as file:
        at, size = node_settings.find(file, two_copies.BODY_AT, length, kind)
        if not at:
            return None
        file.seek(at)
        return bytes(file.read(size))
