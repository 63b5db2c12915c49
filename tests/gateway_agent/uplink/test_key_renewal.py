"""New keys: as seldom as they must be, and after any end of the gateway either the old ones or the new ones serve."""

import asyncio
from pathlib import Path

import cbor2
import pytest

from gateway_agent.uplink.errors import ExchangeFailed
from gateway_agent.uplink.identity import enrol, load_identity, load_platform, load_record, write_secret
from gateway_agent.uplink.key_ring import PAUSE_LONGEST_S
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.uplink.key_city import NAME, city

DAY_S = 86_400


def test_old_keys_that_cannot_be_written_down_are_not_renewed_with_every_message(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await asyncio.sleep(31 * DAY_S)
            (tmp_path / "journal.sqlite.keys.new").mkdir()
            for _ in range(4):
                await this.ask()
            assert this.ring.trouble is not None
            assert this.ring.agreements == 1

    run_virtual(main)


def test_keys_in_memory_are_renewed_when_they_are_old_too(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            (tmp_path / "identity.used").mkdir()
            await this.ask()
            await asyncio.sleep(31 * DAY_S)
            for _ in range(3):
                await this.ask()
            assert this.ring.agreements == 2

    run_virtual(main)


def test_the_age_of_keys_counts_from_when_the_time_was_known(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            right_ms = clock._origin_ms
            clock.is_trusted, clock._origin_ms = False, 0
            await this.ask()
            clock.is_trusted, clock._origin_ms = True, right_ms
            await this.ask()
            assert this.ring.agreements == 0
            for _ in range(2):
                await asyncio.sleep(16 * DAY_S)
                await this.stop_gateway(gently=True)
                await this.start_gateway()
                await this.ask()
            assert this.ring.agreements == 1

    run_virtual(main)


def damaged(good: bytes) -> list[bytes]:
    """Contents of the file of keys as no agent has written them."""
    places = range(8 * len(good))
    flipped = [good[: n // 8] + bytes((good[n // 8] ^ 1 << n % 8,)) + good[n // 8 + 1 :] for n in places]
    others = [b"", good[:-1], good[: len(good) // 2], cbor2.dumps(7), cbor2.dumps([2]), cbor2.dumps([2] + 7 * [0])]
    return [*flipped, *others, b"\xff" * 40, b"\x9f" * 4000]


def test_a_damaged_file_of_keys_is_told_and_never_stops_the_uplink(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            file = tmp_path / "journal.sqlite.keys"
            for content in damaged(file.read_bytes()):
                file.write_bytes(content)
                this.ring._read()
            file.write_bytes(cbor2.dumps([2] + 7 * [0]))
            await this.stop_gateway(gently=True)
            await this.start_gateway()
            await this.ask()
            assert this.ring.agreements == 1

    run_virtual(main)


def test_a_new_identity_does_not_speak_with_the_keys_of_the_old_one(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            await this.stop_gateway(gently=True)
            made = enrol(NAME, load_platform(tmp_path / "city.public.toml"), revokes=this.files.identity.key.kid)
            for name, text in (("new-record.toml", made.record), ("new-identity.toml", made.identity)):
                write_secret(tmp_path / name, text)
            await this.keys.enrol(load_record(tmp_path / "new-record.toml"))
            this.files.identity = load_identity(tmp_path / "new-identity.toml")
            await this.start_gateway()
            await this.ask()
            assert len(this.arrived) == 2

    run_virtual(main)


def test_a_gateway_that_nobody_knows_asks_for_keys_seldom_and_soon_enough(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            this.keys.revoke(NAME)
            begin_ms = clock.monotonic_ms()
            while clock.monotonic_ms() - begin_ms < 1000 * DAY_S:
                with pytest.raises(ExchangeFailed):
                    await this.ask()
                await asyncio.sleep(60)
            assert this.keys.counters.completed == 0
            assert DAY_S / PAUSE_LONGEST_S - 10 < this.ring.agreements < DAY_S / PAUSE_LONGEST_S + 10

    run_virtual(main)


def test_a_platform_that_comes_back_without_its_keys_is_heard_within_half_an_hour(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            this.relay.down = True
            begin_ms = clock.monotonic_ms()
            while clock.monotonic_ms() - begin_ms < 1000 * DAY_S:
                with pytest.raises(ExchangeFailed):
                    await this.ask()
                await asyncio.sleep(60)
            this.keys._forget_contexts(NAME)
            this.relay.down = False
            back_ms = clock.monotonic_ms()
            await this.ask_until_answered(40)
            assert clock.monotonic_ms() - back_ms < 1000 * (PAUSE_LONGEST_S + 200)

    run_virtual(main)


def test_what_new_keys_and_a_restarted_platform_cost_on_the_air(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:

            async def cost() -> int:
                before = this.relay.bytes_on_air
                await this.ask()
                return this.relay.bytes_on_air - before

            ordinary = await cost()
            await asyncio.sleep(31 * DAY_S)
            assert await cost() - ordinary == 90 + 89 + 29
            assert await cost() == ordinary
            await this.stop_platform()
            await this.start_platform()
            assert await cost() - ordinary == 56 + 67 + 2
            assert await cost() == ordinary

    run_virtual(main)
