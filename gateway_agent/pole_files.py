"""Files that a pole sends and takes: its ledger and its log go up, a configuration and updates of nodes come down.

How they travel is uplink/transfers.py and protocols/spec/transfer.md. What comes down is checked by the same code that
a technician's commands use, and kept beside the journal. Nothing is put into use by itself: an event says that it is
there, and `gatepost update-node` or a restart with the new file in the place of the old does the rest. So a
configuration is checked as if it lay where the one in use does, for its paths begin there.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path

import cbor2

from gateway_agent.clock import Clock
from gateway_agent.config import PoleConfig, check_source, devices_of
from gateway_agent.errors import GatepostError
from gateway_agent.journal.schema import sync_folder
from gateway_agent.provision import node_table
from gateway_agent.records import Event
from gateway_agent.toml_source import ConfigError, parse_toml
from gateway_agent.update_node import BundleError, read_bundle
from gateway_agent.uplink.on_disk import on_disk
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


def check_configuration(data: bytes, path: Path, gateway: str) -> str:
    """Why a pole.toml cannot take the place of the one at `path` of this gateway, in words; "" when it can.

    The checks are those of `gatepost check`. Takes about a second on a Raspberry Pi.
    """
    try:
        pole = check_source(parse_toml(data.decode("utf-8").removeprefix("\ufeff"), path))
        for node in pole.nodes:
            node_table(pole, node.name)
    except UnicodeDecodeError as error:
        return f"it is not UTF-8 text (byte {error.start})"
    except ConfigError as error:
        return str(error.problems[0])
    except GatepostError as error:
        return str(error)
    if pole.pole.gateway != gateway:
        return f"it is the configuration of {pole.pole.gateway}, this gateway is {gateway}"
    return ""


class PoleFiles:
    """Takes what comes down. `happened` stores the events that tell of it.

    `in_use` is the path of the pole.toml that the agent runs with, `gateway` the name in it.
    """

    def __init__(self, folder: Path, in_use: Path, gateway: str, clock: Clock, happened: Happened) -> None:
        self.folder = folder
        self._in_use = in_use
        self._gateway = gateway
        self._clock = clock
        self._happened = happened

    @property
    def takers(self) -> dict[str, Take]:
        """For Transfers."""
        return {CONFIGURATION: self._take_configuration, UPDATE: self._take_update}

    async def _take_configuration(self, data: bytes) -> str:
        path = self.folder / "pole.toml"
        why = await on_disk(check_configuration, data, self._in_use, self._gateway)
        if why:
            return await self._refused(CONFIGURATION, why)
        await on_disk(write_whole, path, data)
        await self._tell("configuration-received", str(path))
        return ""

    async def _take_update(self, data: bytes) -> str:
        path = self.folder / "update.bundle"
        try:
            await on_disk(_keep_bundle, path, data)
        except BundleError as error:
            return await self._refused(UPDATE, str(error))
        await self._tell("update-received", str(path))
        return ""

    async def _refused(self, kind: str, why: str) -> str:
        await self._tell(f"{kind}-refused", why)
        return why

    async def _tell(self, code: str, detail: str) -> None:
        event = Event("gateway", "event", code, self._clock.unix_ms(), detail=detail)
        await self._happened(event)


def _keep_bundle(path: Path, data: bytes) -> None:
    """Put a bundle in the place of the last one. Raises BundleError when every node would refuse it, and OSError."""
    new = path.with_name(path.name + ".unchecked")
    write_whole(new, data)
    try:
        read_bundle(new)
    except BundleError:
        new.unlink()
        raise
    new.replace(path)
    sync_folder(path)
