"""Settings for a node on the workbench, sent by its master without the gateway's code."""

import struct
from dataclasses import dataclass

from protocols import node_map, node_settings
from tests.firmware.workbench import Master

FILE = 60001
BLOCK_BYTES = 244


@dataclass(frozen=True)
class SettingsState:
    """The block `settings_state`."""

    result: int
    reason: int
    received_bytes: int
    sequence: int


def settings_with(table: bytes, terminal_code: bytes = b"") -> bytes:
    """Settings that hold a node table, and the terminal that they are for."""
    sections = [(node_settings.NODE_TABLE, table)]
    if terminal_code:
        sections.append((node_settings.TERMINAL_CODE, terminal_code))
    return node_settings.pack(sections)


async def write_blocks(master: Master, content: bytes, *, first: int = 0) -> None:
    """Write `content` from its byte `first` on, block by block."""
    for offset in range(first, len(content), BLOCK_BYTES):
        data = content[offset : offset + BLOCK_BYTES]
        head = struct.pack(">BBBHHH", 21, 7 + len(data), 6, FILE, offset // 2, len(data) // 2)
        await master.ask(head + data)


async def put_into_force(master: Master, number: int) -> None:
    """Let the node check and take what has come."""
    await master.write(node_map.SETTINGS, number)


async def settings_state(master: Master) -> SettingsState:
    """What has become of them, now."""
    registers = await master.read(node_map.SETTINGS_STATE, node_map.SETTINGS_STATE_REGISTERS)
    return SettingsState(*struct.unpack(">HHII", struct.pack(">6H", *registers)))
