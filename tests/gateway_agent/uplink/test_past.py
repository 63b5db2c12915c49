"""After an outage: alarms first, then the present, then the past at its rate; and numbers that the platform knows."""

import asyncio
import os
import shutil
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from gateway_agent.journal import TELEMETRY, Journal
from gateway_agent.journal.thinner import ThinEntry
from gateway_agent.records import Reading
from gateway_agent.uplink.batches import Batcher
from gateway_agent.uplink.coap_message import Reply
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.uplink.pole import Pole, pole

LOCK, MARK = "journal.sqlite.lock", "user.gatepost.last"


def save(folder: Path) -> tuple[Path, bytes]:
    """The journal's files as they are, as an image of the card would hold them."""
    image = folder / "image"
    image.mkdir()
    for file in folder.glob("journal.sqlite*"):
        shutil.copy(file, image)
    return image, os.getxattr(folder / LOCK, MARK)


def restore(folder: Path, saved: tuple[Path, bytes]) -> None:
    image, mark = saved
    for file in folder.glob("journal.sqlite*"):
        file.unlink()
    for file in image.iterdir():
        shutil.copy(file, folder)
    os.setxattr(folder / LOCK, MARK, mark)


@pytest.mark.parametrize("restarts", [0, 2])
def test_a_card_that_was_set_back_loses_and_doubles_nothing(tmp_path: Path, restarts: int) -> None:
    """Also when the agent is started again before it reaches the platform for the first time."""

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(30)
            await this.settle()
            saved = save(tmp_path)
            await this.measure_for(40)
            await this.settle()
            await this.stop_gateway(gently=True)
            restore(tmp_path, saved)
            this.start_gateway()
            former = this.journal.epoch
            for _ in range(restarts):
                this.relay.down = True
                await this.measure_for(20)
                await this.stop_gateway(gently=True)
                this.start_gateway()
            this.relay.down = False
            await this.measure_for(60)
            await this.alarm()
            await this.settle()
            assert this.check() == (0, 0, 0)
            assert this.journal.epoch != former
            assert this.rows("SELECT count(*) FROM alarms") == [(1,)]
            assert this.rows("SELECT code FROM events WHERE code = 'end-lost'") == [("end-lost",)]

    run_virtual(main)


