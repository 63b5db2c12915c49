"""Keys of a gateway: provisioned once, renewed by EDHOC, never continued where their numbers are in doubt."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway_agent.journal import Journal
from gateway_agent.uplink.client import CoapClient, ExchangeFailed, Timing
from gateway_agent.uplink.coap_message import Arrived, Reply, Request
from gateway_agent.uplink.identity import (
    EnrolRecord,
    Identity,
    IdentityExists,
    PlatformIdentity,
    enrol,
    load_identity,
    load_platform,
    load_platform_identity,
    load_record,
    new_platform,
    write_secret,
)
from gateway_agent.uplink.key_ring import UNANSWERED, KeyRing
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform_keys import PlatformKeys
from hardware.rig.platform_server import PlatformServer
from hardware.rig.relay import Relay
from tests.gateway_agent.journal.failing_disk import FailingDisk

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
        self.seen: set[tuple[bytes, bytes]] = set()
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
        self.client = CoapClient(f"coap://{host}:{port}", Timing(1, 1), security=self.ring)

    async def stop_gateway(self, *, gently: bool) -> None:
        await self.client.close()
        if gently:
            await self.ring.close()
        await self.journal._committer.close()

    async def _handle(self, arrived: Arrived) -> Reply:
        self.arrived.append(arrived)
        return Reply("2.04")

    async def ask(self) -> None:
        await self.client.ask(Request("POST", payload=b"batch", content_format=65100))

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


def test_the_provisioned_keys_serve_from_the_first_message_on(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            assert [arrived.gateway for arrived in this.arrived] == [NAME]
            assert this.relay.up.datagrams == 1
            assert this.ring.agreements == 0

    run_virtual(main)


@pytest.mark.parametrize("gently", [True, False])
def test_a_restart_goes_on_with_the_same_keys_and_higher_numbers(tmp_path: Path, gently: bool) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            for _ in range(3):
                await this.ask()
                await this.stop_gateway(gently=gently)
                await this.start_gateway()
            await this.ask()
            assert len(this.arrived) == 4
            assert this.ring.agreements == 0

    run_virtual(main)


def remove(folder: Path, *patterns: str) -> None:
    for path in (path for pattern in patterns for path in folder.glob(pattern)):
        path.unlink()


@pytest.mark.parametrize(
    "lost",
    [("journal.sqlite", "journal.sqlite-*", "*.lock"), ("journal.sqlite.keys",), ("journal.sqlite*",)],
    ids=["journal", "keys", "both"],
)
def test_lost_state_never_continues_and_new_keys_are_agreed_with_the_first_request(
    tmp_path: Path, lost: tuple[str, ...]
) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_gateway(gently=True)
            remove(tmp_path, *lost)
            await this.start_gateway()
            before = this.relay.bytes_on_air
            await this.ask()
            assert this.ring.agreements == 1
            assert this.keys.counters.completed == 1
            assert len(this.arrived) == 2
            assert this.relay.bytes_on_air - before < 360
            await asyncio.sleep(1)
            await this.stop_gateway(gently=False)
            await this.start_gateway()
            await this.ask()
            assert this.ring.agreements == 0

    run_virtual(main)


def test_a_platform_that_lost_its_keys_is_found_out_and_new_ones_agreed(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_platform()
            (tmp_path / "platform.keys").unlink()
            await this.start_platform()
            # The record gives it the provisioned context again, and with it Echo.
            assert await this.ask_until_answered() == 1
            this.keys._forget_contexts(NAME)
            assert await this.ask_until_answered() == UNANSWERED + 1
            assert this.ring.agreements == 1

    run_virtual(main)


def test_a_platform_that_restarts_asks_for_an_echo_and_knows_the_keys(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_platform()
            await this.start_platform()
            await this.ask()
            assert this.ring.agreements == 0
            assert len(this.arrived) == 2

    run_virtual(main)


def test_the_former_keys_are_valid_until_the_new_ones_have_spoken(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            this.ring._unanswered = UNANSWERED

            def cut_after_message_1(data: bytes) -> None:
                this.relay.down = this.keys.counters.begun > 0

            this.relay.up.add = cut_after_message_1  # type: ignore[method-assign]
            with pytest.raises(ExchangeFailed):
                await this.ask()
            assert this.keys.counters.begun == 1
            this.relay.up.add = lambda data: None  # type: ignore[method-assign]
            this.relay.down = False
            # The gateway loses its power before anybody has heard of the new keys: the former are good.
            await this.stop_gateway(gently=False)
            await this.start_gateway()
            await this.ask()
            assert this.ring.agreements == 0
            assert this.keys.counters.completed == 0

    run_virtual(main)


def test_without_a_disk_new_keys_live_in_memory(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_gateway(gently=False)
            this.disk = FailingDisk()
            await this.start_gateway()
            this.disk.full = True
            await this.ask()
            assert this.ring.agreements == 1
            await this.ask()
            assert this.ring.agreements == 1
            this.disk.full = False

    run_virtual(main)


def test_who_is_revoked_or_replaced_gets_no_answer(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            made = enrol(NAME, load_platform(tmp_path / "city.public.toml"), revokes=this.files.identity.key.kid)
            (tmp_path / "new").mkdir()
            write_secret(tmp_path / "new" / "record.toml", made.record)
            write_secret(tmp_path / "new" / "identity.toml", made.identity)
            assert await this.keys.enrol(load_record(tmp_path / "new" / "record.toml"))
            for _ in range(UNANSWERED + 2):
                with pytest.raises(ExchangeFailed):
                    await this.ask()
            assert len(this.arrived) == 1
            assert this.keys.counters.completed == 0
            await this.stop_gateway(gently=True)
            this.files.identity = load_identity(tmp_path / "new" / "identity.toml")
            remove(tmp_path, "journal.sqlite*", "identity.used")
            await this.start_gateway()
            await this.ask()
            assert len(this.arrived) == 2
            assert this.keys.gateways == [NAME]
            # A record that is brought again does not bring the revoked one back.
            assert not await this.keys.enrol(this.files.record)

    run_virtual(main)


def test_old_keys_are_renewed_while_everything_goes_on(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            for _ in range(5):
                await this.ask()
                await asyncio.sleep(16 * 86_400)
            assert this.ring.agreements == 2
            assert len(this.arrived) == 5
            rows = this.keys._connection.execute("SELECT count(*) FROM contexts").get
            assert rows == 1

    run_virtual(main)


def test_keys_are_never_written_over_and_files_are_for_their_owner(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    assert (tmp_path / "identity.toml").stat().st_mode & 0o777 == 0o600
    with pytest.raises(IdentityExists, match="never written over"):
        write_secret(tmp_path / "identity.toml", "x")
    assert files.identity.key.key == files.record.key.key
    assert files.identity.secret not in (tmp_path / "record.toml").read_text()
