"""Files that a pole sends and takes: its ledger and its log go up, a configuration and updates of nodes come down.

How they travel is uplink/transfers.py and protocols/spec/transfer.md. What comes down is checked by the same code that
a technician's commands use, and kept beside the journal. Nothing is put into use by itself: an event says that it is
there, and `gatepost update-node` or a restart with the new file does the rest.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import cbor2

from gateway_agent.clock import Clock
from gateway_agent.config import PoleConfig, check_source, devices_of
from gateway_agent.records import Event
from gateway_agent.toml_source import ConfigError, parse_toml
from gateway_agent.update_node import BundleError, read_bundle
from gateway_agent.uplink.transfer_format import CONFIGURATION, LOG, UPDATE, UPLOAD_LIMITS
from gateway_agent.uplink.transfers import Take
from gateway_agent.whole_file import write_whole

LEDGER_VERSION = 1
LOG_LINES = 500

Happened = Callable[[Event], Awaitable[object]]


def ledger(pole: PoleConfig) -> bytes:
    """The pole's terminals for the city's ledger, as CBOR; the same pole gives the same bytes. CDDL: transfer.md."""
    devices = [
        {
            1: device.name,
            2: device.profile.profile.device.model,
            3: device.profile.profile.device.kind,
            4: device.node.name if device.node is not None else "",
            5: device.bus.name if device.bus is not None else device.node.bus if device.node is not None else "",
            6: device.config.unit or 0,
            7: [[point.name, point.unit, point.exponent] for point in device.profile.points],
        }
        for device in devices_of(pole)
    ]
    nodes = [[node.name, node.board, node.bus, node.unit] for node in pole.nodes]
    place = pole.pole
    where = [] if place.latitude is None or place.longitude is None else [str(place.latitude), str(place.longitude)]
    return cbor2.dumps([LEDGER_VERSION, place.gateway, where, nodes, devices], canonical=True)


class RecentLog(logging.Handler):
    """The last lines of the agent's log, for whoever asks from afar."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line, cut where it is long."""
        self._lines.append(self.format(record)[:1000])

    @property
    def content(self) -> bytes:
        """The lines as a file for a transfer: as many of the last as it may have."""
        data = "\n".join(self._lines).encode()[-UPLOAD_LIMITS[LOG] :]
        return data or b"nothing was logged\n"


class PoleFiles:
    """Takes what comes down. `happened` stores the events that tell of it."""

    def __init__(self, folder: Path, clock: Clock, happened: Happened) -> None:
        self.folder = folder
        self._clock = clock
        self._happened = happened

    @property
    def takers(self) -> dict[str, Take]:
        """For Transfers."""
        return {CONFIGURATION: self._take_configuration, UPDATE: self._take_update}

    async def _take_configuration(self, data: bytes) -> str:
        path = self.folder / "pole.toml"
        try:
            check_source(parse_toml(data.decode("utf-8"), path))
        except UnicodeDecodeError:
            return await self._refused(CONFIGURATION, "it is not UTF-8 text")
        except ConfigError as error:
            return await self._refused(CONFIGURATION, str(error.problems[0]))
        write_whole(path, data)
        await self._tell("configuration-received", str(path))
        return ""

    async def _take_update(self, data: bytes) -> str:
        path = self.folder / "update.bundle"
        new = self.folder / "update.bundle.unchecked"
        write_whole(new, data)
        try:
            read_bundle(new)
        except BundleError as error:
            new.unlink(missing_ok=True)
            return await self._refused(UPDATE, str(error))
        new.replace(path)
        await self._tell("update-received", str(path))
        return ""

    async def _refused(self, kind: str, why: str) -> str:
        await self._tell(f"{kind}-refused", why)
        return why

    async def _tell(self, code: str, detail: str) -> None:
        event = Event("gateway", "event", code, self._clock.unix_ms(), detail=detail)
        await self._happened(event)
