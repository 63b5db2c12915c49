"""The command table: the state of every command from the platform, written before it acts.

States: `received` (it is ours to carry out), `acting` (it may have been carried out), then one of the final states
confirmed, failed, expired, refused. A row whose CRC is wrong shows as `damaged` and is never carried out.
"""

import zlib
from dataclasses import dataclass, field

import apsw

from gateway_agent.journal import codec
from gateway_agent.journal.errors import JournalError
from gateway_agent.journal.schema import WAITING
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Command, CommandResult

RECEIVED, ACTING, DAMAGED = "received", "acting", "damaged"
FINAL_STATES = ("confirmed", "failed", "expired", "refused")

_KEPT = 1000
_KEPT_AFTER_EXPIRY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command as the journal knows it; `result` once it has ended."""

    command: Command
    state: str
    result: CommandResult | None = None


@dataclass
class ReceiveEntry:
    """A command that came in. `stored` tells afterwards what the journal knows of that id; the first one counts."""

    command: Command
    readings = 0
    stored: StoredCommand | None = field(default=None, init=False)

    def write(self, transaction: Transaction) -> None:
        """Store the command as received unless its id is known; repeat the result of one that has ended."""
        connection, body = transaction.connection, codec.encode_command(self.command)
        connection.execute(
            "INSERT INTO command (id, state, expires_ms, crc32, body) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (self.command.id, RECEIVED, self.command.expires_ms, _checksum(RECEIVED, body), body),
        )
        self.stored = find_command(connection, self.command.id)
        if self.stored is not None and self.stored.result is not None:
            _repeat_result(transaction, self.stored.result)


@dataclass
class ActingEntry:
    """The command begins to act."""

    command_id: str
    readings = 0

    def write(self, transaction: Transaction) -> None:
        """Mark it as acting."""
        _change_state(transaction.connection, self.command_id, ACTING)


@dataclass
class FinishEntry:
    """The command has ended: its state and a record for the platform, in one commit."""

    result: CommandResult
    readings = 0

    def write(self, transaction: Transaction) -> None:
        """Store the result once; a second time does nothing."""
        connection, result = transaction.connection, self.result
        if connection.execute("SELECT result FROM command WHERE id = ?", (result.command_id,)).get is not None:
            return
        body = codec.encode_result(result)
        sequence = transaction.append(codec.RESULT, body)
        _change_state(connection, result.command_id, result.state)
        connection.execute(
            "UPDATE command SET result_sequence = ?, result = ? WHERE id = ?", (sequence, body, result.command_id)
        )
        connection.execute(
            "DELETE FROM command WHERE result IS NOT NULL AND expires_ms BETWEEN 1 AND ? "
            "AND number <= (SELECT max(number) FROM command) - ?",
            (result.time_ms - _KEPT_AFTER_EXPIRY_MS, _KEPT),
        )


def find_command(connection: apsw.Connection, command_id: str) -> StoredCommand | None:
    """What the journal knows of a command, None when it never came."""
    row = connection.execute(
        "SELECT id, state, crc32, body, result FROM command WHERE id = ?", (command_id,)
    ).fetchone()
    return None if row is None else _stored(*row)


def unfinished_commands(connection: apsw.Connection) -> list[StoredCommand]:
    """Commands without a result, in the order in which they came."""
    rows = connection.execute("SELECT id, state, crc32, body, result FROM command WHERE result IS NULL ORDER BY number")
    return [_stored(*row) for row in rows]


def _stored(command_id: str, state: str, crc32: int, body: bytes, result: bytes | None) -> StoredCommand:
    ended = None if result is None else _read_result(command_id, result)
    if _checksum(state, body) != crc32:
        return StoredCommand(Command(command_id, "", ""), DAMAGED, ended)
    return StoredCommand(codec.decode_command(body), state, ended)


def _read_result(command_id: str, body: bytes) -> CommandResult:
    try:
        return codec.decode_result(body)
    except JournalError:
        # It has ended, however it did: it must not be carried out again.
        return CommandResult(command_id, "failed", "its outcome in the gateway's journal is damaged", 0)


def _change_state(connection: apsw.Connection, command_id: str, state: str) -> None:
    body = connection.execute("SELECT body FROM command WHERE id = ?", (command_id,)).get
    if body is not None:
        connection.execute(
            "UPDATE command SET state = ?, crc32 = ? WHERE id = ?", (state, _checksum(state, body), command_id)
        )


def _repeat_result(transaction: Transaction, result: CommandResult) -> None:
    waiting = transaction.connection.execute(
        f"SELECT count(*) FROM record WHERE state = {WAITING} "
        "AND sequence = (SELECT result_sequence FROM command WHERE id = ?)",
        (result.command_id,),
    ).get
    if not waiting:
        sequence = transaction.append(codec.RESULT, codec.encode_result(result))
        transaction.connection.execute(
            "UPDATE command SET result_sequence = ? WHERE id = ?", (sequence, result.command_id)
        )


def _checksum(state: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(state.encode()))
