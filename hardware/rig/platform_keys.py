"""The platform's keys: who is enrolled, which OSCORE contexts each gateway may use, and the answering side of EDHOC.

Two SQLite files: who and which keys, and beside it the numbers of the contexts. A gateway has the context of its record
or of its last agreement, and a new one beside it until it has spoken under that; then the former is gone. Who is
revoked, or replaced by another record, has none.
"""

import hashlib
import logging
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import apsw

from gateway_agent.clock import Clock
from gateway_agent.errors import GatepostError
from gateway_agent.journal.contents import Damaged, Foreign, begin, load
from gateway_agent.journal.errors import JournalUnavailable, SecurityStateLost
from gateway_agent.journal.file_lock import take_lock
from gateway_agent.journal.schema import make_tables
from gateway_agent.journal.store import Entry, Store
from gateway_agent.uplink.edhoc import EdhocFailed, PublicKey, Responder
from gateway_agent.uplink.identity import EnrolRecord, PlatformIdentity
from gateway_agent.uplink.oscore_context import JournalSecurityContext, OscoreKeys
from hardware.rig.platform_server import Known

log = logging.getLogger("gatepost.platform")

KID_BYTES = 2
PENDING_MOST = 64
PENDING_S = 120
"""How many agreements may be under way, and for how long one waits for its message 3."""
CURRENT, FRESH = 0, 1

_TABLES = """
CREATE TABLE gateways (name TEXT PRIMARY KEY, kid BLOB UNIQUE, x BLOB, y BLOB, revoked INTEGER, record BLOB);
CREATE TABLE contexts (
    kid BLOB PRIMARY KEY, gateway TEXT, id TEXT, secret BLOB, salt BLOB, own_id BLOB, state INTEGER, message_3 BLOB
);
"""
Result = TypeVar("Result")


class KeysError(GatepostError):
    """The platform's files of keys cannot be used; the text says which, why, and what to do."""


class SecurityFile:
    """A store for OSCORE contexts in a file, with the journal's own tables; `:memory:` for one that is not kept."""

    def __init__(self, path: Path | str) -> None:
        connection = apsw.Connection(str(path))
        if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
            make_tables(connection)
            begin(connection)
        connection.execute("PRAGMA synchronous = FULL")
        self.connection = connection
        self._store = Store(connection, load(connection), keep_acknowledged=False)

    async def commit(self, *entries: Entry) -> None:
        """Apply the entries in one durable commit. Raises JournalUnavailable; another one may be tried later."""
        try:
            self._store.commit(entries)
        except apsw.Error as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise JournalUnavailable(f"{self.connection.filename}: {error}") from error

    async def look(self, function: Callable[[apsw.Connection], Result]) -> Result:
        """Run `function` on the connection. Raises apsw.Error."""
        return function(self.connection)


@dataclass(slots=True)
class _Pending:
    responder: Responder
    since_ms: int


@dataclass(slots=True)
class _Open:
    known: Known
    state: int
    message_3: bytes | None
    context_id: str


@dataclass
class KeyCounters:
    """Since the start: EDHOC agreements that were begun, completed, and refused."""

    begun: int = 0
    completed: int = 0
    refused: int = 0
    revoked_kids: list[str] = field(default_factory=list)


