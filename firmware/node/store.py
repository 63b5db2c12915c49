"""What the node itself keeps on its flash: the epoch, a number that no other start of this node has had.

The file holds six bytes: epoch (4, high byte first) and their CRC-16. It is written under another name and then
renamed, which littlefs does whole or not at all. The upper half is drawn by chance when there is no good file, so
that a node with a new flash does not repeat old numbers; the lower half counts starts.
"""

import os
import random

from protocols import crc

_EPOCH_FILE = "epoch.bin"
_NEW_EPOCH_FILE = "epoch.new"
_EPOCH_BYTES = 4


def next_epoch() -> int:
    """The epoch of this start, 32 bits, already safe on the flash. Raises OSError when the flash cannot be written."""
    last = _read_epoch()
    epoch = random.getrandbits(16) << 16 | 1 if last is None or last & 0xFFFF == 0xFFFF else last + 1
    record = bytearray(epoch.to_bytes(_EPOCH_BYTES, "big"))
    record.extend(crc.crc16(record, 0, _EPOCH_BYTES).to_bytes(2, "little"))
    with open(_NEW_EPOCH_FILE, "wb") as file:
        file.write(record)
    os.rename(_NEW_EPOCH_FILE, _EPOCH_FILE)
    return epoch


def random_epoch() -> int:
    """An epoch for a start whose flash cannot be written: 32 bits by chance, the top one set, kept nowhere."""
    return random.getrandbits(15) << 16 | random.getrandbits(16) | 1 << 31


def _read_epoch() -> "int | None":
    try:
        with open(_EPOCH_FILE, "rb") as file:
            record = file.read()
    except OSError:
        return None
    if len(record) != _EPOCH_BYTES + 2 or crc.crc16(record, 0, _EPOCH_BYTES + 2) != 0:
        return None
    return int.from_bytes(record[:_EPOCH_BYTES], "big")


def read_table(name: str) -> bytes:
    """The whole node table from file `name`. Raises OSError when it is not there."""
    with open(name, "rb") as file:
        return bytes(file.read())
