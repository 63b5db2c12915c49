"""Files in blocks when anything ends at any step: a gateway that is killed between two writes to its disk, a platform
that answers oddly, an exchange that is cancelled, a disk that fails. Blocks are counted: none begins from nothing."""

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import apsw
import pytest

from gateway_agent.uplink.answer import FileOffer
from gateway_agent.uplink.coap_message import Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed, Refused
from gateway_agent.uplink.transfer_folder import SYNC_BYTES, TransferFolder
from gateway_agent.uplink.transfer_format import CONFIGURATION, LEDGER, LOG, UPDATE, digest_of
from gateway_agent.uplink.transfers import Transfers
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform_files import TABLES, PlatformFiles
from hardware.rig.relay import RadioFaults
from tests.gateway_agent.uplink.pole import pole

GATEWAY = "gp-test-1"
BLOCK = 512


class KilledError(BaseException):
    """The gateway's process has ended here."""


class Wire:
    """A platform's files without a network between: what the gateway asks is counted, and `meddle` may spoil it."""

    def __init__(self) -> None:
        connection = apsw.Connection(":memory:")
        connection.execute(TABLES)
        self.files = PlatformFiles(connection)
        self.asked: list[Request] = []
        self.meddle: Callable[[Request, Reply], Awaitable[Reply]] = self.leave

    async def leave(self, request: Request, reply: Reply) -> Reply:
        return reply

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        is_up = request.path[0] == "u"
        handle = self.files.handle_upload if is_up else self.files.handle_download
        reply = await self.meddle(request, handle(GATEWAY, request))
        if not reply.is_success:
            raise Refused(reply.code, reply.diagnostic, reply.payload)
        return reply

    def blocks(self) -> int:
        return sum(request.method == "PUT" or request.block2 is not None for request in self.asked)

    def sizes(self) -> list[int]:
        options = [request.block2 or request.block1 for request in self.asked]
        return [option.bytes for option in options if option is not None]


class Gateway:
    """The transfers of a gateway, which may be started again; `got` is what was handed over, in order."""

    def __init__(self, folder: Path, wire: Wire) -> None:
        self.folder = folder
        self.wire = wire
        self.got: list[bytes] = []
        self.answers: Callable[[bytes], str] = lambda data: ""
        self.start()

    def start(self) -> None:
        takers = {CONFIGURATION: self.take, UPDATE: self.take}
        self.transfers = Transfers(self.wire, (), self.folder, takers)

    async def take(self, data: bytes) -> str:
        self.got.append(data)
        return self.answers(data)

    async def run(self, most: int = 300) -> None:
        """Step until nothing is left to do, failures and all."""
        for _ in range(most):
            self.transfers.offered(self.wire.files.offers(GATEWAY))
            if not self.transfers.has_work:
                return
            try:
                await self.transfers.step()
            except ExchangeFailed:
                continue
        raise AssertionError("it does not come to an end")


def data_of(size: int) -> bytes:
    return Random(size).randbytes(size)


def killed_at(monkeypatch: pytest.MonkeyPatch, call: int) -> list[str]:
    """Let the process end before the call of that number which changes the disk; returns what was called."""
    seen: list[str] = []
    for name in ("pwrite", "fsync", "replace", "unlink"):
        real = getattr(os, name)

        def called(*arguments: object, _name: str = name, _real: Callable[..., object] = real) -> object:
            seen.append(_name)
            if len(seen) > call:
                raise KilledError(f"before {_name}")
            return _real(*arguments)

        monkeypatch.setattr(os, name, called)
    return seen


