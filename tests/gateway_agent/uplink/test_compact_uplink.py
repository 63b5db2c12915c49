"""Compact batches from journal to platform: few answers, nothing lost, whatever is lost on the way or forgotten."""

import asyncio
from pathlib import Path

import apsw
import pytest

from gateway_agent.records import Command, Event
from gateway_agent.uplink.coap_message import Arrived, Reply
from gateway_agent.uplink.forms import AUTO, SELF_CONTAINED
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults
from tests.gateway_agent.uplink.pole import pole


def test_most_batches_go_without_an_answer_and_everything_arrives_exactly(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(600)
            await this.alarm()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.count("alarms") == 1
            assert this.rows("SELECT DISTINCT unit FROM readings WHERE point = 'air/humidity'") == [("%RH",)]
            assert this.uplink.counters.unconfirmed_batches > 50
            assert this.uplink.counters.exchanges < 12
            assert this.uplink.counters.acknowledged_readings == this.journal.committed_readings == 2400
            assert this.uplink.air.on_air_bytes == this.relay.bytes_on_air
            assert this.platform.counters.repeated_records == 0

    run_virtual(main)


def test_batches_that_build_on_nothing_arrive_too(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=SELF_CONTAINED) as this:
            await this.measure_for(100)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.unread == 0

    run_virtual(main)


@pytest.mark.parametrize(
    "faults",
    [
        RadioFaults(loss=0.02),
        RadioFaults(loss=0.3),
        RadioFaults(duplicate=0.5),
        RadioFaults(delay_s=0.5, jitter_s=4.0),
        RadioFaults(loss=0.2, duplicate=0.2, delay_s=1.0, jitter_s=2.0),
    ],
    ids=["little", "loss", "doubling", "reordering", "all"],
)
def test_a_bad_link_loses_and_doubles_nothing(tmp_path: Path, faults: RadioFaults) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, faults=faults, form=AUTO, batch_s=3) as this:
            for _ in range(6):
                await this.measure_for(60)
                await this.alarm()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.count("alarms") == 6

    run_virtual(main)


def test_what_only_senml_can_say_goes_as_senml(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(30)
            await this.journal.add_event(Event("lamp", "event", "x" * 1025, clock.unix_ms()))
            await this.measure_for(30)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.rows("SELECT code FROM events") == [("x" * 1025,)]
            assert {0, 4} <= {payload[0] >> 5 for payload in this.seen}, "compact batches before and behind it"

    run_virtual(main)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE states SET state = x'00'",
        "UPDATE states SET state = substr(state, 1, 40)",
        "UPDATE uploads SET data = x'00'",
    ],
    ids=["another version", "cut", "table"],
)
def test_what_the_platform_cannot_read_any_more_is_what_it_lacks(tmp_path: Path, damage: str) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            port = this.platform.port
            await this.measure_for(30)
            await this.settle()
            await this.platform.stop()
            database = apsw.Connection(str(tmp_path / "platform.sqlite"))
            database.execute(damage)
            assert database.changes() > 0
            database.close()
            this.platform = await Platform.start(tmp_path / "platform.sqlite", clock, port=port)
            await this.measure_for(30)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.unread > 0
            assert this.platform.counters.refused == 0
            assert this.seen[-1][0] >> 4 == 1, "compact batches again"

    run_virtual(main)


def test_a_platform_that_forgets_the_states_gets_batches_that_build_on_nothing(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            for _ in range(5):
                await this.measure_for(45)
                this.platform._store.forget_states()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.unread >= 5

    run_virtual(main)


def test_a_platform_that_restarts_goes_on_with_the_states_that_it_had(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            port = this.platform.port
            await this.measure_for(45)
            await this.platform.stop()
            await this.measure_for(3)
            this.platform = await Platform.start(tmp_path / "platform.sqlite", clock, port=port)
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.unread == 0

    run_virtual(main)


def test_a_platform_that_stops_to_take_them_gets_senml(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(45)
            this.platform.desk.offers = (112,)
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.seen[-1][0] >> 5 == 4

    run_virtual(main)


@pytest.mark.parametrize("gently", [True, False])
def test_a_gateway_that_is_ended_does_not_send_again_what_arrived_without_an_answer(
    tmp_path: Path, gently: bool
) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(60)
            assert this.uplink.counters.unconfirmed_batches > 3
            await this.restart_gateway(gently=gently)
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.platform.counters.repeated_records == 0

    run_virtual(main)


def test_a_command_arrives_within_the_time_that_it_may_take(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO, batch_s=10, command_delay_s=60) as this:
            arrived: list[float] = []
            this.on_mailbox(lambda commands: arrived.append(clock.monotonic_ms() / 1000) if commands else None)
            for number in range(4):
                await this.measure_for(37)
                sent = clock.monotonic_ms() / 1000
                arrived.clear()
                this.platform.send(
                    Command(f"dim-{number}", "lamp", "lamp", {"level_pct": 5}, clock.unix_ms() + 100_000)
                )
                while not arrived:
                    await this.measure_for(1)
                assert arrived[0] - sent <= 61

    run_virtual(main)


def test_an_alarm_does_not_wait_for_what_went_without_an_answer(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(35)
            await this.alarm()
            await asyncio.sleep(0.05)
            assert this.platform.count("alarms") == 1

    run_virtual(main)


@pytest.mark.parametrize("code", ["4.15", "5.03", "4.09", "4.01"])
def test_a_platform_that_offers_compact_batches_and_refuses_them_is_not_flooded(tmp_path: Path, code: str) -> None:
    refused: list[str] = []

    def refuse(arrived: Arrived) -> Reply:
        refused.append(arrived.request.method)
        return Reply(code)

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, form=AUTO) as this:
            await this.measure_for(20)
            assert this.uplink.counters.unconfirmed_batches > 0
            desk = this.platform.desk
            take, desk._take_compact = desk._take_compact, refuse  # type: ignore[method-assign]
            await this.measure_for(60)
            desk._take_compact = take  # type: ignore[method-assign]
            await this.settle()
            assert this.check() == (0, 0, 0)
            # One that was told, and then tries with pauses of up to a minute; 4.15 is said once.
            assert 1 <= len(refused) <= (1 if code == "4.15" else 12)

    run_virtual(main)
