"""The rival: JSON as a ThingsBoard gateway sends it, deflated, in the same CoAP and OSCORE exchanges as our batches.

One object per device with a list of times and values: `{"lamp": [{"ts": 1781740800000, "values": {"volt": 230.1}}]}`
(ThingsBoard's Gateway MQTT API, telemetry upload), compressed by zlib at its highest level. Confirmable, each answered
with an empty 2.04; what is longer than a block goes in several (RFC 7959).
"""

import asyncio
import json
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from gateway_agent.journal.memory_store import MemoryStore
from gateway_agent.records import Reading
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import Arrived, Block, Reply, Request
from hardware.rig.clock import RigClock
from hardware.rig.platform_server import PlatformServer
from hardware.rig.relay import Relay
from tests.bench._wire_keys import Enrolled
from tests.bench._wire_sent import GATEWAY, Sent, compare, fast_folder
from tests.bench._wire_workload import Poll, Workload
from tests.faults._inline import run_inline
from tests.over_ip import over_ip

BLOCK_SIZE_EXPONENT = 6
"""Blocks of 1,024 bytes."""
_CONTENT_FORMAT = 11050
"""application/json with deflate (RFC 7252, 12.3)."""
_LEVEL = 9


def encode_json(polls: Sequence[Poll]) -> bytes:
    """One batch."""
    devices: dict[str, list[dict[str, object]]] = {}
    for poll in polls:
        device = poll.readings[0].point.partition("/")[0]
        values = {reading.point.partition("/")[2]: _number(reading) for reading in poll.readings}
        devices.setdefault(device, []).append({"ts": poll.time_ms, "values": values})
    return zlib.compress(json.dumps(devices, separators=(",", ":")).encode(), _LEVEL)


def decode_json(payload: bytes, workload: Workload) -> list[Reading]:
    """The readings of a batch, with the exponents that the workload tells: JSON has none."""
    found = []
    for device, entries in json.loads(zlib.decompress(payload), parse_float=Decimal).items():
        for entry in entries:
            for name, number in entry["values"].items():
                point = f"{device}/{name}"
                exponent = workload.points[point].exponent
                value = int(Decimal(number).scaleb(-exponent))
                found.append(Reading(point, entry["ts"], value, exponent))
    return found


def _number(reading: Reading) -> int | float:
    """The value as JSON writes it: no longer than its resolution."""
    if reading.exponent >= 0:
        return reading.value * 10**reading.exponent
    return float(Decimal(reading.value).scaleb(reading.exponent))


@dataclass
class JsonPlatform:
    """Stores what comes; `handle` is for a PlatformServer."""

    workload: Workload
    readings: list[Reading] = field(default_factory=list)
    _parts: list[bytes] = field(default_factory=list)

    async def handle(self, arrived: Arrived) -> Reply:
        """Take a batch, or a block of one."""
        request = arrived.request
        block = request.block1
        if block is None:
            self.readings += decode_json(request.payload, self.workload)
            return Reply("2.04")
        self._parts = [*self._parts[: block.number], request.payload]
        if block.more:
            return Reply("2.31", block1=block)
        self.readings += decode_json(b"".join(self._parts), self.workload)
        return Reply("2.04", block1=block)


def run_json(workload: Workload, interval_ms: int) -> Sent:
    """Send the workload with a batch each `interval_ms`, and compare what has come with it."""

    async def main(clock: RigClock) -> Sent:
        with tempfile.TemporaryDirectory(dir=fast_folder()) as name:
            return await _send(workload, interval_ms, Path(name), clock)

    return run_inline(main, start_unix_ms=workload.start_ms)


async def _send(workload: Workload, interval_ms: int, folder: Path, clock: RigClock) -> Sent:
    enrolled = Enrolled.make(GATEWAY, folder)
    keys = await enrolled.platform_keys(":memory:", clock)
    platform = JsonPlatform(workload)
    server = PlatformServer(platform.handle, keys)
    await server.start()
    relay = await Relay.start(("127.0.0.1", server.port))
    host, port = relay.address
    client = CoapClient(f"coap://{host}:{port}", over_ip(), security=enrolled.key_ring(MemoryStore(), folder, clock))
    try:
        payloads = await _send_day(workload, interval_ms, client, clock)
        delivered, wrong = compare(workload, platform.readings)
        count = len(payloads)
        return Sent(workload.readings, delivered, wrong, sum(payloads), relay.bytes_on_air, 0, count, count)
    finally:
        await client.close()
        await relay.close()
        await server.stop()
        keys.close()


async def _send_day(workload: Workload, interval_ms: int, client: CoapClient, clock: RigClock) -> list[int]:
    """Send the workload's batches, each when its span is over, and return the bytes of each payload."""
    payload_bytes = []
    for polls in workload.batches(interval_ms):
        span = (polls[0].time_ms - workload.start_ms) // interval_ms
        due_ms = workload.start_ms + (span + 1) * interval_ms
        await asyncio.sleep(max(0, due_ms - clock.unix_ms()) / 1000)
        payload = encode_json(polls)
        payload_bytes.append(len(payload))
        await _post(client, payload)
    return payload_bytes


async def _post(client: CoapClient, payload: bytes) -> None:
    size = 16 << BLOCK_SIZE_EXPONENT
    if len(payload) <= size:
        await client.ask(Request("POST", (), (), payload, _CONTENT_FORMAT))
        return
    for start in range(0, len(payload), size):
        block = Block(start // size, start + size < len(payload), BLOCK_SIZE_EXPONENT)
        await client.ask(Request("POST", (), (), payload[start : start + size], _CONTENT_FORMAT, block1=block))
