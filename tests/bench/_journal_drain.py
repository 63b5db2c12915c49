"""A process that opens a journal and sends all of it to a platform; prints one JSON object with what that took."""

import asyncio
import json
import sys
import time
from pathlib import Path

from gateway_agent.clock import SystemClock
from gateway_agent.journal import Journal
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from tests.over_ip import over_ip


async def main(path: Path, url: str) -> dict[str, float]:
    """Open, drain, close."""
    clock = SystemClock()
    began_s = time.monotonic()
    journal = Journal.open(path, clock)
    open_s = time.monotonic() - began_s
    settings = UplinkSettings("gp-bench", url, "clear", batch_s=3600, batch_readings=10_000_000)
    uplink = Uplink(settings, journal, clock, over_ip(clock=clock))
    sending = asyncio.create_task(uplink.run())
    records, rss_early_mb = journal.depth, 0.0
    began_s = time.monotonic()
    drained = asyncio.create_task(uplink.drain())
    while not drained.done():
        await asyncio.wait({drained, sending}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
        if sending.done():
            sending.result()
        if not rss_early_mb and journal.depth < 0.9 * records:
            rss_early_mb = _resident_mb("VmHWM")
    drain_s = time.monotonic() - began_s
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    found = {
        "open_s": open_s,
        "drain_s": drain_s,
        "left": journal.depth,
        "sent_records": uplink.counters.acknowledged_records,
        "rss_at_a_tenth_mb": rss_early_mb,
        "rss_peak_mb": _resident_mb("VmHWM"),
        "on_air_bytes": uplink.air.on_air_bytes,
    }
    await journal.close()
    return found


def _resident_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))))
