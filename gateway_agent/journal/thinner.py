"""When to thin, and telling it: keeps the journal within its budget, one bounded transaction after another."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway_agent.journal import items as kinds
from gateway_agent.journal.codec import CLASSES, EVENT, TELEMETRY, encode_event
from gateway_agent.journal.contents import Contents
from gateway_agent.journal.thinning import Step, class_to_thin, thin_oldest
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Event

REPORT_EVERY_MS = 86_400_000
"""How often thinning to one level is told at most; what happened in between is told together."""
_MARK = "thinned/"
_MARGIN_BYTES = 3 << 20


@dataclass(frozen=True, slots=True)
class Budget:
    """`disk_bytes` for the journal's file and its log; telemetry older than `fine_ms` is thinned to hours in any case
    (0: never)."""

    disk_bytes: int
    fine_ms: int = 0

    @property
    def held_bytes(self) -> int:
        """What rows may take: the rest is for the log and for what a step of thinning writes before it deletes."""
        return max(self.disk_bytes - _MARGIN_BYTES, self.disk_bytes // 2)


@dataclass
class ThinEntry:
    """Thins one block of `record_class`; `step` tells what was done, None when there was nothing. Where it is not
    `told`, whoever asked for it says so; it is counted all the same."""

    record_class: int
    before_ms: int | None
    now_ms: int
    told: bool = True
    readings = 0
    needs_disk = False
    step: Step | None = field(default=None, init=False)

    def write(self, transaction: Transaction) -> None:
        """Thin, count, and report when it is time."""
        self.step = thin_oldest(transaction, self.record_class, self.before_ms)
        for sequence in transaction.damaged:
            event = Event("journal", "event", "record-damaged", self.now_ms, value=sequence)
            transaction.append(EVENT, self.now_ms, encode_event(event))
        if self.step is not None:
            _count(transaction, self.step, self.now_ms, self.told)


def next_step(contents: Contents, used_bytes: int, budget: Budget, now_ms: int) -> ThinEntry | None:
    """What must be thinned now, None when all is within its bounds."""
    if used_bytes > budget.held_bytes:
        record_class = class_to_thin(contents.waiting.bytes)
        return None if record_class is None else ThinEntry(record_class, None, now_ms)
    return None


def old_steps(budget: Budget, now_ms: int) -> list[ThinEntry]:
    """One try at each level for telemetry that is older than the budget keeps it fine; some may find nothing."""
    if not budget.fine_ms:
        return []
    return [ThinEntry(each, now_ms - budget.fine_ms, now_ms) for each in range(TELEMETRY, CLASSES[-1])]


def _count(transaction: Transaction, step: Step, now_ms: int, is_told: bool) -> None:
    """Add a step to what is known of its level: [from, to, records thinned in all, told when, told records]."""
    key = f"{_MARK}{step.span_s}"
    from_ms, to_ms, records, told_ms, told = transaction.items.get(kinds.MARK, key) or (
        step.from_ms,
        step.to_ms,
        0,
        None,
        0,
    )
    from_ms, to_ms, records = min(from_ms, step.from_ms), max(to_ms, step.to_ms), records + step.records_before
    if is_told and (told_ms is None or not 0 <= now_ms - told_ms < REPORT_EVERY_MS):
        event = _report(from_ms, to_ms, step.span_s, records - told, now_ms)
        transaction.append(EVENT, now_ms, encode_event(event))
        from_ms, to_ms, told_ms, told = step.to_ms, step.to_ms, now_ms, records
    transaction.items.put(kinds.MARK, key, [from_ms, to_ms, records, told_ms, told])


def _report(from_ms: int, to_ms: int, span_s: int, records: int, now_ms: int) -> Event:
    detail = f"from {_utc(from_ms)} to {_utc(to_ms)} at {span_s // 60} min"
    return Event("journal", "event", "thinned", now_ms, value=records, detail=detail)


def _utc(unix_ms: int) -> str:
    try:
        return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")
    except (OverflowError, ValueError, OSError):
        return f"{unix_ms} ms"
