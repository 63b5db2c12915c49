"""The journal's two stores: the one on the disk, and one in memory for while the disk cannot be used.

Records in memory go on with the sequences that the disk would have given, and move to the disk when that works again;
records on the disk wait meanwhile. A commit that failed on the disk may have succeeded all the same: its entries are
written into memory, and what it left on the disk is taken out when the two are joined. So nothing is written twice.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import apsw

from gateway_agent.journal.codec import Record
from gateway_agent.journal.contents import Contents, Waiting
from gateway_agent.journal.disk import Disk
from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.memory import Joining, memory_store
from gateway_agent.journal.schema import describe
from gateway_agent.journal.store import Entry, Store

log = logging.getLogger("gatepost.journal")

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Writer:
    """Owns both stores. Not for two threads at once. JournalUnavailable says that the disk cannot be used; the method
    may be called again, and after `start_in_memory` all works but what needs the disk.

    `trouble` is a sentence while all is in memory, else None. `missing` are the ranges of sequences (first, last) that
    were found missing when the file was opened, and `unasked_from` is the first sequence that was given
    since the platform was last asked. `vfs`
    and `now_ms` are as in `Disk`.
    """

    def __init__(
        self,
        path: Path,
        keep_acknowledged: bool = False,
        *,
        vfs: str | None = None,
        now_ms: Callable[[], int] = lambda: 0,
    ) -> None:
        """Open the journal; in memory, when the disk fails. Raises JournalError for what somebody must set right."""
        self.missing: list[tuple[int, int]] = []
        self.trouble: str | None = None
        self._disk = Disk(path, keep_acknowledged, vfs, now_ms)
        self._keep_acknowledged = keep_acknowledged
        self._store: Store | None = None
        self._joining: Joining | None = None
        self._last_known = Contents()
        self._doubtful: int | None = None
        try:
            self._store = self._disk.open(may_create=True)
            self.missing += self._disk.take_missing()
        except JournalUnavailable as error:
            self.start_in_memory(str(error))
        except BaseException:
            self._disk.close()
            raise
        self.unasked_from = self.contents.unasked_from

    @property
    def in_memory(self) -> bool:
        """Whether the disk is not used just now."""
        return self._joining is not None

    @property
    def contents(self) -> Contents:
        """What the store in use holds."""
        store = self._store
        return self._last_known if store is None else store.contents

    @property
    def waiting(self) -> Waiting:
        """What the platform has not acknowledged, on the disk and in memory."""
        joining = self._joining
        if joining is None:
            return self.contents.waiting
        both = Waiting()
        both.take(joining.on_disk)
        both.take(self.contents.waiting)
        return both

    @property
    def committed_readings(self) -> int:
        """Readings committed since the file was made, those in memory included."""
        joining = self._joining
        return self.contents.committed_readings + (0 if joining is None else joining.held_readings)

    @property
    def used_bytes(self) -> int:
        """Bytes of the store in use that hold something."""
        return self._ask(lambda store: store.used_bytes)

    def persist(self, method: Callable[[*Arguments], Result], *arguments: *Arguments) -> Result:
        """What a method of this writer returns; in memory, when the disk fails now.

        All in one call, for whatever else is called in between would find no store.
        """
        try:
            return method(*arguments)
        except JournalUnavailable as error:
            if self.in_memory:
                raise
            self.start_in_memory(str(error))
            return method(*arguments)

    def commit_on_disk(self, entries: Sequence[Entry]) -> None:
        """As `commit`, and in memory from now on when the disk fails; the entries are not written then."""
        try:
            self.commit(entries)
        except JournalUnavailable as error:
            if not self.in_memory:
                self.start_in_memory(str(error))
            raise

    def thin(self, entry: Entry) -> None:
        """As `commit`. When the disk fails now it may have been thinned or not, and stays as it is: the entry is not
        written again, so nothing may be taken back."""
        was_in_memory = self.in_memory
        try:
            self.commit([entry])
        except JournalUnavailable:
            if not was_in_memory:
                self._doubtful = None
            raise

    def commit(self, entries: Sequence[Entry]) -> None:
        """Write all entries in one transaction; on the disk it is durable when this returns.

        Any other error than JournalUnavailable comes from an entry that cannot be written; nothing is committed then.
        """
        if self._joining is not None:
            if any(entry.needs_disk for entry in entries):
                raise JournalUnavailable(f"{self._disk.path}: this must be on the disk, which cannot be written")
            self._joining.late += self._in_use().commit(entries)
            return
        store = self._in_use()
        try:
            store.commit(entries)
        except apsw.Error as error:
            raise self._given_up("written", error) from error
        self._disk.note(store.contents)

    def read(
        self, record_class: int, limit: int, after: int = 0, up_to: int | None = None
    ) -> tuple[list[Record], list[int]]:
        """As `Store.read`, from the store in use."""
        return self._ask(lambda store: store.read(record_class, limit, after, up_to))

    def last_before(self, time_ms: int) -> tuple[int, int]:
        """As `Store.last_before`."""
        return self._ask(lambda store: store.last_before(time_ms))

    def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """What `function` reads from the disk. Raises JournalUnavailable while that cannot be used."""
        if self._joining is not None:
            raise JournalUnavailable(f"{self._disk.path}: the journal cannot be read just now")
        return self._ask(lambda store: function(store.connection))

    def start_in_memory(self, trouble: str) -> None:
        """Go on in memory because of some trouble; `return_to_disk` ends it."""
        if self._joining is None:
            log.error("%s. What is collected stays in memory; the disk is tried again until it works.", trouble)
            self.trouble = trouble
            self._give_up_store()
            self._store, self._joining = memory_store(self._last_known, self._doubtful, self._keep_acknowledged)

    def return_to_disk(self) -> bool:
        """Open the disk again and move there what is in memory; whether anything was in memory.

        Raises JournalError: all is as before then.
        """
        joining, memory = self._joining, self._in_use()
        if joining is None:
            return False
        try:
            self._return_to_disk(joining, memory)
        except JournalError as error:
            self.trouble = str(error)
            raise
        self.trouble = None
        return True

    def close(self) -> None:
        """Close the file and give up its lock; what was committed on the disk stays."""
        store, self._store = self._store, None
        try:
            if store is not None:
                self._last_known = store.contents
                store.close(tidy=True)
        except apsw.Error as error:
            log.warning(
                "%s: closing the journal: %s; what was committed is in its log", self._disk.path, describe(error)
            )
        finally:
            self._disk.close()

    def _return_to_disk(self, joining: Joining, memory: Store) -> None:
        store = self._disk.open(may_create=joining.knows_nothing, known=joining.disk_mark)
        try:
            joining.join(store, memory, self._disk.rebuilt_from)
        except apsw.Error as error:
            _close_badly(store)
            raise JournalUnavailable(f"{self._disk.path}: the journal cannot be written: {describe(error)}") from error
        except BaseException:
            _close_badly(store)
            raise
        memory.close(tidy=True)
        self.missing += self._disk.take_missing()
        if joining.knows_nothing:
            self.unasked_from = store.contents.unasked_from
        self._store, self._joining, self._doubtful = store, None, None
        self._disk.note(store.contents)

    def _ask(self, question: Callable[[Store], Result]) -> Result:
        try:
            return question(self._in_use())
        except apsw.Error as error:
            raise self._given_up("read", error) from error

    def _in_use(self) -> Store:
        if self._store is None:
            raise JournalUnavailable(f"{self._disk.path}: the journal is not open")
        return self._store

    def _given_up(self, what: str, error: apsw.Error) -> JournalUnavailable:
        """The store is of no use any more: let it go, and give the error to raise."""
        self._give_up_store()
        return JournalUnavailable(f"{self._disk.path}: the journal cannot be {what}: {describe(error)}")

    def _give_up_store(self) -> None:
        store = self._store
        if store is not None:
            # In this order: the event loop looks at the contents at any time.
            self._last_known, self._doubtful = store.contents, store.doubtful
            self._store = None
            _close_badly(store)


def _close_badly(store: Store) -> None:
    """Close a store whose disk has just failed, without asking it for more."""
    try:
        store.close(tidy=False)
    except apsw.Error as error:
        log.debug("closing the journal after an error: %s", error)
