"""The journal's promises, in virtual time: what is committed when, what survives, what is never done twice."""

import asyncio
import shutil
from pathlib import Path

import apsw
import pytest

from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, EventStored, Journal, JournalError, items
from gateway_agent.journal.inspect import stored_records
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Command, CommandResult, Event, Reading
from hardware.rig.clock import RigClock, run_virtual

POINTS = ("air/pm2_5", "air/temperature", "air/humidity")


def poll(clock: RigClock, value: int = 0) -> list[Reading]:
    return [Reading(point, clock.unix_ms(), value, -1) for point in POINTS]


def cover(clock: RigClock, sequence: int | None, epoch: int = 3) -> Event:
    origin = None if sequence is None else (epoch, sequence)
    return Event("manhole/cover", "alarm", "opened", clock.unix_ms(), True, source="manhole_node", origin=origin)


def copied(path: Path) -> Path:
    """The journal's files as they are now, for a look while an agent holds them."""
    folder = path.parent / "copy"
    folder.mkdir()
    for file in (path, path.with_name(path.name + "-wal")):
        shutil.copy(file, folder)
    return folder / path.name


def flip_body(path: Path, sequence: int) -> None:
    """Change one bit of a record of a journal that is closed."""
    vandal = apsw.Connection(str(path))
    body = bytearray(vandal.execute("SELECT body FROM record WHERE sequence = ?", (sequence,)).get)
    body[-1] ^= 0x01
    vandal.execute("UPDATE record SET body = ? WHERE sequence = ?", (bytes(body), sequence))
    vandal.close()


class UnreadableCommand:
    """Writes what no command is in the place of one."""

    needs_disk = False
    readings = 0

    def write(self, transaction: Transaction) -> None:
        transaction.items.put(items.COMMAND, "dim-7", [b"\xff", "received", None, 0, 0])


async def sequences(journal: Journal, record_class: int = TELEMETRY) -> list[int]:
    return [record.sequence for record in await journal.read(record_class, 10_000)]


def test_telemetry_is_committed_in_groups_by_count_or_by_time(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock, commit_s=30, commit_readings=9)
        journal.add_readings(poll(clock))
        await asyncio.sleep(29)
        assert (journal.committed_readings, journal.pending_readings, journal.depth) == (0, 3, 0)
        await asyncio.sleep(1.1)
        assert (journal.committed_readings, journal.pending_readings, journal.depth) == (3, 0, 1)
        for _ in range(3):
            journal.add_readings(poll(clock))
        await asyncio.sleep(0.001)
        assert (journal.committed_readings, journal.pending_readings, journal.depth) == (12, 0, 4)
        await journal.close()

    run_virtual(main)


