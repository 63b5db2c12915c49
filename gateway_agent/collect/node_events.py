"""What a node's event block means: registers to records, numbers to names."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway_agent.records import Event
from protocols import event_codes, event_names, lamp_codes, manhole_codes, node_map

INPUT_ALARM = "input"
"""Code of the alarm of an input; its name is the input's point."""


@dataclass(frozen=True, slots=True)
class EventsHead:
    """The head of the block: sequences of the oldest and newest event kept (0 if none), and how many were dropped.

    All events in the window are of the node's present epoch less `epochs_ago`.
    """

    oldest: int
    newest: int
    overflow: int
    count_in_window: int
    epochs_ago: int


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """One event as the node tells it. `unix_ms` is None when the node's clock was never set."""

    sequence: int
    code: int
    slot: int
    value: int
    unix_ms: int | None


def read_head(registers: Sequence[int]) -> EventsHead:
    """The head out of the first registers of the block."""
    return EventsHead(
        u32(registers, node_map.EVENTS_OLDEST - node_map.EVENTS),
        u32(registers, node_map.EVENTS_NEWEST - node_map.EVENTS),
        u32(registers, node_map.EVENTS_OVERFLOW - node_map.EVENTS),
        registers[node_map.EVENTS_COUNT_IN_WINDOW - node_map.EVENTS],
        registers[node_map.EVENTS_EPOCHS_AGO - node_map.EVENTS],
    )


def read_events(registers: Sequence[int]) -> list[NodeEvent]:
    """The events out of whole event records."""
    events = []
    for at in range(0, len(registers), node_map.EVENT_REGISTERS):
        is_set = registers[at + node_map.EVENT_TIME_STATE] == 1
        unix_ms = u32(registers, at + node_map.EVENT_UNIX_S) * 1000 + registers[at + node_map.EVENT_UNIX_MS]
        events.append(
            NodeEvent(
                u32(registers, at + node_map.EVENT_SEQUENCE),
                registers[at + node_map.EVENT_CODE],
                registers[at + node_map.EVENT_SLOT],
                s32(registers, at + node_map.EVENT_VALUE),
                unix_ms if is_set else None,
            )
        )
    return events


def as_record(event: NodeEvent, node: str, epoch: int, points: Sequence[str], lamp: str | None, now_ms: int) -> Event:
    """The record of a node's event. `points` are the full names in the order of the slots.

    An event without a time of its own gets `now_ms`. The alarms of a manhole are the node's own. A code or slot that is
    not known makes an event of the node that carries the number: it is kept, never dropped.
    """
    point = points[event.slot] if event.slot < len(points) else None
    name, kind, state = node, "event", None
    code = event_names.NAMES.get(event.code, f"code-{event.code}")
    if event.code in (event_codes.INPUT_RAISED, event_codes.INPUT_CLEARED) and point is not None:
        name, kind, code, state = point, "alarm", INPUT_ALARM, event.code == event_codes.INPUT_RAISED
    elif event.code in (event_codes.DEVICE_LOST, event_codes.DEVICE_BACK) and point is not None:
        name = point.partition("/")[0]
    elif event.code == event_codes.LAMP_FAILED:
        name, kind, state = lamp or node, "alarm", event.value != lamp_codes.NO_REASON
    elif event.code == event_codes.LAMP_OVERRIDE_ENDED:
        name = lamp or node
    elif 0 <= event.code - event_codes.LAMP_FAULT_FIRST < lamp_codes.FAULT_COUNT:
        name, kind, state = lamp or node, "alarm", event.value == 1
    elif 0 <= event.code - event_codes.MANHOLE_ALARM_FIRST < manhole_codes.ALARM_COUNT:
        kind, state = "alarm", True
    elif event.code == event_codes.MANHOLE_ALARM_CLEARED and 0 <= event.value < manhole_codes.ALARM_COUNT:
        kind, code, state = "alarm", event_names.NAMES[event_codes.MANHOLE_ALARM_FIRST + event.value], False
    elif event.code == event_codes.EVENTS_LOST:
        kind, state = "alarm", True
    time_ms = now_ms if event.unix_ms is None else event.unix_ms
    return Event(name, kind, code, time_ms, state, event.value, source=node, origin=(epoch, event.sequence))


def told_anew(node: str, points: Sequence[str], lamp: str | None) -> list[tuple[str, str]]:
    """Name and code of the alarms that a node forgets when it starts again, and tells anew if they still hold.

    Nobody else would ever clear one whose cause has gone while the node had no power. The alarms of a manhole are not
    among them: the node keeps those on its flash.
    """
    faults = range(event_codes.LAMP_FAULT_FIRST, event_codes.LAMP_FAULT_FIRST + lamp_codes.FAULT_COUNT)
    of_lamp = [(lamp or node, event_names.NAMES[code]) for code in (event_codes.LAMP_FAILED, *faults)]
    return of_lamp + [(point, INPUT_ALARM) for point in points]


def u32(registers: Sequence[int], at: int) -> int:
    """32 bits without sign from two registers, high word first."""
    return registers[at] << 16 | registers[at + 1]


def s32(registers: Sequence[int], at: int) -> int:
    """32 bits with sign from two registers, high word first."""
    value = u32(registers, at)
    return value - (1 << 32) if value & 1 << 31 else value
