"""Rows out of raw pages against SQLite itself: every row that it gives is given, from the file and from its log."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import apsw
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway_agent.journal.pages import Value, rows_in

PAGE_BYTES = 512
integers = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-300, 300) | st.sampled_from((0, 1))
columns = st.tuples(
    st.none() | integers, st.text(max_size=30), st.binary(max_size=40) | st.binary(min_size=400, max_size=3000)
)
Columns = tuple[Value, ...]


class Files:
    """An SQLite database in WAL mode, and the bytes of its file and log."""

    def __init__(self, folder: str) -> None:
        self.path = Path(folder) / "some.sqlite"
        self.connection = apsw.Connection(str(self.path))
        self.connection.execute(f"PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA wal_autocheckpoint = 0")
        self.connection.execute("CREATE TABLE some (number INTEGER PRIMARY KEY, a, b, c)")

    def insert(self, rows: Sequence[Columns]) -> None:
        with self.connection:
            self.connection.executemany("INSERT INTO some (a, b, c) VALUES (?, ?, ?)", rows)

    def checkpoint(self) -> None:
        self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def told(self) -> dict[int, Columns]:
        """What SQLite says."""
        return {number: tuple(rest) for number, *rest in self.connection.execute("SELECT * FROM some")}

    def found(self) -> dict[int, Columns]:
        """The newest of each number among the rows of four columns that the pages hold."""
        log = self.path.with_name("some.sqlite-wal")
        found: dict[int, tuple[int, Columns]] = {}
        for row in rows_in(self.path.read_bytes(), log.read_bytes() if log.exists() else b"", PAGE_BYTES):
            if len(row.columns) == 3 and row.age >= found.get(row.number, (0, ()))[0]:
                found[row.number] = row.age, row.columns
        return {number: held for number, (_, held) in found.items()}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(columns, max_size=30),
    st.lists(columns, max_size=30),
    st.sets(st.integers(1, 60)),
    st.sets(st.integers(1, 60)),
)
def test_every_row_that_sqlite_gives_is_given(
    first: list[Columns], second: list[Columns], deleted: set[int], changed: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        files.insert(first)
        files.checkpoint()
        files.insert(second)
        for number in sorted(deleted):
            files.connection.execute("DELETE FROM some WHERE number = ?", (number,))
        for number in sorted(changed):
            files.connection.execute("UPDATE some SET a = 7, c = x'0102' WHERE number = ?", (number,))
        for _ in range(2):
            told, found = files.told(), files.found()
            assert {number: found[number] for number in told} == told
            # What more there is was deleted and still lies about.
            assert found.keys() - told.keys() <= deleted
            files.checkpoint()
        files.connection.close()


def test_of_a_log_only_what_was_committed_counts() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        files.insert([(1, "one", b"1")])
        files.checkpoint()
        files.insert([(2, "two", b"2")])
        log = files.path.with_name("some.sqlite-wal")
        whole = log.read_bytes()
        files.connection.execute("PRAGMA cache_size = 2")
        with files.connection:
            files.connection.executemany(
                "INSERT INTO some (a, b, c) VALUES (?, ?, ?)", [(number, "open", bytes(400)) for number in range(50)]
            )
            assert len(log.read_bytes()) > len(whole)
            assert files.found().keys() == {1, 2}
        assert len(files.found()) == 52
        files.connection.close()


def test_a_leaf_that_says_it_is_something_else_still_gives_its_rows() -> None:
    with tempfile.TemporaryDirectory() as folder:
        files = Files(folder)
        files.insert([(number, "row", b"") for number in range(20)])
        files.checkpoint()
        told = files.told()
        files.connection.close()
        data = bytearray(files.path.read_bytes())
        leaves = [page for page in range(1, len(data) // PAGE_BYTES) if data[page * PAGE_BYTES] == 0x0D]
        for wrong in (0x05, 0x0C, 0x0F, 0x8D, 0x00):
            for page in leaves:
                data[page * PAGE_BYTES] = wrong
            files.path.write_bytes(data)
            assert files.found() == told


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3 * PAGE_BYTES), st.binary(max_size=2 * PAGE_BYTES))
def test_any_bytes_give_rows_or_none(database: bytes, log: bytes) -> None:
    leaf = b"\x0d\x00\x00\x00\x09" + database[: PAGE_BYTES - 5].ljust(PAGE_BYTES - 5, b"\x30")
    for row in rows_in(bytes(PAGE_BYTES) + leaf + database, log, PAGE_BYTES):
        assert isinstance(row.number, int)
