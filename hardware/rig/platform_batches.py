"""Compact batches at the platform: journal records as the platform's own terms, and what a batch refers to.

protocols/spec/telemetry.md is the page for the bytes. A batch that refers to a state or a channel table that is not
here cannot be read: `Unread` says which, and the gateway is asked for another.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway_agent.compact import ChannelTable, Decoded, State, UnknownState, UnknownTable, decode_batch
from gateway_agent.journal import Record
from gateway_agent.records import CommandResult, Event, Reading, Thinned, Window
from gateway_agent.uplink.errors import UplinkError
from hardware.rig.platform_messages import Item, SentAlarm, SentEvent, SentReading, SentRecord, SentResult, SentWindow
from protocols import senml


class Unread(UplinkError):  # noqa: N818 - an ordinary state: the platform lost something, or never had it
    """The batch refers to what is not here. `table` is the digest of the channel table that is wanted, or None where a
    state is missing."""

    def __init__(self, table: bytes | None) -> None:
        super().__init__("the channel table is not here" if table else "the state is not here")
        self.table = table


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """What a batch says. `asked_from` is the first sequence whose arrival is asked for, `sent_ms` the gateway's clock;
    None where it does not say."""

    epoch: int
    records: list[SentRecord]
    is_late: bool
    asked_from: int | None
    sent_ms: int | None
    state: State
    table: ChannelTable


def read_batch(
    payload: bytes,
    find_table: Callable[[bytes], ChannelTable | None],
    find_state: Callable[[bytes], State | None],
) -> ReadBatch:
    """Read a compact batch. Raises FormatError, and Unread where something is missing here."""
    try:
        decoded: Decoded = decode_batch(payload, find_table, find_state)
    except UnknownTable as error:
        raise Unread(error.digest) from error
    except UnknownState as error:
        raise Unread(None) from error
    units = {channel.point: channel.unit for channel in decoded.table.channels}
    return ReadBatch(
        decoded.epoch,
        [sent_record(record, units) for record in decoded.records],
        decoded.is_late,
        decoded.first_waiting,
        decoded.sent_ms,
        decoded.state,
        decoded.table,
    )


def sent_record(record: Record, units: dict[str, str]) -> SentRecord:
    """A journal record as what a gateway has sent; `units` by point."""
    content = record.content
    items: tuple[Item, ...]
    if isinstance(content, Thinned):
        items = tuple(_window(window, content, units) for window in content.windows)
    elif isinstance(content, Event):
        items = (_event(content),)
    elif isinstance(content, CommandResult):
        items = (SentResult(content.command_id, content.time_ms, content.state, content.detail, content.level_pct),)
    else:
        items = tuple(_reading(reading, units) for reading in content)
    return SentRecord(record.sequence, items, record.trusted)


def _reading(reading: Reading, units: dict[str, str]) -> SentReading:
    unit = units.get(reading.point, "")
    return SentReading(reading.point, reading.time_ms, reading.value, reading.exponent, reading.kind, unit)


def _window(window: Window, thinned: Thinned, units: dict[str, str]) -> SentWindow:
    return SentWindow(
        window.point,
        window.time_ms,
        window.span_s,
        window.exponent,
        window.kind,
        window.least,
        window.greatest,
        window.total,
        window.count,
        units.get(window.point, ""),
        thinned.replaces,
    )


def _event(event: Event) -> SentAlarm | SentEvent:
    if event.kind == senml.ALARM:
        is_raised = event.state is not False
        return SentAlarm(event.name, event.time_ms, is_raised, event.code, event.source, event.value)
    return SentEvent(event.name, event.time_ms, event.code, event.source, event.value, event.detail)
