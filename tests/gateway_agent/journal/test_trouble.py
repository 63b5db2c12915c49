"""A disk that is full, locked, or fails in the middle: all goes on in memory, nothing is lost or doubled, and the
journal mends itself."""

import asyncio
import logging
from pathlib import Path

import apsw
import pytest

from gateway_agent.journal import EVENT, EventStored, Journal, committer
from gateway_agent.records import Command, Event, Reading
from hardware.rig.clock import RigClock, run_virtual
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.gateway_agent.journal.looks import count_and_sum, failing_journal, reading, values


def test_a_full_disk_holds_readings_in_memory_says_so_once_and_recovers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        for value in range(300):
            disk.full = 100 <= value < 200
            journal.add_readings(reading(clock, value))
            await asyncio.sleep(1)
            if value == 150:
                assert "the disk is full" in str(journal.trouble)
                assert (journal.committed_readings, journal.depth) == (151 - journal.pending_readings,) * 2
                assert journal.pending_readings < 8
        assert disk.refused > 5
        await asyncio.sleep(60)
        assert journal.trouble is None
        assert await values(journal) == list(range(300))
        assert (journal.committed_readings, journal.pending_readings) == (300, 0)
        reports = [record.content for record in await journal.read(EVENT, 10)]
        assert [report.code for report in reports if isinstance(report, Event)] == ["written-again"]
        await journal.close()

    with caplog.at_level(logging.INFO, "gatepost.journal"):
        run_virtual(main)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_memory_has_an_end_and_is_thinned_like_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MEMORY_BYTES", 40_000)

    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        journal.add_readings(reading(clock, 0))
        await journal.flush()
        disk.full = True
        for value in range(1, 4000):
            journal.add_readings(reading(clock, value))
            await asyncio.sleep(1)
        assert journal._writer.in_memory
        assert journal._writer.used_bytes < 45_000
        assert journal.thinned_records > 1000
        disk.full = False
        await asyncio.sleep(60)
        assert journal.trouble is None
        fresh = await values(journal)
        assert (fresh[0], fresh[-1]) == (0, 3999)
        assert await count_and_sum(journal) == (4000, sum(range(4000)))
        assert journal.committed_readings == 4000
        await journal.close()

    run_virtual(main)


@pytest.mark.parametrize("broken_syncs", [1, 2, 3])
def test_a_commit_whose_success_is_unknown_is_never_written_twice(tmp_path: Path, broken_syncs: int) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        for value in range(100):
            if value % 10 == 5:
                disk.broken_syncs = broken_syncs
            journal.add_readings(reading(clock, value))
            await asyncio.sleep(3)
        await asyncio.sleep(60)
        assert disk.refused >= 10
        assert await values(journal) == list(range(100))
        assert journal.committed_readings == 100
        await journal.close()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        assert (journal.committed_readings, journal.waiting_readings) == (100, 100)
        await journal.close()

    run_virtual(main)


def test_in_trouble_a_nodes_event_is_in_but_not_safe_and_commands_are_taken(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        journal = failing_journal(tmp_path / "journal.sqlite", clock, disk)
        journal.add_readings(reading(clock, 1))
        disk.full = True
        theirs = Event("node", "event", "started", clock.unix_ms(), source="node", origin=(1, 1))
        command = Command("c", "lamp", "street_lamp", {"level_pct": 1})
        assert await journal.add_event(theirs) == EventStored(is_new=True, is_safe=False)
        assert await journal.add_event(theirs) == EventStored(is_new=False, is_safe=False)
        own = Event("air", "event", "own", clock.unix_ms())
        assert await journal.add_event(own) == EventStored(is_new=True, is_safe=False)
        assert (await journal.receive_command(command)).state == "received"
        await journal.begin_command("c")
        assert [record.content for record in await journal.read(EVENT, 10)] == [theirs, own]
        disk.full = False
        await asyncio.sleep(60)
        assert await journal.add_event(theirs) == EventStored(is_new=False, is_safe=True)
        contents = [record.content for record in await journal.read(EVENT, 10)]
        codes = [content.code for content in contents if isinstance(content, Event)]
        assert codes == ["started", "own", "written-again"]
        assert [(each.command, each.state) for each in await journal.unfinished_commands()] == [(command, "acting")]
        await journal.close()

    run_virtual(main)


def test_a_journal_that_another_program_takes_meanwhile_is_written_later(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        path = tmp_path / "journal.sqlite"
        journal = failing_journal(path, clock, disk)
        disk.full = True
        journal.add_readings(reading(clock, 1))
        await journal.flush()
        other = apsw.Connection(str(path))
        other.execute("BEGIN IMMEDIATE")
        disk.full = False
        await asyncio.sleep(60)
        assert "another program holds it" in str(journal.trouble)
        other.execute("ROLLBACK")
        other.close()
        await asyncio.sleep(60)
        assert (journal.trouble, await values(journal)) == (None, [1])
        await journal.close()

    run_virtual(main)


def test_a_journal_that_vanishes_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        disk = FailingDisk()
        folder, away = tmp_path / "card", tmp_path / "drawer"
        folder.mkdir()
        journal = failing_journal(folder / "journal.sqlite", clock, disk)
        journal.add_readings(reading(clock, 1))
        await journal.flush()
        disk.full = True
        journal.add_readings(reading(clock, 2))
        await asyncio.sleep(5)
        folder.rename(away)
        disk.full = False
        await asyncio.sleep(300)
        assert "cannot be opened" in str(journal.trouble)
        folder.mkdir()
        other = Journal.open(folder / "journal.sqlite", clock)
        await other.close()
        await asyncio.sleep(60)
        assert "another journal is in this place" in str(journal.trouble)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        away.rename(folder)
        await asyncio.sleep(60)
        assert (journal.trouble, await values(journal)) == (None, [1, 2])
        await journal.close()

    run_virtual(main)


def test_an_entry_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        journal.add_readings(reading(clock, 1))
        # A point whose name is no Unicode passes the bounds and fails in the codec.
        journal.add_readings([Reading("air/\udc80", clock.unix_ms(), 2, 0)])
        journal.add_readings(reading(clock, 3))
        await journal.flush()
        assert await values(journal) == [1, 3]
        assert (journal.committed_readings, journal.pending_readings) == (2, 0)
        await journal.close()

    run_virtual(main)
