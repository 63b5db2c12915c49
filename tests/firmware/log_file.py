"""The log of a node, read over the pole bus as file 60003."""

import struct
from dataclasses import dataclass

from tests.firmware.workbench import Master

FILE = 60003
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
    _newest, entries, size = struct.unpack(">IHH", await read_file(master, FILE, 0, 4))
    registers = entries * size // 2
    content = b""
    for first in range(0, registers, _REGISTERS_PER_READ):
        content += await read_file(master, FILE, 4 + first, min(_REGISTERS_PER_READ, registers - first))
    return [Entry(*struct.unpack_from(">HHIHi", content, at)) for at in range(0, len(content), size)]
