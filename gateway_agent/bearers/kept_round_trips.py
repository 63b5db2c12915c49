"""What was measured of the links, kept in a small file beside the journal, so that a restart need not guess again."""

import asyncio
import json
import logging
from collections.abc import Iterable
from pathlib import Path

from gateway_agent.bearers.bearer import Bearer
from gateway_agent.clock import Clock
from gateway_agent.whole_file import write_whole

log = logging.getLogger("gatepost.uplink")

WRITE_EVERY_S = 600.0


class KeptRoundTrips:
    """The round trips of some bearers, by name."""

    def __init__(self, file: Path, bearers: Iterable[Bearer], clock: Clock) -> None:
        """Go on from what the file says, where it can be read."""
        self._file = file
        self._bearers = tuple(bearers)
        self._written: dict[str, int] = {}
        now_ms = clock.unix_ms()
        try:
            kept = json.loads(file.read_bytes())
            for bearer in self._bearers:
                if bearer.name in kept:
                    bearer.round_trips.recall(kept[bearer.name], now_ms)
        except FileNotFoundError:
            log.debug("%s is not there; how long answers take is measured anew", file)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be read (%s); how long answers take is measured anew", file, error)

    async def run(self) -> None:
        """Write down what is new every ten minutes, until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Write down what was measured since the last time, if anything was."""
        measured = {bearer.name: bearer.round_trips.measured for bearer in self._bearers}
        if measured == self._written or not any(measured.values()):
            return
        content = json.dumps({bearer.name: bearer.round_trips.kept() for bearer in self._bearers})
        try:
            await asyncio.to_thread(write_whole, self._file, content.encode())
        except OSError as error:
            log.warning("%s: how long answers take cannot be written down (%s)", self._file, error.strerror)
            return
        self._written = measured
