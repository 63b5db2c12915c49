"""Keys of a gateway: provisioned once, renewed by EDHOC, never continued where their numbers are in doubt."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.identity import (
    IdentityExists,
    enrol,
    load_identity,
    load_platform,
    load_platform_identity,
    load_record,
    new_platform,
    write_secret,
)
from gateway_agent.uplink.key_ring import UNANSWERED
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.uplink.key_city import NAME, city, make_files


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


def test_another_platform_is_told_from_one_that_is_away(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.stop_platform()
            other, _ = new_platform("city")
            (tmp_path / "other.toml").write_text(other)
            this.files.platform = load_platform_identity(tmp_path / "other.toml")
            (tmp_path / "platform.keys").unlink()
            await this.start_platform()
            this.keys.forget_contexts()
            for _ in range(UNANSWERED):
                with pytest.raises(ExchangeFailed):
                    await this.ask()
            assert "who answers is not city" not in caplog.text
            with pytest.raises(ExchangeFailed):
                await this.ask()
            assert [one.levelname for one in caplog.records if "who answers is not city" in one.message] == ["WARNING"]
            assert this.ring.agreements == 0

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


def test_a_gateway_that_may_not_write_beside_its_identity_begins_with_new_keys_and_keeps_them(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            for agreements in (1, 0):
                this.ring._used_mark = tmp_path / "not-there" / "identity.used"
                await this.ask()
                assert this.ring.agreements == agreements
                assert this.ring.trouble is None
                await this.ask()
                await this.stop_gateway(gently=True)
                await this.start_gateway()
            assert len(this.arrived) == 4

    run_virtual(main)
