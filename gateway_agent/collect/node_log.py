"""The log of a node, told in the agent's own log in sentences: each entry once, however often the node is read."""

import logging
from datetime import timedelta

from gateway_agent.collect.owner import Urgency
from gateway_agent.collect.request import Read, ReadFile
from gateway_agent.collect.unit import UnitLink
from protocols import log_file, log_names, modbus, node_map

_LOG = logging.getLogger(__name__)
_LOOK_EVERY_MS = 60_000
_MAX_REGISTERS = 121


class NodeLog:
    """Reads the log of node `name` over `link` whenever it has something new."""

    def __init__(self, link: UnitLink, name: str) -> None:
        self._link = link
        self._name = name
        self._seen = 0
        self._due_ms = 0

    async def look(self, now_ms: int) -> None:
        """Tell what is new, at most once a minute of the monotonic time `now_ms`. Raises NoAnswerError."""
        if now_ms < self._due_ms:
            return
        self._due_ms = now_ms + _LOOK_EVERY_MS
        newest = await self._newest()
        if newest == self._seen:
            return
        entries = await self._entries()
        if await self._newest() != newest:
            self._due_ms = now_ms  # the ring has turned while it was read
            return
        fresh = min(newest - self._seen, len(entries)) if newest > self._seen else len(entries)
        for place, (_, start, seconds, code, value) in enumerate(entries[len(entries) - fresh :], newest - fresh + 1):
            after = timedelta(seconds=seconds)
            said = log_names.sentence(code, value)
            _LOG.info("%s: its log, entry %d, %s after start %d: %s", self._name, place, after, start, said)
        self._seen = newest

    async def _newest(self) -> int:
        read = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.BOOT_LOG_NEWEST, 2)
        high, low = (await self._link.read(read, Urgency.SLOW)).registers
        return high << 16 | low

    async def _entries(self) -> list[tuple[int, int, int, int, int]]:
        """All that the node has, oldest first; none when its entries are of a length that is not ours."""
        _, count, size = log_file.head(await self._bytes(0, log_file.HEAD_BYTES // 2))
        if size != log_file.ENTRY_BYTES:
            _LOG.warning("%s: its log has entries of %d bytes; update the gateway to read it", self._name, size)
            return []
        first, end = log_file.HEAD_BYTES // 2, (log_file.HEAD_BYTES + count * size) // 2
        content = b""
        for record in range(first, end, _MAX_REGISTERS):
            content += await self._bytes(record, min(_MAX_REGISTERS, end - record))
        return log_file.entries(content)

    async def _bytes(self, record: int, count: int) -> bytes:
        probe = Read(self._link.unit, modbus.READ_HOLDING_REGISTERS, node_map.BOOT_LOG_NEWEST, 2)
        ask = ReadFile(self._link.unit, log_file.FILE, record, count)
        answer = await self._link.read_file(ask, probe, Urgency.SLOW)
        return b"".join(register.to_bytes(2, "big") for register in answer.registers)