def test_numbers_that_were_given_in_memory_and_lost_in_a_crash_are_not_met_again(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        async with pole(clock, tmp_path, disk=disk) as this:
            await this.measure_for(30)
            await this.settle()
            disk.full = True
            await this.measure_for(30)
            await asyncio.sleep(30)
            assert this.journal.trouble is not None
            assert this.check() == (0, 0, 0)
            # What memory holds is lost in the crash; the platform has all of it.
            await this.restart_gateway(gently=False)
            disk.full = False
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_what_waits_on_a_disk_that_is_away_is_sent_when_it_is_back(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        async with pole(clock, tmp_path, disk=disk) as this:
            await this.platform.leave()
            await this.measure_for(30)
            disk.full = True
            await this.measure_for(30)
            await this.platform.come_back()
            draining = asyncio.create_task(this.settle())
            await asyncio.sleep(120)
            assert not draining.done()
            assert 0 < this.check()[0] < 240
            disk.full = False
            await draining
            assert this.check() == (0, 0, 0)

    run_virtual(main)


async def _outage(this: Pole) -> None:
    """Half an hour of one poll each ten seconds and an alarm each ten minutes, with no platform."""
    await this.platform.leave()
    for turn in range(180):
        this.measure(turn)
        if turn % 60 == 0:
            await this.alarm()
        await asyncio.sleep(10)


def test_after_an_outage_alarms_go_first_then_the_present_then_the_past(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(20)
            await this.settle()
            await _outage(this)
            back_ms = clock.unix_ms()
            await this.platform.come_back()
            for turn in range(30):
                this.measure(turn)
                await asyncio.sleep(10)
            await this.settle()
            assert this.check() == (0, 0, 0)
            last_alarm = this.rows("SELECT max(arrived_ms) FROM alarms")[0][0]
            ((first_present,),) = this.rows(
                f"SELECT min(arrived_ms) FROM readings WHERE NOT late AND arrived_ms >= {back_ms}"
            )
            ((first_past,),) = this.rows("SELECT min(arrived_ms) FROM readings WHERE late")
            assert last_alarm <= first_present <= first_past
            # Late is what was older than a minute when the platform was reached again, and nothing else.
            ((newest_late,),) = this.rows("SELECT max(time_ms) FROM readings WHERE late")
            ((oldest_present,),) = this.rows(
                f"SELECT min(time_ms) FROM readings WHERE NOT late AND arrived_ms >= {back_ms}"
            )
            assert newest_late < oldest_present
            assert this.rows("SELECT count(*) FROM readings WHERE late")[0][0] > 600

    run_virtual(main)


def test_the_past_keeps_to_its_rate_and_the_present_does_not_wait_for_it(tmp_path: Path) -> None:
    bytes_per_hour = 20_000

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await _outage(this)
            await this.stop_gateway(gently=True)
            this.settings = replace(this.settings, backfill_bytes_per_hour=bytes_per_hour)
            this.start_gateway()
            await this.platform.come_back()
            await asyncio.sleep(120)
            begun = this.rows("SELECT count(*) FROM readings WHERE late")[0][0]
            before = this.uplink.air.on_air_bytes
            for turn in range(60):
                this.measure(turn)
                await asyncio.sleep(10)
            spent = this.uplink.air.on_air_bytes - before
            late = this.rows("SELECT count(*) FROM readings WHERE late")[0][0]
            assert begun < late < 720
            present = 60 * 4 - 8
            assert this.rows("SELECT count(*) FROM readings WHERE NOT late")[0][0] >= present
            # A sixth of an hour's bytes, one message beyond, and what the present took: 60 messages at most.
            assert spent < bytes_per_hour / 6 + 1500 + 60 * 400
            await asyncio.sleep(2 * 3600)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_a_platform_that_has_trouble_of_its_own_is_asked_again_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            await this.measure_for(30)
            await this.settle()
            saved = save(tmp_path)
            await this.measure_for(40)
            await this.settle()
            await this.stop_gateway(gently=True)
            restore(tmp_path, saved)
            asked = []

            def fail(*arguments: object) -> int:
                asked.append(arguments)
                raise apsw.BusyError("database is locked")

            with monkeypatch.context() as patch:
                patch.setattr(this.platform._store, "highest", fail)
                this.start_gateway()
                await this.measure_for(60)
                assert len(asked) > 2
            await this.measure_for(60)
            await this.settle()
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_windows_that_the_platform_refuses_do_not_keep_the_gateway_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = [0]
    next_load = Batcher.next_load

    async def counted(self: Batcher, *arguments: object) -> object:
        looks[0] += 1
        return await next_load(self, *arguments)

    monkeypatch.setattr(Batcher, "next_load", counted)

    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path, refuse=lambda payload: "no windows" if b"span" in payload else None) as this:
            await this.platform.leave()
            await this.measure_for(60)
            await this.journal.flush()
            await this.journal.commit(ThinEntry(TELEMETRY, None, clock.unix_ms()))
            await this.platform.come_back()
            await asyncio.sleep(300)
            assert this.uplink.counters.refusals > 3
            assert looks[0] < 300
            assert len(this.uplink._parts.batcher.held) == this.journal.waiting(TELEMETRY + 1) > 3

    run_virtual(main)


def test_a_window_replaces_what_had_arrived_and_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        async with pole(clock, tmp_path) as this:
            start = clock.unix_ms()
            # One minute: the first readings are acknowledged, the next arrive unheard, the last are never sent as such.
            await this.measure_for(15)
            await this.settle()
            this.relay.faults = replace(this.relay.faults, loss=0.0)
            answers_lost = this.platform.desk._answer

            def unheard(*arguments: object) -> Reply:
                answers_lost(*arguments)
                return Reply("5.03")

            this.platform.desk._answer = unheard
            await this.measure_for(20)
            await asyncio.sleep(0)
            assert this.rows("SELECT count(*) FROM readings")[0][0] > 60
            await this.journal.flush()
            await this.journal.commit(ThinEntry(TELEMETRY, None, clock.unix_ms()))
            assert this.journal.waiting(TELEMETRY) == 0
            this.platform.desk._answer = answers_lost
            await this.settle()
            for point in ("air/pm2_5", "gas/ch4"):
                ((count, total),) = this.rows(
                    f"SELECT count(*), sum(value) FROM readings WHERE point = '{point}' AND time_ms >= {start - 60_000}"
                )
                ((windows, in_windows),) = this.rows(
                    f"SELECT sum(count), sum(total) FROM windows WHERE point = '{point}'"
                )
                assert count + windows == 35
                assert total + in_windows == sum(range(15)) + sum(range(20))
                assert count >= 15

    run_virtual(main)


@pytest.mark.parametrize("is_full_at_start", [False, True])
def test_a_disk_that_was_away_for_a_while_is_no_lost_end_at_the_next_start(
    tmp_path: Path, is_full_at_start: bool
) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        async with pole(clock, tmp_path, disk=disk) as this:
            await this.measure_for(20)
            await this.settle()
            if is_full_at_start:
                await this.stop_gateway(gently=True)
                disk.full = True
                this.start_gateway()
            disk.full = True
            await this.measure_for(20)
            await this.alarm()
            disk.full = False
            await asyncio.sleep(60)
            assert this.journal.trouble is None
            await this.measure_for(20)
            await this.settle()
            assert this.journal.is_asked
            epoch = this.journal.epoch
            await this.stop_gateway(gently=True)
            this.start_gateway()
            await this.measure_for(20)
            await this.settle()
            assert this.journal.epoch == epoch
            assert this.rows("SELECT count(*) FROM events WHERE code = 'end-lost'") == [(0,)]
            assert this.check() == (0, 0, 0)

    run_virtual(main)


def test_what_was_thinned_since_it_was_read_is_not_sent(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        for minute in range(20):
            journal.add_readings([Reading("air/pm2_5", 60_000 * minute, minute, 0)])
        await journal.flush()
        records = await journal.read(TELEMETRY, 30)
        journal._writer.commit([ThinEntry(TELEMETRY, 60_000 * 12, 0)])
        here = await journal.note_sending([record.sequence for record in records])
        assert list(here) == [record.sequence for record in await journal.read(TELEMETRY, 30)]
        assert 0 < len(here) < len(records)
        await journal.close()

    run_virtual(main)


def test_a_record_that_is_held_and_alone_in_what_was_read_ahead_blocks_nothing(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        journal.add_readings([Reading("air/pm2_5", clock.unix_ms(), 1, 0)])
        await journal.flush()
        batcher = Batcher(journal)
        assert await batcher.next_load(journal.last_sequence, with_past=False) is not None
        batcher.held.add(1)
        journal.add_readings([Reading("air/pm2_5", clock.unix_ms(), 2, 0)])
        await journal.flush()
        load = await batcher.next_load(journal.last_sequence, with_past=False)
        assert load is not None
        assert tuple(record.sequence for record in load.records) == (2,)
        await journal.close()

    run_virtual(main)
