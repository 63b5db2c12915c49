"""Files in blocks: both ways, through restarts at every block, and never in the way of an alarm."""

import asyncio
from dataclasses import replace
from pathlib import Path
from random import Random

import cbor2
import pytest

from gateway_agent.records import Event
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import Block, Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed, FormatError, Refused
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.transfer_format import (
    CHANNELS,
    CONFIGURATION,
    LEDGER,
    UPDATE,
    UPLOAD_LIMITS,
    TransferError,
    digest_of,
)
from gateway_agent.uplink.transfers import Transfers
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults, Relay
from tests.gateway_agent.uplink.pole import pole
from tests.over_ip import over_ip

GATEWAY = "gp-test-1"
WHO = (f"g={GATEWAY}",)


class Ends:
    """A gateway's transfers and a platform, each of which can be restarted."""

    def __init__(self, folder: Path, clock: RigClock, faults: RadioFaults | None = None) -> None:
        self.folder = folder
        self.clock = clock
        self.faults = faults
        self.got: dict[str, bytes] = {}
        self.answer = ""

    async def start(self) -> None:
        self.platform = await Platform.start(self.folder / "platform.sqlite", self.clock)
        self.relay = await Relay.start(("127.0.0.1", self.platform.port), seed=3, faults=self.faults)
        self.start_gateway()

    def start_gateway(self) -> None:
        host, port = self.relay.address
        self.client = CoapClient(f"coap://{host}:{port}", over_ip(1, 1), security=CLEAR)
        takers = {kind: self.taker(kind) for kind in (CONFIGURATION, UPDATE)}
        self.transfers = Transfers(self.client, WHO, self.folder / "files", takers)

    def taker(self, kind: str):  # type: ignore[no-untyped-def]
        async def take(data: bytes) -> str:
            self.got[kind] = data
            return self.answer

        return take

    async def restart_platform(self) -> None:
        port = self.platform.port
        await self.platform.stop()
        self.platform = await Platform.start(self.folder / "platform.sqlite", self.clock, port=port)

    async def restart_gateway(self) -> None:
        await self.client.close()
        self.start_gateway()

    async def step(self) -> None:
        self.transfers.offered(self.platform._store.files.offers(GATEWAY))
        try:
            await self.transfers.step()
        except ExchangeFailed:
            await asyncio.sleep(1)

    async def until_done(self, most: int = 400) -> int:
        for steps in range(most):
            self.transfers.offered(self.platform._store.files.offers(GATEWAY))
            if not self.transfers.has_work:
                return steps
            await self.step()
        raise AssertionError("it does not come to an end")

    async def stop(self) -> None:
        await self.client.close()
        await self.relay.close()
        await self.platform.stop()


def data_of(size: int) -> bytes:
    return Random(size).randbytes(size)


@pytest.mark.parametrize("who", ["gateway", "platform", "both", "nobody"])
def test_a_file_goes_up_with_restarts_after_every_block_and_no_block_twice(tmp_path: Path, who: str) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        data = data_of(5000)
        ends.transfers.send(LEDGER, data)
        blocks = before = 0
        for _ in range(100):
            if not ends.transfers.has_work:
                break
            await ends.step()
            stored = ends.platform._store.files._upload(GATEWAY, LEDGER, digest_of(data))
            here = 0 if stored is None else len(stored.data)
            is_block, before = here > before, here
            blocks += is_block
            # Whoever starts anew asks first; so it is ended after each block that has arrived.
            if is_block and who in ("gateway", "both"):
                await ends.restart_gateway()
            if who in ("platform", "both"):
                await ends.restart_platform()
        assert ends.platform._store.files.whole(GATEWAY, LEDGER) == data
        assert blocks == 10
        await ends.stop()

    run_virtual(main)


@pytest.mark.parametrize("who", ["gateway", "platform", "both", "nobody"])
def test_a_file_comes_down_with_restarts_after_every_block_and_goes_on_where_it_was(tmp_path: Path, who: str) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        data = data_of(20_000)
        ends.platform._store.files.offer(GATEWAY, UPDATE, data)
        asked = 0
        while ends.got.get(UPDATE) != data:
            await ends.step()
            asked += 1
            assert asked < 2000
            if asked % 12 == 0 and who in ("gateway", "both"):
                await ends.restart_gateway()
            if who in ("platform", "both"):
                await ends.restart_platform()
        # What was not yet safe on the disk is fetched again: eight blocks at most after each restart.
        assert asked <= 40 + (0 if who in ("nobody", "platform") else 40)
        await ends.until_done()
        assert ends.platform._store.files.state(GATEWAY, UPDATE) == "taken"
        assert ends.platform._store.files.offers(GATEWAY) == ()
        await ends.stop()

    run_virtual(main)


