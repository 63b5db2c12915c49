"""Gateway and platform with keys as `gatepost enrol` makes them, and a link between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway_agent.journal import Journal
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import Arrived, Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.identity import (
    EnrolRecord,
    Identity,
    PlatformIdentity,
    enrol,
    load_identity,
    load_platform,
    load_platform_identity,
    load_record,
    new_platform,
    write_secret,
)
from gateway_agent.uplink.key_ring import KeyRing
from hardware.rig.clock import RigClock
from hardware.rig.platform_keys import PlatformKeys
from hardware.rig.platform_server import PlatformServer
from hardware.rig.relay import Relay
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.over_ip import over_ip

NAME = "gp-east-12"


@dataclass
class Files:
    """What is enrolled."""

    folder: Path
    identity: Identity
    record: EnrolRecord
    platform: PlatformIdentity


def make_files(folder: Path) -> Files:
    platform, public = new_platform("city")
    write_secret(folder / "city.identity.toml", platform)
    write_secret(folder / "city.public.toml", public)
    made = enrol(NAME, load_platform(folder / "city.public.toml"))
    write_secret(folder / "identity.toml", made.identity)
    write_secret(folder / "record.toml", made.record)
    return Files(
        folder,
        load_identity(folder / "identity.toml"),
        load_record(folder / "record.toml"),
        load_platform_identity(folder / "city.identity.toml"),
    )


class City:
    """Gateway and platform with a link between, each of which can be ended in any way."""

    def __init__(self, files: Files, clock: RigClock) -> None:
        self.files = files
        self.clock = clock
        self.arrived: list[Arrived] = []
        self.asked = 0
        self.port = 0
        self.disk: FailingDisk | None = None

    async def start_platform(self) -> None:
        self.keys = PlatformKeys(self.files.folder / "platform.keys", self.files.platform, self.clock)
        await self.keys.enrol(self.files.record)
        self.server = PlatformServer(self._handle, self.keys)
        await self.server.start(port=self.port)
        self.port = self.server.port

    async def stop_platform(self) -> None:
        await self.server.stop()
        self.keys.close()

    async def start_gateway(self) -> None:
        vfs = None if self.disk is None else self.disk.vfs_name
        self.journal = Journal.open(self.files.folder / "journal.sqlite", self.clock, vfs=vfs)
        self.ring = KeyRing(
            self.files.identity,
            self.journal,
            self.files.folder / "journal.sqlite.keys",
            self.files.folder / "identity.used",
            self.clock,
        )
        host, port = self.relay.address
        self.client = CoapClient(f"coap://{host}:{port}", over_ip(1, 1), security=self.ring)

    async def stop_gateway(self, *, gently: bool) -> None:
        await self.client.close()
        if gently:
            await self.ring.close()
        await self.journal._committer.close()

    async def _handle(self, arrived: Arrived) -> Reply:
        self.arrived.append(arrived)
        return Reply("2.04")

    async def ask(self) -> None:
        # Each says something else, so that a number that is used twice shows in what is protected with it.
        self.asked += 1
        await self.client.ask(Request("POST", payload=b"%05d" % self.asked, content_format=65100))

    async def ask_until_answered(self, most: int = 12) -> int:
        """Tries that it took."""
        for tried in range(1, most + 1):
            try:
                await self.ask()
                return tried
            except ExchangeFailed:
                await asyncio.sleep(120)
        raise AssertionError("nobody answers")


@asynccontextmanager
async def city(folder: Path, clock: RigClock) -> AsyncIterator[City]:
    made = City(make_files(folder), clock)
    await made.start_platform()
    made.relay = await Relay.start(("127.0.0.1", made.port), seed=3)
    await made.start_gateway()
    try:
        yield made
    finally:
        await made.stop_gateway(gently=False)
        await made.relay.close()
        await made.stop_platform()