def test_an_alarm_is_on_the_disk_at_once_and_takes_what_waits_along(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        journal.add_readings(poll(clock))
        assert await journal.add_event(cover(clock, 1)) == EventStored(is_new=True, is_safe=True)
        assert journal.committed_readings == 3
        copy = copied(tmp_path / "journal.sqlite")
        assert [record.sequence for record in stored_records(copy, TELEMETRY)] == [1]
        assert [record.content for record in stored_records(copy, ALARM)] == [cover(clock, 1)]
        await journal.close()

    run_virtual(main)


def test_an_event_of_a_node_is_stored_once_by_its_origin_across_restarts(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        answers = []
        for _ in range(2):
            journal = Journal.open(tmp_path / "journal.sqlite", clock)
            answers += [await journal.add_event(cover(clock, 1)), await journal.add_event(cover(clock, 2))]
            await journal.close()
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        answers += [await journal.add_event(cover(clock, 1, epoch=4)), await journal.add_event(cover(clock, None))]
        assert [answer.is_new for answer in answers] == [True, True, False, False, True, True]
        assert all(answer.is_safe for answer in answers)
        assert journal.waiting(ALARM) == 4
        await journal.close()

    run_virtual(main)


def test_everything_is_found_again_after_a_restart(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        epoch, stamp = journal.epoch, clock.unix_ms()
        journal.add_readings([*poll(clock, 5), Reading("air/pm2_5", stamp - 60_000, 52, -2, "mean")])
        await journal.add_event(cover(clock, 1))
        before = await journal.read(TELEMETRY, 10)
        await journal.close()
        journal = Journal.open(path, clock)
        assert journal.epoch == epoch
        assert (journal.depth, journal.committed_readings, journal.waiting_readings) == (2, 4, 4)
        assert await journal.read(TELEMETRY, 10) == before
        assert journal.last_sample_ms() == dict.fromkeys(POINTS, stamp)
        await journal.close()

    run_virtual(main)


def test_sequences_never_restart_after_a_drain_or_a_restart(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        seen: list[int] = []
        for _ in range(3):
            journal = Journal.open(tmp_path / "journal.sqlite", clock)
            for _ in range(4):
                journal.add_readings(poll(clock))
                await journal.flush()
                waiting = await sequences(journal)
                seen += waiting
                assert await journal.acknowledge(waiting) == 1
                assert await journal.acknowledge(waiting) == 0
                assert journal.depth == 0
            await journal.close()
        assert seen == list(range(1, 13))

    run_virtual(main)


def test_a_new_file_has_another_epoch(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journals = [Journal.open(tmp_path / f"{number}.sqlite", clock) for number in range(4)]
        assert len({journal.epoch for journal in journals}) == 4
        assert all(0 < journal.epoch < 1 << 32 for journal in journals)
        for journal in journals:
            await journal.close()

    run_virtual(main)


def test_what_is_acknowledged_can_be_kept(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock, keep_acknowledged=True)
        for _ in range(3):
            journal.add_readings(poll(clock))
        await journal.flush()
        await journal.acknowledge([1, 2])
        assert (await sequences(journal), journal.depth, journal.waiting_readings) == ([3], 1, 3)
        await journal.close()
        assert [record.sequence for record in stored_records(path, TELEMETRY)] == [1, 2, 3]
        journal = Journal.open(path, clock, keep_acknowledged=True)
        assert (await sequences(journal), journal.depth) == ([3], 1)
        await journal.close()

    run_virtual(main)


def test_a_flipped_byte_is_found_at_the_start_told_and_never_handed_out(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        epoch = journal.epoch
        for value in range(3):
            journal.add_readings(poll(clock, value))
        await journal.close()
        flip_body(path, 2)
        journal = Journal.open(path, clock)
        assert await sequences(journal) == [1, 3]
        assert (list(journal.missing), journal.waiting_readings, journal.trouble) == ([(2, 2)], 6, None)
        reports = [record.content for record in await journal.read(EVENT, 10)]
        assert [(report.code, report.value) for report in reports if isinstance(report, Event)] == [
            ("damaged", 1),
            ("records-missing", 1),
        ]
        assert {record.epoch for record in await journal.read(TELEMETRY, 10)} == {epoch}
        assert journal.epoch != epoch
        await journal.close()
        journal = Journal.open(path, clock)
        assert (await sequences(journal), journal.waiting(EVENT), list(journal.missing)) == ([1, 3], 2, [])
        await journal.close()

    run_virtual(main)


def test_what_is_damaged_while_the_agent_runs_is_set_aside_and_told(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        for value in range(3):
            journal.add_readings(poll(clock, value))
        await journal.flush()
        await journal.look(
            lambda connection: connection.execute(
                "UPDATE record SET time_ms = time_ms + 1 WHERE sequence = 2"
            ).fetchall()
        )
        assert await sequences(journal) == [1, 3]
        assert (journal.damaged_records, journal.waiting(TELEMETRY)) == (1, 2)
        reports = [record.content for record in await journal.read(EVENT, 10)]
        assert [(report.code, report.value) for report in reports if isinstance(report, Event)] == [
            ("record-damaged", 2)
        ]
        await journal.close()
        journal = Journal.open(path, clock)
        assert (await sequences(journal), journal.waiting(EVENT), journal.depth) == ([1, 3], 1, 3)
        await journal.close()

    run_virtual(main)


def test_two_agents_cannot_use_one_journal(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        with pytest.raises(JournalError, match="another gateway agent"):
            Journal.open(tmp_path / "journal.sqlite", clock)
        await journal.close()
        await Journal.open(tmp_path / "journal.sqlite", clock).close()

    run_virtual(main)


@pytest.mark.parametrize("case", ["no folder", "no journal", "other tables", "a folder"])
def test_what_cannot_be_opened_is_told_with_its_mend(tmp_path: Path, case: str) -> None:
    path = tmp_path / "journal.sqlite"
    if case == "no folder":
        path = tmp_path / "absent" / "journal.sqlite"
    elif case == "no journal":
        path.write_bytes(b"some text that is no database, and longer than its header is. " * 40)
    elif case == "other tables":
        apsw.Connection(str(path)).execute("CREATE TABLE readings (a)")
    else:
        path.mkdir()

    async def main(clock: RigClock) -> None:
        with pytest.raises(JournalError) as caught:
            Journal.open(path, clock)
        assert str(path) in str(caught.value)
        assert any(mend in str(caught.value) for mend in ("make it: mkdir -p", "see that its folder", "move it away"))

    run_virtual(main)


def test_readings_that_cannot_be_stored_are_counted_and_hold_nothing_up(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        journal.add_readings([Reading("mains/energy", clock.unix_ms(), 1 << 64, 0), *poll(clock)])
        journal.add_readings([])
        await journal.flush()
        assert (journal.refused_readings, journal.committed_readings, journal.pending_readings) == (1, 3, 0)
        await journal.close()

    run_virtual(main)


def test_a_caller_that_is_cancelled_takes_no_commit_with_it(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        callers = [asyncio.create_task(journal.add_event(cover(clock, number))) for number in range(20)]
        await asyncio.sleep(0)
        for caller in callers[::2]:
            caller.cancel()
        await asyncio.gather(*callers, return_exceptions=True)
        await journal.flush()
        assert await sequences(journal, ALARM) == list(range(1, 21))
        await journal.close()

    run_virtual(main)


def test_a_command_is_known_by_its_id_and_its_result_is_repeated(tmp_path: Path) -> None:
    command = Command("dim-7", "lamp", "street_lamp", {"level_pct": 40}, 0)

    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        assert (await journal.receive_command(command)).state == "received"
        assert (await journal.receive_command(command)).state == "received"
        await journal.begin_command("dim-7")
        await journal.close()
        journal = Journal.open(path, clock)
        assert [(stored.command, stored.state) for stored in await journal.unfinished_commands()] == [
            (command, "acting")
        ]
        result = CommandResult("dim-7", "confirmed", "", clock.unix_ms(), 40)
        await journal.finish_command(result)
        await journal.finish_command(CommandResult("dim-7", "failed", "late", clock.unix_ms()))
        assert [record.content for record in await journal.read(RESULT, 10)] == [result]
        assert (await journal.receive_command(command)).result == result
        assert journal.waiting(RESULT) == 1
        await journal.acknowledge(await sequences(journal, RESULT))
        assert (await journal.receive_command(command)).state == "confirmed"
        assert [record.content for record in await journal.read(RESULT, 10)] == [result]
        assert await journal.unfinished_commands() == []
        await journal.close()

    run_virtual(main)


def test_a_command_of_which_one_copy_is_damaged_is_as_it_was(tmp_path: Path) -> None:
    command = Command("dim-7", "lamp", "street_lamp", {"level_pct": 40})

    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        for table in items.TABLES:
            journal = Journal.open(path, clock)
            await journal.receive_command(command)
            await journal.close()
            vandal = apsw.Connection(str(path))
            vandal.execute(f"UPDATE {table} SET version = version + 1 WHERE kind = ?", (items.COMMAND,))
            vandal.close()
            journal = Journal.open(path, clock)
            assert [(each.command, each.state) for each in await journal.unfinished_commands()] == [
                (command, "received")
            ]
            assert list(journal.missing) == []
            await journal.close()

    run_virtual(main)


def test_a_command_that_cannot_be_read_is_known_and_never_carried_out(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        path = tmp_path / "journal.sqlite"
        journal = Journal.open(path, clock)
        await journal.receive_command(Command("dim-7", "lamp", "street_lamp", {"level_pct": 40}))
        await journal.commit(UnreadableCommand())
        assert [stored.state for stored in await journal.unfinished_commands()] == ["damaged"]
        assert (await journal.receive_command(Command("dim-7", "lamp", "street_lamp"))).state == "damaged"
        await journal.close()

    run_virtual(main)


def test_listeners_are_told_of_commits_until_they_leave(tmp_path: Path) -> None:
    async def main(clock: RigClock) -> None:
        journal = Journal.open(tmp_path / "journal.sqlite", clock)
        depths: list[int] = []
        leave = journal.subscribe(lambda: depths.append(journal.depth))
        journal.add_readings(poll(clock))
        await journal.flush()
        await journal.flush()
        leave()
        journal.add_readings(poll(clock))
        await journal.flush()
        assert depths == [1]
        await journal.close()

    run_virtual(main)
