"""The gateway's durable, ordered record of what the platform has not yet acknowledged. Told in docs/journal.md."""

from gateway_agent.journal.codec import ALARM, EVENT, RESULT, TELEMETRY, Record
from gateway_agent.journal.errors import JournalError, JournalUnavailable
from gateway_agent.journal.journal import Journal

__all__ = ["ALARM", "EVENT", "RESULT", "TELEMETRY", "Journal", "JournalError", "JournalUnavailable", "Record"]