def test_a_bad_link_brings_everything_both_ways(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        faults = RadioFaults(loss=0.25, duplicate=0.2, delay_s=0.3, jitter_s=0.5)
        ends = Ends(tmp_path, clock, faults)
        await ends.start()
        ends.transfers.send(LEDGER, data_of(3000))
        ends.transfers.want_table(data_of(1500))
        ends.platform._store.files.offer(GATEWAY, CONFIGURATION, data_of(4000))
        await ends.until_done(1000)
        files = ends.platform._store.files
        assert files.whole(GATEWAY, LEDGER) == data_of(3000)
        assert files.whole(GATEWAY, CHANNELS) is None  # that is no table, and the platform says so
        assert ends.got[CONFIGURATION] == data_of(4000)
        await ends.stop()

    run_virtual(main)


def test_a_file_that_changes_midway_is_fetched_anew_and_never_mixed(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        files = ends.platform._store.files
        files.offer(GATEWAY, CONFIGURATION, data_of(4000))
        for _ in range(4):
            await ends.step()
        files.offer(GATEWAY, CONFIGURATION, data_of(3999))
        await ends.until_done()
        assert ends.got[CONFIGURATION] == data_of(3999)
        await ends.stop()

    run_virtual(main)


def test_what_is_refused_is_told_and_not_fetched_again(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        ends.answer = "no"
        ends.platform._store.files.offer(GATEWAY, CONFIGURATION, data_of(600))
        await ends.until_done()
        assert ends.platform._store.files.state(GATEWAY, CONFIGURATION) == "refused"
        assert await ends.until_done() == 0
        await ends.stop()

    run_virtual(main)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Request("PUT", ("u", "music"), ("d=" + "00" * 8,), b"x"), "4.04"),
        (Request("PUT", ("u", "ledger"), (), b"x"), "4.00"),
        (Request("PUT", ("u", "ledger"), ("d=" + "00" * 8,), b"x"), "4.12"),
        (Request("PUT", ("u", "ledger"), ("d=" + "00" * 8,), b"x" * 64, block1=Block(3, True, 2)), "4.08"),
        (Request("PUT", ("u", "ledger"), ("d=" + "00" * 8,), b"x" * 60, block1=Block(0, True, 2)), "4.00"),
        (Request("POST", ("u", "ledger"), ("d=" + "00" * 8,), b"x"), "4.05"),
        (Request("GET", ("d", "update")), "4.04"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_kept(tmp_path: Path, request_: Request, code: str) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        with pytest.raises(Refused) as refused:
            await ends.client.ask(replace(request_, query=(*request_.query, *WHO)))
        assert refused.value.code == code
        assert ends.platform._store.files.whole(GATEWAY, LEDGER) is None
        await ends.stop()

    run_virtual(main)


def test_limits_are_kept_on_both_sides(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        ends = Ends(tmp_path, clock)
        await ends.start()
        with pytest.raises(TransferError, match="65536"):
            ends.transfers.send(LEDGER, bytes(UPLOAD_LIMITS[LEDGER] + 1))
        with pytest.raises(TransferError):
            ends.platform._store.files.offer(GATEWAY, "music", b"x")
        beyond = Block(UPLOAD_LIMITS[CHANNELS] // 1024, False, 6)
        files = ends.platform._store.files
        for number in range(UPLOAD_LIMITS[CHANNELS] // 1024):
            files.handle_upload(GATEWAY, put(bytes(1024), Block(number, True, 6)))
        assert files.handle_upload(GATEWAY, put(b"x", beyond)).code == "4.13"
        await ends.stop()

    run_virtual(main)


def put(payload: bytes, block: Block) -> Request:
    return Request("PUT", ("u", CHANNELS), ("d=" + "11" * 8,), payload, block1=block)


def test_an_alarm_waits_for_one_block_at_most(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        faults = RadioFaults(delay_s=0.5)
        async with pole(clock, tmp_path, faults=faults, batch_s=600) as this:
            this.uplink.transfers._folder = Transfers(this.uplink._parts.client, (), tmp_path / "files")._folder
            this.uplink.transfers.send(LEDGER, data_of(30_000))
            this.uplink.look()
            await asyncio.sleep(20)
            before = clock.monotonic_ms()
            await this.journal.add_event(Event("manhole/cover", "alarm", "cover", clock.unix_ms(), True))
            await this.platform.until(lambda: this.platform.count("alarms") == 1)
            assert clock.monotonic_ms() - before <= 2100
            await asyncio.sleep(120)
            assert this.platform._store.files.whole(GATEWAY, LEDGER) == data_of(30_000)

    run_virtual(main)


def test_answers_of_strangers_give_an_error_and_no_loop(tmp_path: Path) -> None:
    from gateway_agent.uplink.transfer_upload import Progress, Upload

    upload = Upload(LEDGER, digest_of(b"abc"), b"abc", (), is_new=False)
    upload.request(5)
    for payload in (b"", b"\xa0", cbor2.dumps({1: -1}), cbor2.dumps({1: "a"}), b"\xff"):
        with pytest.raises(FormatError):
            upload.take(Reply("2.05", payload))
    assert upload.take(Reply("2.05", cbor2.dumps({1: 3}))) is not Progress.DONE
