"""Opening the journal's file: lock, checks, and the way out when it is damaged."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path

import apsw

from gateway_agent.journal import items as kinds
from gateway_agent.journal.contents import FORMAT_MARK, Contents, Damaged, Foreign, begin, load
from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.file_lock import lock_path, take_lock
from gateway_agent.journal.outer_mark import read_mark, write_mark
from gateway_agent.journal.salvage import Found, find_rows, finish_rebuild, rebuild
from gateway_agent.journal.schema import (
    FORMAT,
    PAGE_BYTES,
    describe,
    is_new,
    make_durable,
    make_tables,
    open_file,
    sync_folder,
)
from gateway_agent.journal.store import Store

log = logging.getLogger("gatepost.journal")

_DISK_FAILS = (apsw.FullError, apsw.ReadOnlyError, apsw.IOError)
_ERRNO_OF_DISK = (errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ENODEV, errno.ENXIO)


class Disk:
    """The place of the journal. `vfs` is as in `open_file`, `now_ms` gives unix milliseconds for reports.

    `rebuilt_from` is the first sequence that a salvage has given, None without one. It and what was found missing stand
    until `take_missing`, for what must be done after a salvage may fail and be tried again.
    """

    def __init__(self, path: Path, keep_acknowledged: bool, vfs: str | None, now_ms: Callable[[], int]) -> None:
        self.path = path
        self.rebuilt_from: int | None = None
        self._keep_acknowledged = keep_acknowledged
        self._vfs = vfs
        self._now_ms = now_ms
        self._lock: int | None = None
        self._missing: list[tuple[int, int]] = []

    def open(self, *, may_create: bool, known: tuple[int, int] | None = None) -> Store:
        """Open the journal, salvage it where it is damaged, make one where there is none and `may_create`.

        `known` is the (epoch, sequence) of a commit that is known to have succeeded.

        Raises JournalUnavailable when the disk fails or has vanished, JournalError for what somebody must set right.
        """
        self._let_go_of_another_disk()
        if self._lock is None:
            self._lock = _take_lock(self.path)
        try:
            return self._open(self._lock, may_create, known)
        except apsw.Error as error:
            passes = isinstance(error, _DISK_FAILS) or not may_create
            kind = JournalUnavailable if passes else JournalError
            raise kind(f"{self.path}: the journal cannot be opened: {describe(error)}") from error
        except OSError as error:
            raise _os_error(self.path, error) from error

    def take_missing(self) -> list[tuple[int, int]]:
        """The ranges of sequences that a salvage has found missing; it is over and done with then."""
        missing, self._missing, self.rebuilt_from = self._missing, [], None
        return missing

    def note(self, contents: Contents) -> None:
        """Remember outside the file how far it has come."""
        if self._lock is not None:
            try:
                write_mark(self._lock, contents.epochs[0][1], contents.last_sequence)
            except OSError as error:
                log.debug("%s: the mark of the last record cannot be set: %s", self.path, error)

    def close(self) -> None:
        """Give up the lock."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _let_go_of_another_disk(self) -> None:
        """A card that was taken out and put in again is another file system, and our lock is on the former one."""
        if self._lock is None:
            return
        try:
            is_ours = os.path.samestat(os.fstat(self._lock), os.stat(lock_path(self.path)))
        except OSError as error:
            log.debug("%s: the lock file cannot be looked at: %s", self.path, error)
            return
        if not is_ours:
            self.close()

    def _open(self, lock: int, may_create: bool, known: tuple[int, int] | None) -> Store:
        finish_rebuild(self.path, self._vfs)
        mark = read_mark(lock)
        if known is not None and (mark is None or (mark[0] == known[0] and mark[1] < known[1])):
            mark = known
        is_there = self.path.exists()
        if not is_there and mark is not None and not may_create:
            raise apsw.CantOpenError("the file is not there")
        if is_there and self.path.stat().st_size == 0:
            # SQLite would throw away the log of an empty file.
            found = find_rows(self.path)
            if found:
                self._salvage(found, mark, Damaged("it is empty, and its log is not"))
                mark = None
        try:
            return self._checked(is_there or may_create, mark)
        except (Damaged, Foreign, apsw.CorruptError, apsw.NotADBError, apsw.SQLError) as error:
            found = find_rows(self.path)
            is_other = found.items.get(kinds.MARK, FORMAT_MARK) not in (None, FORMAT)
            if is_other or (not found and (mark is None or isinstance(error, Foreign))):
                raise JournalError(
                    f"{self.path}: this is not a journal that can be read ({error}); move it away and a new one is made"
                ) from error
            self._salvage(found, mark, error)
        try:
            return self._checked(False, None)
        except (Damaged, Foreign) as error:
            raise JournalUnavailable(f"{self.path}: the disk does not keep what is written to it ({error})") from error

    def _checked(self, may_create: bool, mark: tuple[int, int] | None) -> Store:
        """A store on the file as it is. Raises Damaged, Foreign or apsw.Error; the file is left as it was then."""
        connection = open_file(self.path, may_create=may_create, vfs=self._vfs)
        try:
            if is_new(connection):
                if mark is not None:
                    raise Damaged("it is empty")
                _make(connection, self.path)
            contents = load(connection)
            if connection.readonly("main") and os.access(self.path, os.W_OK):
                raise Damaged("its head says that it must not be written")
            if mark is not None and mark[0] == contents.epochs[0][1] and mark[1] > contents.last_sequence:
                raise Damaged(f"it ends with record {contents.last_sequence}, and {mark[1]} was committed")
            make_durable(connection, self.path)
        except BaseException:
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
            connection.close(True)
            raise
        return Store(connection, contents, self._keep_acknowledged)

    def _salvage(self, found: Found, mark: tuple[int, int] | None, reason: Exception) -> None:
        log.error("%s: the journal is damaged (%s); what is sound is saved", self.path, reason)
        missing, rebuilt_from = rebuild(self.path, found, mark, self._now_ms(), self._vfs)
        self._missing += missing
        self.rebuilt_from = min(rebuilt_from, self.rebuilt_from or rebuilt_from)
        count = sum(last - first + 1 for first, last in missing)
        log.error("%s: %d records are saved, %d are missing", self.path, len(found.records), count)


def _make(connection: apsw.Connection, path: Path) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    make_durable(connection, path)
    connection.execute("BEGIN IMMEDIATE")
    make_tables(connection)
    begin(connection)
    connection.execute("COMMIT")
    sync_folder(path)


def _take_lock(path: Path) -> int:
    try:
        return take_lock(path)
    except BlockingIOError as error:
        raise JournalError(f"{path}: another gateway agent is using this journal; stop it first") from error
    except FileNotFoundError as error:
        raise JournalError(
            f"{path}: the journal's folder {path.parent} does not exist; make it: mkdir -p {path.parent}"
        ) from error
    except OSError as error:
        raise _os_error(path, error) from error


def _os_error(path: Path, error: OSError) -> JournalError:
    if error.errno in _ERRNO_OF_DISK:
        return JournalUnavailable(f"{path}: the journal cannot be opened: {error.strerror}; look at the card")
    return JournalError(f"{path}: the journal cannot be opened: {error.strerror}; see that its folder may be written")