class PlatformKeys:
    """The keys of all gateways; a `Keys` for the PlatformServer."""

    takes_edhoc = True

    def __init__(self, path: Path | str, identity: PlatformIdentity, clock: Clock) -> None:
        """Keys at `path`, made where there is none; one process at a time has them. Raises KeysError."""
        self.counters = KeyCounters()
        self._lock, self._connection, self._store = _open(path)
        self._identity = identity
        self._clock = clock
        self._open: dict[bytes, _Open] = {}
        self._pending: dict[bytes, _Pending] = {}
        if path != ":memory:":
            os.chmod(path, 0o600)

    @property
    def gateways(self) -> list[str]:
        """Names of those who are enrolled and not revoked."""
        rows = self._connection.execute("SELECT name FROM gateways WHERE NOT revoked ORDER BY name")
        return [str(name) for (name,) in rows]

    async def enrol(self, record: EnrolRecord, *, is_first: bool = True) -> bool:
        """Take a gateway's record; whether it is a new one. Its provisioned context is valid from now on, once.

        Not `is_first`: the record may have been here before the file was lost, so its numbers may have been used; it
        is taken without its context. The gateway that it replaces is revoked. A record that was taken before changes
        nothing.
        """
        key, context = record.key.key, record.context
        digest = hashlib.sha256(key.kid + context.platform_keys.master_secret).digest()
        execute = self._connection.execute
        if execute("SELECT 1 FROM gateways WHERE kid = ? OR record = ?", (key.kid, digest)).get is not None:
            return False
        keys = context.platform_keys
        is_free = is_first and not self._is_taken(keys.recipient_id) and keys.recipient_id not in self._pending
        provisioned = await self._numbered(record.gateway, keys, CURRENT, None) if is_free else None
        with self._connection:
            if record.revokes is not None:
                self.revoke_key(bytes.fromhex(record.revokes))
            self._forget_contexts(record.gateway)
            execute("UPDATE gateways SET name = name || ' ' || hex(kid), revoked = 1 WHERE name = ?", (record.gateway,))
            execute("INSERT INTO gateways VALUES (?, ?, ?, ?, 0, ?)", (record.gateway, key.kid, key.x, key.y, digest))
            if provisioned is not None:
                self._keep(keys, provisioned)
        if provisioned is None:
            log.warning("%s begins with EDHOC: its first context was used, or has another's id", record.gateway)
        return True

    def forget_contexts(self) -> None:
        """Let every gateway agree on new keys: it is not known any more which numbers were used."""
        for gateway in self.gateways:
            self._forget_contexts(gateway)

    def revoke(self, gateway: str) -> bool:
        """Take nothing from a gateway any more; whether there was one of that name."""
        kid = self._connection.execute("SELECT kid FROM gateways WHERE name = ? AND NOT revoked", (gateway,)).get
        return isinstance(kid, bytes) and self.revoke_key(kid)

    def revoke_key(self, kid: bytes) -> bool:
        """Take nothing from the gateway with that key any more."""
        execute = self._connection.execute
        name = execute("SELECT name FROM gateways WHERE kid = ? AND NOT revoked", (kid,)).get
        if name is None:
            return False
        with self._connection:
            execute("UPDATE gateways SET revoked = 1 WHERE kid = ?", (kid,))
            self._forget_contexts(str(name))
        self.counters.revoked_kids.append(kid.hex())
        return True

    async def find(self, kid: bytes, kid_context: bytes | None, message_3: bytes | None = None) -> Known | None:
        """See `Keys`. None while the files cannot be written, too: then nothing is known to be new."""
        if kid_context is not None:
            return None
        try:
            return await self._find(kid, message_3)
        except (apsw.Error, SecurityStateLost) as error:
            log.error("the platform's keys cannot be read or written: %s", error)
            return None

    async def _find(self, kid: bytes, message_3: bytes | None) -> Known | None:
        if message_3 is not None and kid in self._pending:
            await self._complete(kid, message_3)
        found = await self._opened(kid)
        if found is None or (message_3 is not None and found.message_3 != message_3):
            return None
        try:
            await found.known.context.prepare()
        except SecurityStateLost as error:
            # Opened anew, it shows whether its numbers are lost or the disk has failed for a while.
            log.error("%s: %s", found.known.gateway, error)
            del self._open[kid]
            return None
        return found.known

    def spoke(self, known: Known) -> None:
        """A genuine request has come under this context: the former ones of the gateway are gone."""
        kid = next((kid for kid, found in self._open.items() if found.known is known), None)
        if kid is None or self._open[kid].state == CURRENT:
            return
        try:
            with self._connection:
                self._connection.execute("UPDATE contexts SET state = ? WHERE kid = ?", (CURRENT, kid))
                for other in self._kids(known.gateway):
                    if other != kid:
                        self._forget(other)
        except apsw.Error as error:
            # The former keys stay beside the new ones until the next request under these.
            log.error("the platform's keys cannot be written: %s", error)
            return
        self._open[kid].state = CURRENT
        log.info("%s has spoken under its new keys", known.gateway)

    async def take_edhoc(self, message_1: bytes) -> bytes | None:
        """The payload that answers an EDHOC message 1, None for one that is not understood."""
        now_ms = self._clock.monotonic_ms()
        old = [kid for kid, pending in self._pending.items() if now_ms - pending.since_ms > 1000 * PENDING_S]
        for kid in old or (list(self._pending)[:1] if len(self._pending) >= PENDING_MOST else []):
            del self._pending[kid]
        responder = Responder(self._identity.name, self._identity.static_key, self._new_kid())
        try:
            message_2 = responder.message_2(message_1)
        except EdhocFailed as error:
            log.info("%s", error)
            self.counters.refused += 1
            return None
        self.counters.begun += 1
        self._pending[responder.kid] = _Pending(responder, now_ms)
        return message_2

    def close(self) -> None:
        """Close the files, for another platform to open. A second call does nothing."""
        self._store.connection.close()
        self._connection.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            # The number may be another file's by a second call.
            os.close(lock)

    async def _complete(self, kid: bytes, message_3: bytes) -> None:
        pending = self._pending.pop(kid)
        try:
            gateway, keys = pending.responder.finish(message_3, self._credential)
        except EdhocFailed as error:
            log.warning("%s", error)
            self.counters.refused += 1
            return
        self.counters.completed += 1
        self._keep(keys, await self._numbered(gateway, keys, FRESH, message_3))

    async def _numbered(self, gateway: str, keys: OscoreKeys, state: int, message_3: bytes | None) -> _Open:
        """A context with numbers of its own, which nobody can use before it is kept."""
        context_id = f"{gateway} {secrets.token_hex(8)}"
        context = await JournalSecurityContext.begin(self._store, context_id, keys)
        return _Open(Known(gateway, context), state, message_3, context_id)

    def _keep(self, keys: OscoreKeys, opened: _Open) -> None:
        """Let the gateway use the context from now on, over a restart too."""
        who = (keys.recipient_id, opened.known.gateway, opened.context_id)
        what = (keys.master_secret, keys.master_salt, keys.sender_id, opened.state, opened.message_3)
        self._connection.execute("INSERT INTO contexts VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*who, *what))
        self._open[keys.recipient_id] = opened

    async def _opened(self, kid: bytes) -> _Open | None:
        """The context with that id, opened where it is of an earlier start."""
        if kid in self._open:
            return self._open[kid]
        find = "SELECT gateway, id, secret, salt, own_id, state, message_3 FROM contexts WHERE kid = ?"
        row = self._connection.execute(find, (kid,)).fetchone()
        if row is None:
            return None
        gateway, context_id, secret, salt, own_id, state, message_3 = row
        keys = OscoreKeys(bytes(secret), bytes(own_id), kid, bytes(salt))
        try:
            context = await JournalSecurityContext.open(self._store, context_id, keys)
        except SecurityStateLost as error:
            log.error("%s: %s", gateway, error)
            self._forget(kid)
            return None
        proof = None if message_3 is None else bytes(message_3)
        self._open[kid] = _Open(Known(str(gateway), context), int(state), proof, str(context_id))
        return self._open[kid]

    def _credential(self, kid: bytes) -> tuple[str, bytes] | None:
        find = "SELECT name, x, y FROM gateways WHERE kid = ? AND NOT revoked"
        row = self._connection.execute(find, (kid,)).fetchone()
        if row is None:
            return None
        name, x, y = row
        return str(name), PublicKey(kid, bytes(x), bytes(y)).credential(str(name))

    def _new_kid(self) -> bytes:
        while True:
            kid = secrets.token_bytes(KID_BYTES)
            if kid not in self._pending and not self._is_taken(kid):
                return kid

    def _is_taken(self, kid: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM contexts WHERE kid = ?", (kid,)).get is not None

    def _forget(self, kid: bytes) -> None:
        self._open.pop(kid, None)
        self._connection.execute("DELETE FROM contexts WHERE kid = ?", (kid,))

    def _forget_contexts(self, gateway: str) -> None:
        for kid in self._kids(gateway):
            self._forget(kid)

    def _kids(self, gateway: str) -> list[bytes]:
        rows = self._connection.execute("SELECT kid FROM contexts WHERE gateway = ?", (gateway,))
        return [kid for (kid,) in rows.fetchall() if isinstance(kid, bytes)]


def _open(path: Path | str) -> tuple[int | None, apsw.Connection, SecurityFile]:
    """(lock, who and which keys, numbers of the contexts), opened or made. Raises KeysError."""
    if path == ":memory:":
        return None, _open_keys(path), SecurityFile(path)
    lock = _take_lock(Path(path))
    numbers = f"{path}.numbers"
    place = str(path)
    try:
        connection = _open_keys(path)
        try:
            place = numbers
            return lock, connection, SecurityFile(numbers)
        except BaseException:
            connection.close(True)
            raise
    except (apsw.Error, Damaged, Foreign) as error:
        os.close(lock)
        raise KeysError(
            f"{place}: the platform's keys cannot be read or written ({error}): see that the file and its folder may "
            "be written, or move it away; then enrol each gateway again, with --new-keys (docs/security.md)"
        ) from error
    except BaseException:
        os.close(lock)
        raise


def _take_lock(path: Path) -> int:
    """Numbers that two processes take are used twice."""
    try:
        return take_lock(path)
    except BlockingIOError as error:
        raise KeysError(
            f"{path}: another platform uses these keys: end it first, so that it takes what changes; or name another "
            "file with --database"
        ) from error
    except OSError as error:
        raise KeysError(
            f"{path}: cannot be opened ({error.strerror}): see that the folder {path.parent} is there and may be "
            "written, or name another file with --database"
        ) from error


def _open_keys(path: Path | str) -> apsw.Connection:
    connection = apsw.Connection(str(path))
    try:
        if connection.execute("SELECT count(*) FROM sqlite_schema").get == 0:
            with connection:
                connection.execute(_TABLES)
        else:
            connection.execute("SELECT name, kid, x, y, revoked, record FROM gateways LIMIT 0")
        connection.execute("PRAGMA synchronous = FULL")
    except BaseException:
        connection.close(True)
        raise
    return connection
