"""All in memory while the disk is away, and back: at every moment, with every doubt, nothing lost and nothing twice."""

import asyncio
from pathlib import Path
from random import Random

import apsw
import pytest

from gateway_agent.journal import TELEMETRY, Budget, EventStored, Journal, items, memory
from gateway_agent.journal.entries import EventEntry
from gateway_agent.journal.thinner import ThinEntry
from gateway_agent.journal.transaction import Transaction
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Command, Event, Reading
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.journal.looks import codes, count_and_sum, failing_journal, fresh, reading, records, values

ERRORS = [apsw.FullError, apsw.ReadOnlyError, apsw.IOError]
COMMAND = Command("dim-7", "lamp", "street_lamp", {"level_pct": 40})


class NeedsDisk:
    """Writes nothing that may be in memory alone."""

    needs_disk = True
    readings = 0

    def write(self, transaction: Transaction) -> None:
        transaction.items.put(items.MARK, "needs disk", 1)


def own_event(clock: RigClock, value: int) -> Event:
    return Event("air", "event", "own", clock.unix_ms(), value=value)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("good_steps", range(0, 60, 3))
def test_a_disk_that_fails_at_any_step_loses_and_doubles_nothing(
    tmp_path: Path, error: type[apsw.Error], good_steps: int
) -> None:
    async def main(clock: RigClock) -> None:
        disk, random = FailingDisk(), Random(good_steps)
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        acknowledged = 0
        for value in range(60):
            if value == 10:
                disk.good_steps = good_steps
            if value == 40:
                disk.good_steps = disk.error = None
            if disk.error is not None:
                disk.error = error
            journal.add_readings(reading(clock, value))
            await asyncio.sleep(3)
            if value % 4 == 0:
                oldest = [record.sequence for record in await journal.read(TELEMETRY, random.randrange(1, 4))]
                await journal.acknowledge(oldest)
                acknowledged += len(oldest)
        await asyncio.sleep(60)
        assert journal.trouble is None
        kept = await values(journal)
        assert (len(set(kept)), len(kept)) == (60 - acknowledged, 60 - acknowledged)
        assert journal.committed_readings == 60
        await journal.close()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        assert (await values(journal), list(journal.missing)) == (kept, [])
        assert (journal.committed_readings, journal.waiting_readings) == (60, 60 - acknowledged)
        await journal.close()

    run_virtual(main)


@pytest.mark.parametrize("good_steps", range(0, 260, 8))
def test_thinning_that_may_have_been_committed_loses_and_doubles_nothing(tmp_path: Path, good_steps: int) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        now = clock.unix_ms()
        for value in range(900):
            journal.add_readings([Reading("air/pm2_5", now + 1000 * value, value, 0)])
        await journal.close()
        journal = failing_journal(path, clock, disk, Budget(20_000))
        disk.good_steps = good_steps
        journal.add_readings(reading(clock, 900))
        await asyncio.sleep(2)
        disk.good_steps = disk.error = None
        await asyncio.sleep(60)
        await journal.flush()
        assert journal.trouble is None
        assert await count_and_sum(journal) == (901, sum(range(901)))
        await journal.close()
        journal = failing_journal(path, clock, disk)
        assert (await count_and_sum(journal), list(journal.missing)) == ((901, sum(range(901))), [])
        await journal.close()

    run_virtual(main)


def test_thinning_whose_commit_took_place_all_the_same_is_not_taken_back(tmp_path: Path) -> None:
    disk = FailingDisk()
    path = tmp_path / "journal.sqlite"

    async def main(clock: RigClock) -> None:
        journal = failing_journal(path, clock, disk)
        now = clock.unix_ms()
        for value in range(100):
            journal.add_readings([Reading("air/pm2_5", now + 1000 * value, value, 0)])
        await journal.close()

    run_virtual(main)
    writer = Writer(path, vfs=disk.vfs_name)
    # The first commit syncs the head of the log, which a later one finds there.
    writer.commit([EventEntry(Event("air", "event", "own", 0))])
    disk.broken_syncs = 1
    writer.persist(writer.thin, ThinEntry(TELEMETRY, None, 0))
    assert (writer.in_memory, disk.refused) == (True, 1)
    assert writer.return_to_disk()
    windows, _ = writer.read(TELEMETRY + 1, 100)
    assert len(windows) > 0
    assert writer.waiting.records[TELEMETRY] == 0
    writer.close()


