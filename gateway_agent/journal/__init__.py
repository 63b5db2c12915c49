"""The gateway's durable, ordered record of what the platform has not yet acknowledged. Told in docs/journal.md."""

from gateway_agent.journal.codec import ALARM, CLASSES, EVENT, RESULT, TELEMETRY, THINNED, Record
from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.journal import BUDGET, EventStored, Journal
from gateway_agent.journal.thinner import Budget

__all__ = [
    "ALARM",
    "BUDGET",
    "CLASSES",
    "EVENT",
    "RESULT",
    "TELEMETRY",
    "THINNED",
    "Budget",
    "EventStored",
    "Journal",
    "JournalError",
    "JournalUnavailable",
    "Record",
]
