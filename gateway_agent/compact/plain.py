"""Decoded batches as plain values, for JSON and for people: what `gatepost decode` prints and the vectors hold."""

from typing import Any

from gateway_agent.compact.batch import Decoded
from gateway_agent.journal import Record
from gateway_agent.records import CommandResult, Event, Thinned


def plain_batch(decoded: Decoded) -> dict[str, Any]:
    """A batch; what it does not say is left out."""
    found: dict[str, Any] = {"epoch": decoded.epoch, "state": decoded.state.id.hex()}
    if decoded.first_waiting is not None:
        found["asks_from"] = decoded.first_waiting
    if decoded.sent_ms is not None:
        found["sent_ms"] = decoded.sent_ms
    if decoded.is_late:
        found["late"] = True
    if decoded.qualities:
        found["qualities"] = [[*place, quality] for place, quality in sorted(decoded.qualities.items())]
    return found | {"records": [plain_record(record) for record in decoded.records]}


def plain_record(record: Record) -> dict[str, Any]:
    """One journal record: `sequence`, `untrusted` where its clock was, and one of readings, windows, event, result."""
    found: dict[str, Any] = {"sequence": record.sequence}
    if not record.trusted:
        found["untrusted"] = True
    content = record.content
    if isinstance(content, Event):
        return found | {"event": _event(content)}
    if isinstance(content, CommandResult):
        result = [content.command_id, content.state, content.detail, content.time_ms, content.level_pct]
        return found | {"result": result}
    if isinstance(content, Thinned):
        windows = [
            [w.point, w.kind, w.exponent, w.time_ms, w.span_s, w.count, w.least, w.greatest, w.total]
            for w in content.windows
        ]
        return found | {"windows": windows, "replaces": [list(span) for span in content.replaces]}
    return found | {"readings": [[r.point, r.kind, r.exponent, r.time_ms, r.value] for r in content]}


def _event(event: Event) -> dict[str, Any]:
    fields = {
        "name": event.name,
        "kind": event.kind,
        "code": event.code,
        "time_ms": event.time_ms,
        "state": event.state,
        "value": event.value,
        "source": event.source,
        "detail": event.detail,
    }
    return {name: value for name, value in fields.items() if value not in (None, "")}
