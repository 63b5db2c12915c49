"""Sends settings to a node over the pole bus (file 60001), puts them into force and says what became of them.

The node itself says how far it has them, so a transfer that was interrupted goes on when it is called again; the rules
are in docs/node.md. Blocks are of the lowest urgency, so that readings, events and the lamp go before.
"""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Literal

from gateway_agent.collect.node_events import u32
from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import NoAnswerError, Read, Write, WriteFile
from gateway_agent.collect.unit import UnitLink
from protocols import log_names, modbus, node_map, settings_codes

FILE = 60001
_BLOCK_BYTES = 244
_TRIES = 5
_PAUSE_S = 1.0
_LIMIT_S = 60.0


@dataclass(frozen=True, slots=True)
class SettingsOutcome:
    """What came of it: the result, the node's reason of settings_codes (0 if none) and a sentence for people.

    "taken": the node has them safe and starts again; "refused": the old ones stand; "failed": it is not known.
    """

    result: Literal["taken", "refused", "failed"]
    reason: int
    sentence: str


@dataclass(frozen=True, slots=True)
class _State:
    result: int
    reason: int
    received_bytes: int
    sequence: int


async def send_settings(link: UnitLink, name: str, content: bytes) -> SettingsOutcome:
    """Send `content`, as node_settings.pack made it, to the node `name` at `link`. Never raises for a silent node."""
    content += bytes(len(content) % 2)
    for number in range(_TRIES):
        try:
            before = await _state(link)
            await _send_blocks(link, content, 0 if number == 0 else before.received_bytes)
            await _put_into_force(link, content, before.sequence)
            return await _outcome(link, name, before.sequence)
        except NoAnswerError as error:
            problem = error
            await asyncio.sleep(_PAUSE_S)
    return SettingsOutcome("failed", 0, f"{name}: the settings did not get through ({problem}); send them again")


async def _send_blocks(link: UnitLink, content: bytes, start: int) -> None:
    for offset in range(start - start % 2, len(content), _BLOCK_BYTES):
        data = content[offset : offset + _BLOCK_BYTES]
        await link.write(WriteFile(link.unit, FILE, offset // 2, data), Urgency.SLOW)


async def _put_into_force(link: UnitLink, content: bytes, sequence: int) -> None:
    read = Read(link.unit, modbus.READ_HOLDING_REGISTERS, node_map.SETTINGS_WRITE_SEQUENCE, 1)
    last = (await link.read(read, Urgency.SERVICE)).registers[0]
    number = last % 0xFFFF + 1
    digest = hashlib.sha256(content).digest()
    await link.write(Write(link.unit, node_map.SETTINGS, 1, lambda _end_ms: [number], digest), Urgency.SERVICE)


async def _outcome(link: UnitLink, name: str, sequence: int) -> SettingsOutcome:
    """Ask until the node has taken or refused them; after a restart its sequence tells."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + _LIMIT_S
    while loop.time() < until_s:
        await asyncio.sleep(_PAUSE_S)
        try:
            state = await _state(link)
        except NoAnswerError:
            continue
        if state.sequence > sequence:
            return SettingsOutcome("taken", 0, f"{name}: the settings are safe, and the node starts again with them")
        if state.result == settings_codes.REFUSED:
            why = log_names.SETTINGS_REASONS.get(state.reason, f"reason {state.reason}")
            return SettingsOutcome("refused", state.reason, f"{name}: the settings are refused: {why}")
    return SettingsOutcome("failed", 0, f"{name}: it is not known what became of the settings; ask the node later")


async def _state(link: UnitLink) -> _State:
    count = node_map.SETTINGS_STATE_REGISTERS
    read = Read(link.unit, modbus.READ_HOLDING_REGISTERS, node_map.SETTINGS_STATE, count)
    registers = (await link.read(read, Urgency.SERVICE)).registers
    first = node_map.SETTINGS_STATE
    return _State(
        registers[0],
        registers[node_map.SETTINGS_STATE_REASON - first],
        u32(registers, node_map.SETTINGS_STATE_RECEIVED_BYTES - first),
        u32(registers, node_map.SETTINGS_STATE_SEQUENCE - first),
    )