@pytest.mark.parametrize("size", [300, BLOCK, 2 * SYNC_BYTES, 2 * SYNC_BYTES + 100])
def test_a_gateway_killed_before_any_write_fetches_on_where_it_was(tmp_path: Path, size: int) -> None:
    async def main(_clock: RigClock) -> None:
        data = data_of(size)
        whole = -(-size // BLOCK)
        for call in range(200):
            wire = Wire()
            wire.files.offer(GATEWAY, UPDATE, data)
            gateway = Gateway(tmp_path / str(call), wire)
            with pytest.MonkeyPatch.context() as monkeypatch:
                seen = killed_at(monkeypatch, call)
                try:
                    await gateway.run()
                except KilledError:
                    pass
                else:
                    assert len(seen) <= call
            is_over = len(seen) <= call
            gateway.start()
            await gateway.run()
            assert set(gateway.got) == {data}
            assert wire.files.state(GATEWAY, UPDATE) == "taken"
            # At most what was not safe comes again; what is whole never does.
            assert wire.blocks() <= whole + SYNC_BYTES // BLOCK
            assert sum(request.method == "DELETE" for request in wire.asked) <= 2
            if is_over:
                assert wire.blocks() == whole
                return
        raise AssertionError("it was never left alone")

    run_virtual(main)


def test_a_gateway_killed_after_the_last_byte_asks_for_no_block_again(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        data = data_of(2 * SYNC_BYTES)
        wire.files.offer(GATEWAY, CONFIGURATION, data)

        def dies(_data: bytes) -> str:
            raise KilledError("while the file is looked at")

        gateway.answers = dies
        with pytest.raises(KilledError):
            await gateway.run()
        before = wire.blocks()
        gateway.answers = lambda data: ""
        gateway.start()
        await gateway.run()
        assert gateway.got == [data, data]
        assert before == wire.blocks() == 2 * SYNC_BYTES // BLOCK

    run_virtual(main)


@pytest.mark.parametrize("name", ["pwrite", "fsync", "replace"])
def test_a_disk_that_fails_for_a_while_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        data = data_of(3 * SYNC_BYTES)
        wire.files.offer(GATEWAY, UPDATE, data)
        real = getattr(os, name)
        fails = iter([False, True, True, True])

        def failing(*arguments: object) -> object:
            if next(fails, False):
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*arguments)

        monkeypatch.setattr(os, name, failing)
        problems = set()
        for _ in range(200):
            gateway.transfers.offered(wire.files.offers(GATEWAY))
            if not gateway.transfers.has_work:
                break
            await gateway.transfers.step()
            problems.add(gateway.transfers.problem)
        assert gateway.got == [data]
        assert any("No space left" in problem for problem in problems)
        assert gateway.transfers.problem == ""
        assert wire.blocks() <= len(data) // BLOCK + 3 + SYNC_BYTES // BLOCK

    run_virtual(main)


def test_a_step_may_be_cancelled_at_any_moment(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        data = data_of(10 * BLOCK + 7)
        wire.files.offer(GATEWAY, UPDATE, data)
        gateway.transfers.send(LEDGER, data)
        random = Random(4)
        for number in range(2000):
            gateway.transfers.offered(wire.files.offers(GATEWAY))
            if not gateway.transfers.has_work:
                break
            step = asyncio.create_task(gateway.transfers.step())
            for _ in range(random.randrange(6)):
                await asyncio.sleep(0)
            # On a busy machine no thread is ever fast enough; now and then one step may end.
            if number % 8:
                step.cancel()
            await asyncio.gather(step, return_exceptions=True)
        assert set(gateway.got) == {data}
        assert wire.files.whole(GATEWAY, LEDGER) == data
        assert wire.files.state(GATEWAY, UPDATE) == "taken"

    run_virtual(main)


def test_a_platform_whose_digest_is_never_right_is_not_paid_for_for_ever(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        wire.files.offer(GATEWAY, UPDATE, data_of(4 * BLOCK))

        async def spoil(request: Request, reply: Reply) -> Reply:
            return replace(reply, payload=bytes(len(reply.payload))) if request.block2 is not None else reply

        wire.meddle = spoil
        await gateway.run()
        assert gateway.got == []
        assert wire.files.state(GATEWAY, UPDATE) == "refused"
        assert wire.blocks() == 8

    run_virtual(main)


@pytest.mark.parametrize("file", [FileOffer("music", b"12345678", 10), FileOffer(CONFIGURATION, b"12345678", 1 << 20)])
def test_a_file_that_is_never_taken_is_told_so_once(tmp_path: Path, file: FileOffer) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        for _ in range(5):
            gateway.transfers.offered([file])
            if gateway.transfers.has_work:
                await gateway.transfers.step()
        (told,) = wire.asked
        assert (told.method, told.path) == ("DELETE", ("d", file.kind))
        assert told.query == (f"d={file.digest.hex()}", "r=refused")

    run_virtual(main)


def test_a_file_that_breaks_its_taker_is_refused_and_ends_nothing(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        wire.files.offer(GATEWAY, CONFIGURATION, data_of(100))

        def breaks(_data: bytes) -> str:
            raise RecursionError("maximum recursion depth exceeded")

        gateway.answers = breaks
        await gateway.run()
        assert wire.files.state(GATEWAY, CONFIGURATION) == "refused"
        assert len(gateway.got) == 1

    run_virtual(main)


@pytest.mark.parametrize("way", ["up", "down"])
def test_blocks_grow_again_after_an_outage(tmp_path: Path, way: str) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        data = data_of(40 * BLOCK)
        if way == "up":
            gateway.transfers.send(LEDGER, data)
        else:
            wire.files.offer(GATEWAY, UPDATE, data)
        outage = iter([False] * 4 + [True] * 6)

        async def lose(_request: Request, reply: Reply) -> Reply:
            if next(outage, False):
                raise ExchangeFailed("nobody answers")
            return reply

        wire.meddle = lose
        await gateway.run(400)
        assert (wire.files.whole(GATEWAY, LEDGER) if way == "up" else gateway.got[0]) == data
        sizes = wire.sizes()
        assert min(sizes) == 64
        assert sizes[-1] == BLOCK
        assert wire.blocks() <= 40 + 6 + 3 * 16

    run_virtual(main)


def test_an_offer_that_is_replaced_while_another_kind_goes_first_leaves_no_file_open(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        before = len(os.listdir("/proc/self/fd"))
        for number in range(10):
            wire.files.offer(GATEWAY, UPDATE, data_of(20 * BLOCK + number))
            gateway.transfers.offered(wire.files.offers(GATEWAY))
            for _ in range(3):
                await gateway.transfers.step()
        assert len(os.listdir("/proc/self/fd")) <= before + 1
        wire.asked.clear()
        wire.files.offer(GATEWAY, CONFIGURATION, data_of(100))
        await gateway.run()
        assert gateway.got == [data_of(100), data_of(20 * BLOCK + 9)]
        # The configuration went first, and of the update nothing was fetched twice.
        assert wire.blocks() == 1 + 21 - 3

    run_virtual(main)


def test_a_lost_answer_and_an_old_one_cost_one_exchange_each(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        data = data_of(10 * BLOCK)
        wire.files.offer(GATEWAY, CONFIGURATION, data)
        earlier: list[Reply] = []

        async def disturb(request: Request, reply: Reply) -> Reply:
            if request.method != "DELETE":
                earlier.append(reply)
            if len(earlier) == 4:
                raise ExchangeFailed("the answer is lost")
            return earlier[1] if len(earlier) == 7 else reply

        wire.meddle = disturb
        await gateway.run()
        assert gateway.got == [data]
        assert wire.blocks() <= 10 + 2 + 2

    run_virtual(main)


def test_an_upload_that_the_disk_has_not_kept_is_left_out_and_the_next_goes(tmp_path: Path) -> None:
    async def main(_clock: RigClock) -> None:
        wire = Wire()
        gateway = Gateway(tmp_path, wire)
        gateway.transfers.send(LEDGER, data_of(900))
        gateway.transfers.send(LOG, data_of(901))
        (tmp_path / f"{digest_of(data_of(900)).hex()}.ledger.out").write_bytes(b"half of it")
        gateway.start()
        await gateway.run()
        assert wire.files.whole(GATEWAY, LEDGER) is None
        assert wire.files.whole(GATEWAY, LOG) == data_of(901)

    run_virtual(main)
    assert list(tmp_path.glob("*.out")) == []


def test_an_alarm_does_not_wait_for_a_block_that_gets_no_answer(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, faults=RadioFaults(delay_s=0.2), batch_s=600) as this:
            this.uplink.transfers._use(TransferFolder(tmp_path / "files"))
            await asyncio.sleep(5)
            this.relay.down = True
            this.uplink.transfers.send(LEDGER, data_of(30_000))
            this.uplink.look()
            # The block has been sent for the last time, and is waited for until 21 s have passed.
            await asyncio.sleep(10)
            before_ms = clock.monotonic_ms()
            this.relay.down = False
            await this.alarm()
            await this.platform.until(lambda: this.platform.count("alarms") == 1)
            assert clock.monotonic_ms() - before_ms <= 2500
            await asyncio.sleep(120)
            assert this.platform._store.files.whole(GATEWAY, LEDGER) == data_of(30_000)

    run_virtual(main)
