"""What keys cost on the air, as protocols/spec/transport.md tells it."""

import asyncio
from pathlib import Path

import cbor2

from gateway_agent.uplink.edhoc import StaticKey
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.uplink.key_city import City, city

ROOT = Path(__file__).parents[3]
SPEC = (ROOT / "protocols" / "spec" / "transport.md").read_text()


async def asked(this: City) -> tuple[int, int]:
    """Bytes on the air, headers included, and datagrams of one exchange."""
    before, datagrams = this.relay.bytes_on_air, this.relay.up.datagrams + this.relay.down_link.datagrams
    await this.ask()
    now = this.relay.up.datagrams + this.relay.down_link.datagrams
    return this.relay.bytes_on_air - before, now - datagrams


def test_new_keys_cost_what_the_specification_says(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            plain, datagrams = await asked(this)
            assert datagrams == 2
            await asyncio.sleep(31 * 86_400)
            renewed, datagrams = await asked(this)
            assert (this.ring.agreements, datagrams) == (1, 4)
            assert renewed - plain == 90 + 89 + 29
            assert "| 90 + 89 + 29 |" in SPEC
            assert await asked(this) == (plain, 2)

    run_virtual(main)


def test_a_platform_that_was_restarted_costs_one_more_exchange(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with city(tmp_path, clock) as this:
            await this.ask()
            plain, _ = await asked(this)
            await this.stop_platform()
            await this.start_platform()
            first, datagrams = await asked(this)
            assert datagrams == 4
            assert first - plain <= 56 + 63 + 5 + 2
            assert await asked(this) == (plain, 2)

    run_virtual(main)


def test_the_credential_of_the_specification_is_ours() -> None:
    own = StaticKey.derive((1).to_bytes(32, "big"), bytes.fromhex("0011223344556677"))
    credential = own.public.credential("gp-1")
    begin = SPEC.index("    a2 02 64 67")
    assert bytes.fromhex(SPEC[begin : SPEC.index("\n\n", begin)]) == credential
    assert cbor2.loads(credential)[2] == "gp-1"
