"""What a power cut leaves of a disk: what was synced, and of the rest what the mode says."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import apsw

from tests.faults._power import (
    ALL,
    CREATE,
    DELETE,
    DROP,
    MODES,
    RENAME,
    SET_ATTRIBUTE,
    SUBSET,
    SYNC,
    SYNC_FOLDER,
    TORN,
    TRUNCATE,
    WRITE,
    Disk,
    Image,
    Operation,
    images,
    lay,
    recording,
    take,
)

MADE = (Operation(CREATE, "a"), Operation(SYNC_FOLDER), Operation(WRITE, "a", 0, b"one"), Operation(SYNC, "a"))


def after(operations: Sequence[Operation], mode: str, seed: int = 1, in_flight: Operation | None = None) -> Image:
    disk = Disk({})
    for operation in operations:
        disk.do(operation)
    return disk.image(mode, Random(seed), in_flight)


def test_what_was_synced_is_there_in_every_mode() -> None:
    assert [after(MADE, mode) for mode in MODES] == [{"a": b"one"}] * 4


def test_of_what_was_not_synced_there_is_nothing_all_or_a_part() -> None:
    log = (*MADE, Operation(WRITE, "a", 3, b"two"), Operation(WRITE, "a", 1, b"X"), Operation(TRUNCATE, "a", 5))
    assert after(log, DROP) == {"a": b"one"}
    assert after(log, ALL) == {"a": b"oXetw"}
    found = {after(log, SUBSET, seed)["a"] for seed in range(100)}
    assert found == {b"one", b"onetwo", b"oXe", b"oXetwo", b"one\0\0", b"onetw", b"oXe\0\0", b"oXetw"}


def test_a_write_in_flight_is_cut_where_a_sector_ends() -> None:
    write = Operation(WRITE, "a", 500, bytes([7]) * 1100)
    found = {len(after(MADE, TORN, seed, write)["a"]) for seed in range(50)}
    assert found == {3, 512, 1024, 1536}


def test_a_name_that_was_not_synced_may_be_gone_with_its_file_or_be_the_former_one() -> None:
    made = (Operation(CREATE, "b"), Operation(WRITE, "b", 0, b"new"), Operation(SYNC, "b"))
    assert (after((*MADE, *made), DROP), after((*MADE, *made), ALL)) == ({"a": b"one"}, {"a": b"one", "b": b"new"})
    renamed = (*MADE, *made, Operation(RENAME, "b", other="a"))
    found = [after(renamed, SUBSET, seed) for seed in range(50)]
    assert {"a": b"one"} in found
    assert {"a": b"one", "b": b"new"} in found
    assert {"a": b"new"} in found
    assert after((*MADE, Operation(DELETE, "a"), Operation(SYNC_FOLDER)), DROP) == {}


def test_an_attribute_may_have_any_value_that_it_had() -> None:
    log = [*MADE, *(Operation(SET_ATTRIBUTE, "a:user.mark", data=value) for value in (b"1", b"2"))]
    found = {after(log, SUBSET, seed).get("a:user.mark") for seed in range(50)}
    assert found == {None, b"1", b"2"}
    assert (after(log, DROP).get("a:user.mark"), after(log, ALL)["a:user.mark"]) == (None, b"2")


def test_what_sqlite_did_is_recorded_and_done_again_byte_by_byte(tmp_path: Path) -> None:
    with recording(tmp_path) as disk:
        connection = apsw.Connection(str(tmp_path / "db"), vfs=disk.vfs_name)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE t (number INTEGER PRIMARY KEY, content BLOB)")
        positions = []
        for number in range(20):
            connection.execute("INSERT INTO t VALUES (?, ?)", (number, bytes(300)))
            positions.append(len(disk.log))
        now = take(tmp_path)
        log = list(disk.log)
        connection.close()
    assert list(images(log, {}, [len(log)], [ALL])) == [(len(log), ALL, now)]
    for number, (_, _, image) in enumerate(images(log, {}, positions, [DROP])):
        lay(tmp_path, image)
        connection = apsw.Connection(str(tmp_path / "db"))
        assert connection.execute("SELECT count(*) FROM t").get == number + 1
        connection.close()


def test_a_disk_that_syncs_nothing_has_nothing_after_a_cut(tmp_path: Path) -> None:
    with recording(tmp_path, keeps_syncs=False) as disk:
        connection = apsw.Connection(str(tmp_path / "db"), vfs=disk.vfs_name)
        connection.execute("CREATE TABLE t (number INTEGER)")
        connection.close()
    assert list(images(disk.log, {}, [len(disk.log)], [DROP])) == [(len(disk.log), DROP, {})]
