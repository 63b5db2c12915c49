"""Where collected things go."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from gateway_agent.journal import EventStored
from gateway_agent.records import Event, Reading


class Sink(Protocol):
    """What the collector hands its samples and events to; the agent is the real one."""

    def polled(self, device: str, samples: Sequence[Reading]) -> None:
        """Take the new good samples of one poll of a device; perhaps none. Returns at once."""

    def noticed(self, event: Event) -> None:
        """Take an event of the gateway's own, such as a device that is lost. Returns at once; stored in order."""

    async def happened(self, event: Event) -> EventStored:
        """Take a node's event. It `is_new` unless its origin was known before or it can never be stored, which has been
        logged. It `is_safe` when it is on the disk; otherwise the node must keep it.
        """
        ...

    async def forgotten(self, alarms: Iterable[tuple[str, str]], time_ms: int) -> None:
        """Clear those of the alarms, (name, code), that stand: who raised them has started again at `time_ms` and
        raises them anew if they still hold.
        """
        ...
