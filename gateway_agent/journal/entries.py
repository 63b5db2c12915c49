"""What can be committed: one small class per kind of change, each with what it writes.

An entry may be written again, on another store, after a commit that failed. Its results are set by `write`.
"""

from dataclasses import dataclass, field

from gateway_agent.journal import codec
from gateway_agent.journal import items as kinds
from gateway_agent.journal.contents import UNASKED
from gateway_agent.journal.schema import SET_ASIDE
from gateway_agent.journal.spans import Spans
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Era, Event, Reading

ORIGINS_KEPT = 4096
"""Numbered events that are remembered per source and epoch; a node's ring is far smaller."""
ERAS_KEPT = 64
"""Eras of the clock that are remembered where no record is of them any more; each start of the agent begins one."""
EPOCHS_KEPT = 8
"""Starts of a node of which its numbered events are remembered."""


@dataclass
class PollEntry:
    """The readings of one device poll, in parts that each become one record; `era` is the clock's at that time."""

    parts: tuple[tuple[Reading, ...], ...]
    era: int = 0
    needs_disk = False

    @property
    def readings(self) -> int:
        """How many readings it holds."""
        return sum(len(part) for part in self.parts)

    def write(self, transaction: Transaction) -> None:
        """Append one record per part."""
        for part in self.parts:
            body = codec.encode_readings(part, transaction.channel)
            transaction.append(codec.TELEMETRY, part[0].time_ms, body, len(part), self.era)


@dataclass
class EventEntry:
    """An alarm or an event. `is_new` tells afterwards whether it was stored or was in already."""

    event: Event
    era: int = 0
    readings = 0
    needs_disk = False
    is_new: bool = field(default=False, init=False)
    body: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        """Encode at once, so that an event that cannot be stored is the caller's error and not the commit's."""
        self.body = codec.encode_event(self.event)

    def write(self, transaction: Transaction) -> None:
        """Append the event unless its origin is known."""
        event = self.event
        self.is_new = event.origin is None or _note_origin(transaction, event.source, *event.origin)
        if self.is_new:
            record_class = codec.ALARM if event.kind == "alarm" else codec.EVENT
            transaction.append(record_class, event.time_ms, self.body, era=self.era)
            if event.kind == "alarm" and event.state is not None:
                key = f"{event.name}\n{event.code}"
                if transaction.items.get(kinds.STANDING, key) != event.state:
                    transaction.items.put(kinds.STANDING, key, event.state)


@dataclass
class AcknowledgeEntry:
    """The platform has stored these records. `count` tells how many of them were still waiting."""

    sequences: tuple[int, ...]
    readings = 0
    needs_disk = False
    count: int = field(default=0, init=False)

    def write(self, transaction: Transaction) -> None:
        """Let the records go, or mark them where the journal keeps what was acknowledged."""
        self.count = transaction.acknowledge(self.sequences)


@dataclass
class SendingEntry:
    """These records are about to be sent: whoever thins them must tell, for the platform may have them.

    `here` are those that may be: one that was thinned since it was read must not be sent beside its window.
    """

    sequences: tuple[int, ...]
    readings = 0
    needs_disk = False
    here: tuple[int, ...] = field(default=(), init=False)

    def write(self, transaction: Transaction) -> None:
        """Put them down as in doubt."""
        gone = transaction.contents.gone
        self.here = tuple(sequence for sequence in self.sequences if sequence not in gone)
        transaction.doubt((sequence, sequence) for sequence in self.here)


@dataclass
class SetAsideEntry:
    """These records cannot be sent: damaged, or refused by the platform. They stay in the file."""

    sequences: tuple[int, ...]
    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Mark the records."""
        for sequence in self.sequences:
            transaction.change_state(sequence, SET_ASIDE)


@dataclass
class EpochEntry:
    """From this sequence on the records are of another epoch: the platform knows others under their numbers."""

    first_sequence: int
    epoch: int
    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Put down the epoch."""
        transaction.items.put(kinds.EPOCH, str(self.first_sequence), self.epoch)


@dataclass
class AskedEntry:
    """The platform was asked what it has, and there is nothing that was given again."""

    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Forget from where on it had to be asked."""
        if transaction.items.get(kinds.MARK, UNASKED):
            # Not removed: a salvage would find it again in an old page, and take it for the newest.
            transaction.items.put(kinds.MARK, UNASKED, 0)
        transaction.contents.is_asked = True


@dataclass
class EraEntry:
    """A new era of the clock; `era` is it, with its number."""

    boot_id: str
    offset_ms: int
    trusted: bool
    readings = 0
    needs_disk = False
    era: Era = field(default=Era(0, "", 0, True), init=False)

    def write(self, transaction: Transaction) -> None:
        """Put down the era under the next number."""
        known = sorted(int(key) for key, _ in transaction.items.all(kinds.ERA))
        number = 1 + max(known, default=transaction.contents.eras_from)
        if len(known) >= ERAS_KEPT:
            in_use = {era for (era,) in transaction.connection.execute("SELECT DISTINCT era FROM record")}
            for old in set(known[: 1 - ERAS_KEPT]) - in_use:
                transaction.items.remove(kinds.ERA, str(old))
        shift_ms = 0 if self.trusted else None
        self.era = Era(number, self.boot_id, self.offset_ms, self.trusted, shift_ms)
        transaction.items.put(kinds.ERA, str(number), [self.boot_id, self.offset_ms, self.trusted, shift_ms])


@dataclass
class CorrectionEntry:
    """What must be added to the times of some eras, in milliseconds by the era's number."""

    shifts: dict[int, int]
    readings = 0
    needs_disk = False

    def write(self, transaction: Transaction) -> None:
        """Put down the shifts."""
        for number, shift_ms in self.shifts.items():
            fields = transaction.items.get(kinds.ERA, str(number))
            if fields is not None:
                transaction.items.put(kinds.ERA, str(number), [*fields[:3], shift_ms])


def _note_origin(transaction: Transaction, source: str, epoch: int, sequence: int) -> bool:
    """Remember a node's number; False when it is known."""
    key = f"{source}\n{epoch}"
    known = Spans((first, last) for first, last in transaction.items.get(kinds.ORIGIN, key) or ())
    if sequence in known:
        return False
    if not len(known):
        _forget_epochs(transaction, source)
    known.add(sequence, sequence)
    oldest = sequence - ORIGINS_KEPT
    kept = [[max(first, oldest), last] for first, last in known if last > oldest]
    transaction.items.put(kinds.ORIGIN, key, kept)
    return True


def _forget_epochs(transaction: Transaction, source: str) -> None:
    epochs = [key for key, _ in transaction.items.all(kinds.ORIGIN) if key.partition("\n")[0] == source]
    for key in epochs[: 1 - EPOCHS_KEPT]:
        transaction.items.remove(kinds.ORIGIN, key)
