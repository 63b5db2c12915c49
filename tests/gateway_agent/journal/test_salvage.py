"""Each kind of damage once: what is sound is saved, what is missing is told, nothing is wrong, and the next start is
an ordinary one."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import apsw
import pytest

from gateway_agent.journal import ALARM, CLASSES, EVENT, TELEMETRY, JournalError, items, salvage
from gateway_agent.journal.codec import Content
from gateway_agent.journal.entries import AcknowledgeEntry, AskedEntry, EraEntry, EventEntry, PollEntry
from gateway_agent.journal.schema import PAGE_BYTES
from gateway_agent.journal.thinner import ThinEntry
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Event, Reading
from tests.gateway_agent.journal.failing_disk import FailingDisk

ACKNOWLEDGED = range(1, 20)


def contents(writer: Writer) -> dict[int, tuple[Content, int]]:
    """(content, epoch) by sequence of all that waits."""
    found = {}
    for record_class in CLASSES:
        records, damaged = writer.read(record_class, 100_000)
        assert damaged == []
        found |= {record.sequence: (record.content, record.epoch) for record in records}
    return found


def fill(writer: Writer, numbers: range) -> None:
    """Polls, alarms and events of some minutes."""
    for number in numbers:
        poll = tuple(Reading(point, 1000 * number, number, 0) for point in ("air/pm2_5", "air/humidity"))
        alarm = Event("manhole/cover", "alarm", f"opened-{number}", 1000 * number, True)
        writer.commit([PollEntry((poll,)), EventEntry(alarm), EventEntry(Event("air", "event", "tick", 1000 * number))])


@dataclass
class Made:
    """A journal that was closed, or whose files were taken while it was open; `true` is what it holds."""

    path: Path
    true: dict[int, tuple[Content, int]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return self.path.with_name(self.path.name + "-wal")

    def flip(self, byte: int, bit: int) -> None:
        """Change one bit of the file."""
        data = bytearray(self.path.read_bytes())
        data[byte] ^= 1 << bit
        self.path.write_bytes(data)

    def check(self, *, same_epoch: bool = True) -> Writer:
        """Open it: what is there is right, what is not is told, and what comes next is kept."""
        writer = Writer(self.path)
        assert writer.trouble is None
        found = contents(writer)
        told = {number for first, last in writer.missing for number in range(first, last + 1)}
        assert self.true.keys() - found.keys() <= told
        for number in self.true.keys() & found.keys():
            assert found[number][0] == self.true[number][0]
            assert found[number][1] == self.true[number][1] or not same_epoch
        new = found.keys() - self.true.keys()
        # Without the facts nobody knows what had left: it may come back, of a new epoch.
        assert all(number > max(self.true) or number in ACKNOWLEDGED for number in new)
        assert not same_epoch or min(new, default=1000) > max(self.true)
        alarm = Event("manhole/cover", "alarm", "new", 5, True)
        writer.commit([EventEntry(alarm)])
        assert alarm in [record.content for record in writer.read(ALARM, 1000)[0]]
        return writer

    def check_again(self) -> None:
        """The next start finds nothing amiss."""
        writer = Writer(self.path)
        assert (writer.missing, writer.trouble) == ([], None)
        writer.close()


@pytest.fixture
def closed(tmp_path: Path) -> Made:
    """A journal whose log was moved into its file."""
    made = Made(tmp_path / "journal.sqlite")
    writer = Writer(made.path)
    fill(writer, range(60))
    writer.commit([AcknowledgeEntry(tuple(ACKNOWLEDGED))])
    made.true = contents(writer)
    writer.close()
    return made


@pytest.fixture
def cut(tmp_path: Path) -> Made:
    """A journal half of which is in its log."""
    folder = tmp_path / "cut"
    folder.mkdir()
    made = Made(folder / "journal.sqlite")
    for number in range(2):
        writer = Writer(tmp_path / "journal.sqlite")
        fill(writer, range(60 * number, 60 * number + 60))
        if number == 0:
            writer.close()
    made.true = contents(writer)
    for file in tmp_path.glob("journal.sqlite*"):
        shutil.copy2(file, folder)
    mark = os.getxattr(tmp_path / "journal.sqlite.lock", "user.gatepost.last")
    os.setxattr(folder / "journal.sqlite.lock", "user.gatepost.last", mark)
    writer.close()
    return made


def reports(writer: Writer) -> list[tuple[str, int | None]]:
    found = [record.content for record in writer.read(EVENT, 1000)[0]]
    return [(each.code, each.value) for each in found if isinstance(each, Event) and each.name == "journal"]


def test_any_bit_of_the_files_head_may_be_wrong(closed: Made, tmp_path: Path) -> None:
    sound = closed.path.read_bytes()
    mark = os.getxattr(tmp_path / "journal.sqlite.lock", "user.gatepost.last")
    for bit in (*range(0, 800, 13), *range(8 * 18, 8 * 19)):
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        closed.path.write_bytes(sound)
        (tmp_path / "journal.sqlite.lock").write_bytes(b"")
        os.setxattr(tmp_path / "journal.sqlite.lock", "user.gatepost.last", mark)
        closed.flip(bit // 8, bit % 8)
        writer = closed.check()
        assert writer.missing == []
        writer.close()


@pytest.mark.parametrize("kind", ["index", "tables", "anywhere"])
def test_a_bit_that_is_wrong_is_noticed_wherever_it_is(closed: Made, kind: str) -> None:
    sound, random = closed.path.read_bytes(), Random(kind)
    pages = range(len(sound) // PAGE_BYTES)
    if kind == "index":
        pages = [page for page in pages if sound[page * PAGE_BYTES] in (0x02, 0x0A)]
    elif kind == "tables":
        pages = [page for page in pages if b"CREATE TABLE" in sound[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]]
    assert pages
    for _ in range(25):
        closed.path.write_bytes(sound)
        closed.flip(random.choice(pages) * PAGE_BYTES + random.randrange(PAGE_BYTES), random.randrange(8))
        os.setxattr(closed.path.with_name("journal.sqlite.lock"), "user.gatepost.last", b"0 0")
        closed.check().close()
        closed.check_again()


def test_a_key_that_is_no_text_any_more_is_damage_and_no_mistake(closed: Made) -> None:
    data = closed.path.read_bytes()
    at = data.index(b"air/pm2_5") if b"air/pm2_5" in data else -1
    assert at > 0
    key = data.index(b"format", data.index(b"format") + 1)
    closed.flip(key, 7)
    closed.check().close()
    closed.check_again()


@pytest.mark.parametrize("page", [2, 9, 14])
def test_a_page_of_zeros_takes_only_what_it_held(closed: Made, page: int) -> None:
    data = bytearray(closed.path.read_bytes())
    data[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] = bytes(PAGE_BYTES)
    closed.path.write_bytes(data)
    writer = closed.check()
    lost = sum(last - first + 1 for first, last in writer.missing)
    assert lost < 30
    assert ("damaged", lost) in reports(writer)
    assert [value for code, value in reports(writer) if code == "records-missing"] == [
        last - first + 1 for first, last in writer.missing
    ]
    writer.close()
    closed.check_again()


def test_a_file_that_was_cut_gives_what_is_left(closed: Made) -> None:
    data = closed.path.read_bytes()
    closed.path.write_bytes(data[: len(data) * 2 // 3])
    # The facts stand at the end of so small a file. Without them what waits is of a new epoch, which loses nothing.
    writer = closed.check(same_epoch=False)
    assert len(contents(writer)) > 60
    assert writer.missing
    writer.close()
    closed.check_again()


def test_an_emptied_file_gives_what_is_in_its_log(cut: Made) -> None:
    cut.path.write_bytes(b"")
    writer = cut.check(same_epoch=False)
    assert len(contents(writer).keys() & cut.true.keys()) > 100
    writer.close()
    cut.check_again()


def test_an_emptied_file_without_a_log_begins_anew_and_tells_that_all_is_missing(closed: Made) -> None:
    closed.path.write_bytes(b"")
    writer = closed.check()
    assert writer.missing == [(1, 180)]
    writer.close()
    closed.check_again()


@pytest.mark.parametrize("damage", ["lost", "cut", "a bit", "its head"])
def test_a_log_that_does_not_tell_everything_is_noticed_by_the_mark_outside(cut: Made, damage: str) -> None:
    log = bytearray(cut.log.read_bytes())
    if damage == "lost":
        cut.log.unlink()
    elif damage == "cut":
        cut.log.write_bytes(log[: len(log) // 2])
    else:
        log[len(log) // 2 if damage == "a bit" else 20] ^= 1
        cut.log.write_bytes(log)
    writer = cut.check()
    lost = sum(last - first + 1 for first, last in writer.missing)
    assert (lost > 150) == (damage == "lost")
    # A single wrong bit takes a page at most: what comes after it in the log is sound.
    assert damage not in ("a bit", "its head") or lost < 20
    assert ("damaged", lost) in reports(writer)
    writer.close()
    cut.check_again()


def test_what_is_given_after_a_salvage_is_of_another_epoch(closed: Made) -> None:
    closed.flip(len(closed.path.read_bytes()) // 2, 3)
    former = {epoch for _, epoch in closed.true.values()}
    writer = closed.check()
    after = {epoch for number, (_, epoch) in contents(writer).items() if number > max(closed.true)}
    assert len(after) == 1
    assert not after & former
    writer.close()


@pytest.mark.parametrize("moment", range(8))
def test_a_power_cut_at_any_rename_leaves_one_whole_journal(
    cut: Made, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut.flip(len(cut.path.read_bytes()) // 2, 3)
    steps = [0]

    def counted(step: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object) -> object:
            if steps[0] == moment:
                raise KeyboardInterrupt
            steps[0] += 1
            return step(*arguments)

        return run

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(salvage, "sync_folder", counted(salvage.sync_folder))
        patch.setattr(salvage, "_remove", counted(salvage._remove))
        try:
            Writer(cut.path).close()
        except KeyboardInterrupt:
            assert steps[0] == moment
    cut.check().close()
    cut.check_again()
    assert not list(cut.path.parent.glob("*.new*"))


def test_the_last_damaged_file_is_kept_with_its_log(cut: Made) -> None:
    for _ in range(5):
        cut.flip(cut.path.stat().st_size // 2, 3)
        Writer(cut.path).close()
    aside = sorted(file.name for file in cut.path.parent.glob("*.damaged-*"))
    logs = [name for name in aside if name.endswith("-wal")]
    assert [name for name in aside if name not in logs] == ["journal.sqlite.damaged-1"]
    cut.check_again()


@pytest.mark.parametrize("kind", ["text", "another program's", "another format", "nearly a journal"])
def test_what_is_no_journal_of_ours_is_refused_and_left_alone(closed: Made, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "foreign" / "journal.sqlite"
    path.parent.mkdir()
    if kind == "text":
        path.write_bytes(b"some text that is no database, and longer than its header is. " * 40)
    elif kind == "another program's":
        apsw.Connection(str(path)).execute("CREATE TABLE readings (a)")
    elif kind == "nearly a journal":
        apsw.Connection(str(path)).execute(
            "PRAGMA user_version = 2; CREATE TABLE record (a); CREATE TABLE item (a); CREATE TABLE item_copy (a)"
        )
    else:
        writer = Writer(path)
        fill(writer, range(5))
        writer.close()
        other = Writer(path)
        other.commit([_AnotherFormat()])
        other.close()
        later = apsw.Connection(str(path))
        later.execute("PRAGMA user_version = 3")
        later.close()
        path.with_name("journal.sqlite.lock").unlink()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="move it away"):
        Writer(path)
    assert path.read_bytes() == before
    beside = {file.name: file.stat().st_size for file in path.parent.iterdir() if file != path}
    assert beside in ({"journal.sqlite.lock": 0}, {"journal.sqlite.lock": 0, "journal.sqlite-wal": 0})


class _AnotherFormat:
    """As a later version of the agent writes its mark."""

    needs_disk = False
    readings = 0

    def write(self, transaction: object) -> None:
        transaction.items.put(items.MARK, "format", 3)


def test_facts_that_are_lost_in_every_copy_give_their_numbers_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = Writer(path)
    era = EraEntry("boot 1", 0, trusted=False)
    writer.commit([era])
    for value, point in enumerate(("air/a", "air/b", "air/c")):
        writer.commit([PollEntry(((Reading(point, 1000, value, 0),),), era.era.number)])
    writer.close()
    vandal = apsw.Connection(str(path))
    for table in items.TABLES:
        vandal.execute(f"DELETE FROM {table} WHERE kind = ? OR (kind = ? AND key = '3')", (items.ERA, items.CHANNEL))
    vandal.execute("DELETE FROM snapshot; UPDATE item SET crc32 = 0 WHERE key = 'format'")
    vandal.close()
    # The rows are as deleted ones are; what SQLite has not written over yet is no copy that a test can count on.
    data = path.read_bytes()
    path.write_bytes(data.replace(b"air/c", b"air/x"))
    writer = Writer(path)
    assert writer.missing == [(3, 3)]
    assert writer.contents.last_sample_ms().keys() <= {"air/a", "air/b"}
    later = EraEntry("boot 2", 5, trusted=True)
    writer.commit([later, PollEntry(((Reading("air/d", 1000, 7, 0),),), 0)])
    assert later.era.number != era.era.number
    records, _ = writer.read(TELEMETRY, 10)
    assert [(each.point, each.value) for record in records for each in record.content] == [
        ("air/a", 0),
        ("air/b", 1),
        ("air/d", 7),
    ]
    assert [record.trusted for record in records] == [False, False, True]
    writer.close()


def test_a_disk_that_is_full_while_it_is_salvaged_makes_it_wait_in_memory(closed: Made) -> None:
    closed.flip(closed.path.stat().st_size // 2, 3)
    disk = FailingDisk()
    disk.full = True
    writer = Writer(closed.path, vfs=disk.vfs_name)
    assert "the disk is full" in str(writer.trouble)
    fill(writer, range(100, 110))
    new = contents(writer)
    with pytest.raises(JournalError):
        writer.return_to_disk()
    disk.full = False
    assert writer.return_to_disk()
    found = contents(writer)
    told = {number for first, last in writer.missing for number in range(first, last + 1)}
    assert closed.true.keys() - found.keys() <= told
    assert new.items() <= found.items()
    writer.close()
    closed.check_again()


def test_a_second_agent_finds_the_lock_while_the_first_salvages(closed: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    closed.flip(closed.path.stat().st_size // 2, 3)
    put_in_place, refused = salvage._put_in_place, []

    def try_second(path: Path) -> None:
        with pytest.raises(JournalError, match="another gateway agent") as caught:
            Writer(path)
        refused.append(caught)
        put_in_place(path)

    monkeypatch.setattr(salvage, "_put_in_place", try_second)
    closed.check().close()
    assert len(refused) == 1


def test_what_was_thinned_does_not_come_back_beside_its_windows(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = Writer(path)
    fill(writer, range(50))
    writer.commit([ThinEntry(TELEMETRY, None, 0)])
    made = Made(path, contents(writer))
    writer.close()
    made.flip(path.stat().st_size // 2, 3)
    writer = made.check()
    assert writer.read(TELEMETRY, 1000) == ([], [])
    writer.close()


def test_a_salvage_finds_no_question_again_that_was_answered(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "journal.sqlite")
    fill(writer, range(5))
    assert writer.contents.unasked_from == 1
    writer.commit([AskedEntry()])
    fill(writer, range(5, 10))
    epoch, last = writer.contents.epoch, writer.contents.last_sequence
    image = tmp_path / "image"
    image.mkdir()
    for file in tmp_path.glob("journal.sqlite*"):
        shutil.copy(file, image)
    writer.close()
    # As if more had been committed: that is noticed, and the former versions of all facts are in the log.
    os.setxattr(image / "journal.sqlite.lock", "user.gatepost.last", f"{epoch} {last + 3}".encode())
    writer = Writer(image / "journal.sqlite")
    assert writer.missing == [(last + 1, last + 3)]
    assert writer.unasked_from > last + 3
    writer.close()
