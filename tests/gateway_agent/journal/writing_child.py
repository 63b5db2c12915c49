"""A process that writes a journal as fast as it can and tells on stdout what it knows to be committed; to be killed.

Readings have the values 0, 1, 2 ... and node events the sequences 1, 2, 3 ..., both continued from what the journal
holds. Events are offered again from the last one that was known to be in, as a node does after its gateway restarted.
"""

import asyncio
import sys
from pathlib import Path

from gateway_agent.clock import SystemClock
from gateway_agent.journal import Journal
from gateway_agent.records import Event, Reading

READINGS_EACH = 5


async def main(path: Path, first_event: int) -> None:
    """Write until killed."""
    clock = SystemClock()
    journal = Journal.open(path, clock, commit_s=0.002, commit_readings=40)
    value, event = journal.committed_readings, first_event
    while True:
        for _ in range(3):
            readings = [Reading("air/pm2_5", clock.unix_ms(), value + each, 0) for each in range(READINGS_EACH)]
            journal.add_readings(readings)
            value += READINGS_EACH
            await asyncio.sleep(0)
        origin = (1, event)
        await journal.add_event(
            Event("node", "event", "tick", clock.unix_ms(), value=event, source="node", origin=origin)
        )
        print(journal.committed_readings, event, flush=True)
        event += 1


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
