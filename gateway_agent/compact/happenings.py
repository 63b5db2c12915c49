"""Alarms, events and results of commands, said with a coder: telemetry.md, "An alarm or event" and "A result"."""

from gateway_agent.compact.limits import MAX_LEVEL
from gateway_agent.compact.symbols import (
    HAS_LEVEL,
    HAS_NUMBER,
    HAS_STATE,
    IS_ALARM,
    IS_RAISED,
    LEVEL,
    STATE,
    VALUE,
    Symbols,
)
from gateway_agent.records import CommandResult, Event
from gateway_agent.uplink.errors import FormatError

_STATES = ("confirmed", "failed", "expired", "refused")


def walk_event(said: Symbols, event: Event | None) -> Event:
    """An alarm or event."""
    given = event or Event("", "event", "", 0)
    time_ms = said.time(given.time_ms)
    said.state.time_ms = time_ms
    name = said.text(given.name)
    kind = "alarm" if said.bit(IS_ALARM, given.kind == "alarm") else "event"
    code, source, detail = said.text(given.code), said.text(given.source), said.detail(given.detail)
    state = None
    if said.bit(HAS_STATE, given.state is not None):
        state = bool(said.bit(IS_RAISED, bool(given.state)))
    value = None
    if said.bit(HAS_NUMBER, given.value is not None):
        value = said.value(VALUE, given.value or 0)
    return Event(name, kind, code, time_ms, state, value, source, detail=detail)


def walk_result(said: Symbols, result: CommandResult | None) -> CommandResult:
    """What became of a command."""
    given = result or CommandResult("", _STATES[0], "", 0)
    time_ms = said.time(given.time_ms)
    said.state.time_ms = time_ms
    command_id = said.text(given.command_id)
    state = said.number(STATE, _STATES.index(given.state))
    if state >= len(_STATES):
        raise FormatError("a command that ended in no known way")
    detail = said.detail(given.detail)
    level = None
    if said.bit(HAS_LEVEL, given.level_pct is not None):
        level = said.number(LEVEL, given.level_pct or 0)
        if level > MAX_LEVEL:
            raise FormatError(f"a level is at most {MAX_LEVEL}")
    return CommandResult(command_id, _STATES[state], detail, time_ms, level)
