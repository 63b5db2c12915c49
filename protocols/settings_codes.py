"""What became of settings that were sent to a node, as numbers in the block `settings_state`."""

NONE = 0
"""Nothing was sent since the start."""
RECEIVING = 1
"""Bytes have come."""
CHECKING = 2
"""They are being checked and written."""
TAKEN = 3
"""They are safe; the node starts again with them."""
REFUSED = 4
"""They were not taken, for the reason beside; the old ones stand."""

NO_REASON = 0
"""None."""
NOT_WHOLE = 1
"""Bytes are missing, or the CRC does not fit."""
VERSION = 2
"""The magic number or the version of the format is another one."""
SECTION = 3
"""A section that this firmware does not know, or that ends beyond the end."""
TABLE = 4
"""The node table in them does not pass its check, or there is none."""
FLASH = 5
"""The flash could not be written."""
MEMORY = 6
"""There was not enough memory to check them."""
OTHER_TERMINAL = 7
"""They name another terminal than this node is."""
NOTHING_SENT = 8
"""They were put into force before any had come."""
