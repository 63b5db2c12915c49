"""The log of a node, read over the pole bus by the workbench's master."""

import struct
from dataclasses import dataclass

from protocols import log_file
from tests.firmware.workbench import Master

_REGISTERS_PER_READ = 100


@dataclass(frozen=True)
class Entry:
    """One entry: the low half of its number, the start it is of, seconds since that start, code, value."""

    number: int
    start: int
    seconds: int
    code: int
    value: int


async def read_file(master: Master, file: int, record: int, count: int) -> bytes:
    """`count` registers of a numbered file."""
    answer = await master.ask(struct.pack(">BBBHHH", 20, 7, 6, file, record, count))
    return answer[4:]


async def read_log(master: Master) -> list[Entry]:
    """All entries, oldest first."""
    head = log_file.HEAD_BYTES // 2
    _newest, entries, size = log_file.head(await read_file(master, log_file.FILE, 0, head))
    registers = entries * size // 2
    content = b""
    for first in range(0, registers, _REGISTERS_PER_READ):
        count = min(_REGISTERS_PER_READ, registers - first)
        content += await read_file(master, log_file.FILE, head + first, count)
    return [Entry(*entry) for entry in log_file.entries(content)]
