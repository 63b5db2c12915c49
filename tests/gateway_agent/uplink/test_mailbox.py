"""The mailbox observed: commands come at once, behind a NAT too, and little is said to keep the way open."""

import asyncio
from pathlib import Path

import pytest

from gateway_agent.records import Command
from gateway_agent.uplink.forms import AUTO
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults
from tests.gateway_agent.uplink.pole import Pole, pole

BATCH_S = 900.0


def dim(this: Pole, number: int) -> Command:
    command = Command(f"dim-{number}", "lamp", "lamp", {"level_pct": number}, this.clock.unix_ms() + 60_000)
    this.platform.send(command)
    return command


async def delay_s(this: Pole, number: int) -> float:
    """How long a command takes to arrive; its life where it does not."""
    before = this.clock.monotonic_ms()
    command = dim(this, number)
    for _ in range(120):
        if command in this.mailbox:
            break
        await asyncio.sleep(0.5)
    return (this.clock.monotonic_ms() - before) / 1000


def test_a_command_comes_at_once_and_nothing_is_asked_for_it(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO, batch_s=BATCH_S, command_delay_s=5) as this:
            await asyncio.sleep(300)
            requests = this.platform.counters.requests
            assert [await delay_s(this, number) < 1 for number in range(5)] == [True] * 5
            assert this.platform.counters.requests == requests
            assert this.uplink.mailbox.is_open

    run_virtual(main)


def test_a_long_delay_asks_for_no_mailbox_and_says_nothing_in_between(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO, batch_s=BATCH_S, command_delay_s=3600) as this:
            await asyncio.sleep(60)
            sent = this.uplink.air.sent
            await asyncio.sleep(7200)
            assert this.uplink.air.sent == sent == 2
            assert not this.uplink.mailbox.is_open

    run_virtual(main)


@pytest.mark.parametrize("idle_s", [30.0, 60.0, 300.0])
def test_behind_a_nat_the_way_back_is_kept_open_by_a_few_words(tmp_path: Path, idle_s: float) -> None:
    async def main(clock: RigClock) -> None:
        faults = RadioFaults(idle_s=idle_s, delay_s=0.2)
        async with pole(clock, tmp_path, form=AUTO, batch_s=86_400, command_delay_s=5, faults=faults) as this:
            await asyncio.sleep(6 * 3600)
            assert 0.5 * idle_s <= this.uplink.mailbox.idle.wait_s <= idle_s
            before = this.uplink.air.sent + this.uplink.air.received
            await asyncio.sleep(3600)
            assert this.uplink.air.sent + this.uplink.air.received - before <= 2 * 3600 / (0.5 * idle_s) + 8
            delays = []
            for number in range(20):
                delays.append(await delay_s(this, number))
                await asyncio.sleep(97)
            assert max(delays) < 5

    run_virtual(main)


def test_a_platform_that_was_away_is_asked_again(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO, batch_s=BATCH_S, command_delay_s=5) as this:
            await asyncio.sleep(60)
            port = this.platform.port
            await this.platform.stop()
            await asyncio.sleep(300)
            this.platform = await Platform.start(tmp_path / "platform.sqlite", clock, port=port)
            await asyncio.sleep(700)
            assert await delay_s(this, 7) < 1

    run_virtual(main)


def test_batches_and_commands_do_not_disturb_each_other(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        faults = RadioFaults(loss=0.1, delay_s=0.3, jitter_s=0.5)
        async with pole(clock, tmp_path, form=AUTO, batch_s=20, command_delay_s=5, faults=faults) as this:
            sent = []
            for number in range(10):
                await this.measure_for(30)
                sent.append(dim(this, number))
            await this.settle()
            await asyncio.sleep(30)
            assert this.check() == (0, 0, 0)
            assert all(command in this.mailbox for command in sent)

    run_virtual(main)
