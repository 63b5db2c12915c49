"""The state of every command from the platform, written before it acts.

States: `received` (it is ours to carry out), `acting` (it may have been carried out), then one of the final states
confirmed, failed, expired, refused. One that cannot be read shows as `damaged` and is never carried out.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from gateway_agent.journal import codec
from gateway_agent.journal import items as kinds
from gateway_agent.journal.errors import JournalError
from gateway_agent.journal.items import Items
from gateway_agent.journal.schema import WAITING
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Command, CommandResult

RECEIVED, ACTING, DAMAGED = "received", "acting", "damaged"
FINAL_STATES = ("confirmed", "failed", "expired", "refused")

_KEPT = 1000
_KEPT_AFTER_EXPIRY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command as the journal knows it; `result` once it has ended.

    `is_doubtful`: it may have been carried out before, for the journal of that time cannot be read.
    """

    command: Command
    state: str
    result: CommandResult | None = None
    is_doubtful: bool = False


@dataclass
class ReceiveEntry:
    """A command that came in. `stored` tells afterwards what the journal knows of that id; the first one counts."""

    command: Command
    readings = 0
    needs_disk = False
    stored: StoredCommand | None = field(default=None, init=False)

    def write(self, transaction: Transaction) -> None:
        """Store the command as received unless its id is known; repeat the result of one that has ended."""
        items, command = transaction.items, self.command
        if items.get(kinds.COMMAND, command.id) is None:
            items.put(kinds.COMMAND, command.id, _fact(RECEIVED, codec.encode_command(command)))
        self.stored = _stored(command.id, items.get(kinds.COMMAND, command.id))
        if not transaction.contents.knows_past:
            self.stored = replace(self.stored, is_doubtful=True)
        if self.stored.result is not None:
            _repeat_result(transaction, self.stored.result)


@dataclass
class ActingEntry:
    """The command begins to act."""

    command_id: str
    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Mark it as acting."""
        fact = transaction.items.get(kinds.COMMAND, self.command_id)
        if fact is not None:
            transaction.items.put(kinds.COMMAND, self.command_id, [fact[0], ACTING, *fact[2:]])


@dataclass
class FinishEntry:
    """The command has ended: its state and a record for the platform, in one commit."""

    result: CommandResult
    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Store the result once; a second time does nothing."""
        items, result = transaction.items, self.result
        command, _, ended, *_ = items.get(kinds.COMMAND, result.command_id) or _fact("", b"")
        if ended is not None:
            return
        body = codec.encode_result(result)
        sequence = transaction.append(codec.RESULT, result.time_ms, body)
        if command:
            items.put(kinds.COMMAND, result.command_id, [command, result.state, body, result.time_ms, sequence])
        _forget_old(transaction, result.time_ms)


def unfinished_commands(items: Items) -> list[StoredCommand]:
    """Commands without a result, in the order in which they came."""
    return [_stored(command_id, fact) for command_id, fact in items.all(kinds.COMMAND) if fact[2] is None]


def _fact(state: str, command: bytes) -> list[Any]:
    """[command, state, result, its time, its record's sequence]: what is kept of a command."""
    return [command, state, None, 0, 0]


def _stored(command_id: str, fact: Any) -> StoredCommand:
    body, state, result, result_ms, _ = fact
    ended = None if result is None else _read_result(command_id, result, result_ms)
    try:
        return StoredCommand(codec.decode_command(body), state, ended)
    except JournalError:
        return StoredCommand(Command(command_id, "", ""), DAMAGED, ended)


def _read_result(command_id: str, body: bytes, time_ms: int) -> CommandResult:
    try:
        return codec.decode_result(body, time_ms)
    except JournalError:
        # It has ended, however it did: it must not be carried out again.
        return CommandResult(command_id, "failed", "its outcome in the gateway's journal is damaged", 0)


def _repeat_result(transaction: Transaction, result: CommandResult) -> None:
    fact = transaction.items.get(kinds.COMMAND, result.command_id)
    waiting = transaction.connection.execute(
        f"SELECT count(*) FROM record WHERE state = {WAITING} AND sequence = ?", (fact[4],)
    ).get
    if not waiting:
        sequence = transaction.append(codec.RESULT, result.time_ms, codec.encode_result(result))
        transaction.items.put(kinds.COMMAND, result.command_id, [*fact[:4], sequence])


def _forget_old(transaction: Transaction, now_ms: int) -> None:
    """Forget commands that ended and expired long ago, beyond the newest _KEPT."""
    known = list(transaction.items.all(kinds.COMMAND))
    for command_id, fact in known[: max(0, len(known) - _KEPT)]:
        if fact[2] is None:
            continue
        expires_ms = codec.decode_command(fact[0]).expires_ms
        if 1 <= expires_ms <= now_ms - _KEPT_AFTER_EXPIRY_MS:
            transaction.items.remove(kinds.COMMAND, command_id)
