"""The state of OSCORE contexts in the journal: which sender numbers may have been used, which received ones were seen.

A sender sequence number must never be used twice under one key (RFC 8613, 7.2.1), and a request never accepted twice
(7.4). So numbers are reserved here before they are used (B.1.1), and the replay window is here only between a clean
close and the next use (B.1.2). The state goes through the journal's own durable commits.

An entry reports in itself what it did: `outcome` raises SecurityStateLost where the state must not be continued. One
whose commit failed is withdrawn: the journal may try that commit again, and then nothing is written by it.
"""

import struct
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace

import apsw
import cbor2

from gateway_agent.journal.errors import SecurityStateLost
from gateway_agent.journal.items import EPOCH
from gateway_agent.journal.transaction import Transaction

NUMBERS = (1 << 40) - 1
"""Sender sequence numbers of one key: 0 to 2^40 - 2, what RFC 8613 (7.2.1) allows less the last, as aiocoap counts."""

_WINDOW = struct.Struct(">QQ")
_SEED = zlib.crc32(b"security")


@dataclass(frozen=True, slots=True)
class Window:
    """A replay window: bit n of `bitfield` tells that number `index` + n was received; all below `index` is too old."""

    index: int = 0
    bitfield: int = 0


@dataclass(frozen=True, slots=True)
class SecurityState:
    """One row of the table. `window` is None while the context is in use, and after an unclean end."""

    context_id: str
    epoch: int
    generation: int
    reserved: int
    window: Window | None


def find_context(connection: apsw.Connection, context_id: str) -> SecurityState:
    """The state of a context that has been begun. Raises SecurityStateLost: missing, damaged, of a salvaged file."""
    try:
        row = connection.execute(
            "SELECT epoch, generation, reserved, replay_window, crc32 FROM security WHERE id = ?", (context_id,)
        ).fetchone()
    except UnicodeDecodeError:
        raise _lost(context_id, "is damaged") from None
    if row is None:
        raise _lost(context_id, "is missing")
    epoch, generation, reserved, window, crc32 = row
    if crc32 != _checksum(context_id, epoch, generation, reserved, window):
        raise _lost(context_id, "is damaged")
    if epoch != _file_epoch(connection):
        raise _lost(context_id, "is of another epoch of the file, which was salvaged or lost its end")
    seen = None if window is None else Window(*_WINDOW.unpack(window))
    return SecurityState(context_id, epoch, generation, reserved, seen)


@dataclass
class SecurityEntry(ABC):
    """What all changes of a context have in common."""

    context_id: str
    readings = 0
    needs_disk = True
    withdrawn: bool = field(default=False, init=False)
    _state: SecurityState | None = field(default=None, init=False)
    _problem: SecurityStateLost | None = field(default=None, init=False)

    @property
    def outcome(self) -> SecurityState:
        """What is in the file after the commit. Raises SecurityStateLost when nothing was written by this entry."""
        if self._state is None:
            raise self._problem or _lost(self.context_id, "could not be written")
        return self._state

    def write(self, transaction: Transaction) -> None:
        """Write the change, or note why that must not be."""
        self._state = self._problem = None
        if self.withdrawn:
            return
        try:
            state = self._changed(transaction.connection)
        except SecurityStateLost as problem:
            self._problem = problem
            return
        _store(transaction.connection, state)
        self._state = state

    @abstractmethod
    def _changed(self, connection: apsw.Connection) -> SecurityState:
        """The row as it becomes. Raises SecurityStateLost."""


@dataclass
class BeginEntry(SecurityEntry):
    """A context whose keys have just been agreed: no number was used, none was seen. An id is begun once."""

    def _changed(self, connection: apsw.Connection) -> SecurityState:
        if connection.execute("SELECT count(*) FROM security WHERE id = ?", (self.context_id,)).get:
            raise _lost(self.context_id, "was begun before")
        return SecurityState(self.context_id, _file_epoch(connection), 0, 0, Window())


@dataclass
class OpenEntry(SecurityEntry):
    """The first use since the start: in use from now on, with the first `count` numbers reserved.

    Afterwards `first` is the first of them, and `window` what was seen before, None when nobody knows.
    """

    count: int
    first: int = field(default=0, init=False)
    window: Window | None = field(default=None, init=False)

    def _changed(self, connection: apsw.Connection) -> SecurityState:
        state = find_context(connection, self.context_id)
        self.first, self.window = state.reserved, state.window
        reserved = min(state.reserved + self.count, NUMBERS)
        return replace(state, generation=state.generation + 1, reserved=reserved, window=None)


@dataclass
class ReserveEntry(SecurityEntry):
    """`count` more numbers for who opened it as `generation` and knows that those below `known` are reserved."""

    generation: int
    known: int
    count: int

    def _changed(self, connection: apsw.Connection) -> SecurityState:
        state = _find_own(connection, self.context_id, self.generation, self.known)
        return replace(state, reserved=min(state.reserved + self.count, NUMBERS))


@dataclass
class CloseEntry(SecurityEntry):
    """A clean end of the use as `generation`: numbers from `next_number` on were not used; `window` is exact."""

    generation: int
    next_number: int
    window: Window | None

    def _changed(self, connection: apsw.Connection) -> SecurityState:
        state = _find_own(connection, self.context_id, self.generation, self.next_number)
        return replace(state, reserved=self.next_number, window=self.window)


def _find_own(connection: apsw.Connection, context_id: str, generation: int, at_least: int) -> SecurityState:
    state = find_context(connection, context_id)
    if state.generation != generation:
        raise _lost(context_id, "was opened by somebody else since")
    if state.reserved < at_least:
        raise _lost(context_id, "is older than what was written last")
    return state


def _store(connection: apsw.Connection, state: SecurityState) -> None:
    window = None if state.window is None else _WINDOW.pack(state.window.index, state.window.bitfield)
    columns = (state.context_id, state.epoch, state.generation, state.reserved, window)
    connection.execute("INSERT OR REPLACE INTO security VALUES (?, ?, ?, ?, ?, ?)", (*columns, _checksum(*columns)))


def _file_epoch(connection: apsw.Connection) -> int:
    """The epoch of the next record: a new one begins whenever the file was salvaged or its end was lost."""
    find = "SELECT body FROM item WHERE kind = ? ORDER BY CAST(key AS INTEGER) DESC LIMIT 1"
    return int(cbor2.loads(connection.execute(find, (EPOCH,)).get))


def _checksum(*columns: object) -> int:
    return zlib.crc32(cbor2.dumps(columns), _SEED)


def _lost(context_id: str, what: str) -> SecurityStateLost:
    return SecurityStateLost(f"{context_id}: the OSCORE state of these keys {what}; new keys must be agreed")