def test_starts_without_a_disk_by_the_same_wrong_clock_do_not_meet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The second draw is the lower one: numbers that the first time in memory made the disk leave out.
    firsts, draw = iter([500, 400]), memory.secrets.randbelow
    monkeypatch.setattr(
        memory.secrets, "randbelow", lambda bound: next(firsts) if bound == memory._FAR_SPREAD else draw(bound)
    )

    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        await failing_journal(path, clock, disk).close()
        for value in (0, 10):
            disk.error = apsw.IOError
            apsw.Connection(str(path)).execute("PRAGMA journal_mode = DELETE")
            journal = failing_journal(path, clock, disk)
            assert journal.trouble is not None
            for each in range(value, value + 10):
                journal.add_readings(reading(clock, each))
            await journal.flush()
            disk.error = None
            await asyncio.sleep(60)
            assert journal.trouble is None
            await journal.close()
        journal = failing_journal(path, clock, disk)
        assert sorted(await values(journal)) == list(range(20))
        assert list(journal.missing) == []
        assert len({record.epoch for record in await records(journal, TELEMETRY)}) == 2
        await journal.close()

    run_virtual(main, start_unix_ms=20_000)


def test_an_era_keeps_its_number_and_its_time_when_the_disk_comes_later(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        first = await journal.begin_era("boot 1", 7, trusted=False)
        journal.era = first.number
        journal.add_readings([Reading("air/pm2_5", 1000, 1, 0)])
        await journal.close()
        apsw.Connection(str(path)).execute("PRAGMA journal_mode = DELETE")
        disk.error = apsw.IOError
        journal = failing_journal(path, clock, disk)
        second = await journal.begin_era("boot 2", 8, trusted=False)
        journal.era = second.number
        journal.add_readings([Reading("air/pm2_5", 1000, 2, 0)])
        await journal.flush()
        disk.error = None
        await asyncio.sleep(60)
        assert journal.trouble is None
        journal.add_readings([Reading("air/pm2_5", 1000, 3, 0)])
        await journal.flush()
        assert [(era.number, era.boot_id) for era in journal.eras()] == [
            (first.number, "boot 1"),
            (second.number, "boot 2"),
        ]
        await journal.correct_eras({first.number: 5, second.number: 700})
        assert [(each.value, each.time_ms) for each in await fresh(journal)] == [(1, 1005), (2, 1700), (3, 1700)]
        assert all(record.trusted for record in await records(journal, TELEMETRY))
        third = await journal.begin_era("boot 3", 9, trusted=True)
        assert third.number > max(first.number, second.number)
        await journal.close()

    run_virtual(main)


@pytest.mark.parametrize("good_steps", range(40))
def test_a_return_that_fails_at_any_step_is_tried_again_and_counts_nothing_twice(
    tmp_path: Path, good_steps: int
) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        for value in range(5):
            journal.add_readings(reading(clock, value))
        await journal.flush()
        disk.full = True
        for value in range(5, 40):
            journal.add_readings(reading(clock, value))
        await journal.flush()
        kept = [record.sequence for record in await journal.read(TELEMETRY, 100)]
        assert await journal.acknowledge(kept[:10]) == 10
        disk.full, disk.good_steps = False, good_steps
        await asyncio.sleep(3)
        disk.good_steps = disk.error = None
        journal.add_readings(reading(clock, 40))
        await asyncio.sleep(60)
        assert journal.trouble is None
        assert (journal.committed_readings, journal.waiting_readings) == (41, 31)
        assert await values(journal) == [*range(5), *range(15, 41)]
        await journal.close()
        journal = failing_journal(path, clock, disk)
        assert (await values(journal), list(journal.missing)) == ([*range(5), *range(15, 41)], [])
        assert journal.last_sample_ms().keys() == {"air/pm2_5"}
        await journal.close()

    run_virtual(main)


def test_what_is_acknowledged_too_late_leaves_the_disk_when_that_is_back(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        for value in range(5):
            journal.add_readings(reading(clock, value))
        await journal.flush()
        disk.full = True
        journal.add_readings(reading(clock, 5))
        await journal.flush()
        assert await journal.acknowledge([1, 2, 4]) == 0
        assert (journal.depth, journal.waiting(TELEMETRY)) == (6, 1)
        disk.full = False
        await asyncio.sleep(60)
        assert await values(journal) == [2, 4, 5]
        assert (journal.committed_readings, journal.waiting_readings) == (6, 3)
        await journal.close()

    run_virtual(main)


def test_an_epoch_that_begins_in_memory_holds_for_what_is_on_the_disk(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        journal.add_readings(reading(clock, 0))
        await journal.flush()
        disk.full = True
        journal.add_readings(reading(clock, 1))
        await journal.flush()
        former = journal.epoch
        assert not await journal.heard_highest(500)
        assert journal.epoch != former
        disk.full = False
        await asyncio.sleep(60)
        assert {record.epoch for record in await records(journal, TELEMETRY)} == {journal.epoch}
        assert "end-lost" in await codes(journal)
        await journal.close()

    run_virtual(main)


def test_a_file_that_is_damaged_meanwhile_is_salvaged_and_what_is_missing_is_told_once(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        await journal.receive_command(COMMAND)
        for value in range(50):
            journal.add_readings(reading(clock, value))
        await journal.flush()
        disk.full = True
        for value in range(50, 60):
            journal.add_readings(reading(clock, value))
        await journal.flush()
        vandal = apsw.Connection(str(path))
        # Without this the former bytes may still lie about in their pages, and are found there.
        vandal.execute("PRAGMA secure_delete = ON")
        vandal.execute("UPDATE record SET body = x'00' WHERE sequence BETWEEN 37 AND 39; DELETE FROM item_copy")
        vandal.execute("DELETE FROM item WHERE kind = 7")
        vandal.close()
        # The salvage goes well and the return after it fails once.
        disk.full = False
        journal._writer._disk.note = lambda contents: None
        joining = journal._writer._joining
        assert joining is not None
        tries = []

        def fail_once(*arguments: object) -> None:
            tries.append(arguments)
            if len(tries) == 1:
                raise apsw.IOError("the disk fails")
            memory.Joining.join(joining, *arguments)

        joining.join = fail_once
        await asyncio.sleep(60)
        assert (journal.trouble, len(tries)) == (None, 2)
        assert await values(journal) == [*range(36), *range(39, 60)]
        assert list(journal.missing) == [(37, 39)]
        assert await codes(journal) == ["damaged", "records-missing", "written-again"]
        assert [each.command for each in await journal.unfinished_commands()] == [COMMAND]
        await journal.close()

    run_virtual(main)


def test_a_disk_that_fails_under_several_callers_at_once_takes_nothing_away(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        journal.add_readings(reading(clock, 0))
        await journal.flush()
        for turn in range(1, 20):
            disk.full = True
            journal._writer._store.connection.execute("PRAGMA page_count")
            callers = [journal.add_event(own_event(clock, turn)), journal.commit(NeedsDisk()), journal.last_before(1)]
            journal.add_readings(reading(clock, turn))
            callers += [journal.add_event(own_event(clock, 100 + turn)), journal.commit(NeedsDisk())]
            await asyncio.gather(*callers, return_exceptions=True)
            disk.full = False
            await asyncio.sleep(60)
            assert journal.trouble is None
        assert await values(journal) == list(range(20))
        assert journal._committer.unwritable == 0
        numbers = [record.content.value for record in await records(journal, 1) if isinstance(record.content, Event)]
        assert {*range(1, 20), *range(101, 120)} <= set(numbers)
        await journal.close()

    run_virtual(main)


def test_a_card_that_was_put_in_again_is_locked_again(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        folder, away = tmp_path / "card", tmp_path / "drawer"
        folder.mkdir()
        path = folder / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        journal.add_readings(reading(clock, 1))
        await journal.flush()
        disk.full = True
        journal.add_readings(reading(clock, 2))
        await journal.flush()
        folder.rename(away)
        folder.mkdir()
        for file in away.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        disk.full = False
        await asyncio.sleep(60)
        assert (journal.trouble, await values(journal)) == (None, [1, 2])
        with pytest.raises(Exception, match="another gateway agent"):
            Journal.open(path, clock)
        await journal.close()

    run_virtual(main)


def test_a_caller_does_not_wait_for_thinning(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        now = clock.unix_ms()
        for value in range(30_000):
            journal.add_readings([Reading("air/pm2_5", now + 1000 * value, value, 0)])
        await journal.close()
        journal = Journal.open(path, clock, budget=Budget(100_000))
        assert await journal.add_event(own_event(clock, 1)) == EventStored(is_new=True, is_safe=True)
        assert journal.thinned_records == 0
        assert journal._writer.used_bytes > 500_000
        await asyncio.sleep(1)
        assert await count_and_sum(journal) == (30_000, sum(range(30_000)))
        assert journal._writer.used_bytes < 110_000
        await journal.close()

    run_virtual(main)


def test_at_the_end_what_memory_holds_goes_to_the_disk_if_that_works(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        disk.full = True
        journal.add_readings(reading(clock, 1))
        await journal.flush()
        disk.full = False
        await journal.close()
        journal = failing_journal(path, clock, disk)
        assert (await values(journal), await codes(journal)) == ([1], ["written-again"])
        await journal.close()

    run_virtual(main)
