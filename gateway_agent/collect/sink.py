"""Where collected things go."""

import logging
from collections.abc import Sequence
from typing import Protocol

from gateway_agent.errors import GatepostError
from gateway_agent.records import Event, Reading

_LOG = logging.getLogger(__name__)


class Sink(Protocol):
    """What the collector hands its samples and events to; the agent is the real one."""

    def polled(self, device: str, samples: Sequence[Reading]) -> None:
        """Take the new good samples of one poll of a device; perhaps none. Returns at once."""

    async def happened(self, event: Event) -> bool:
        """Take an event; it is safe on the disk when this returns. False when its origin was known before.

        Raises JournalUnavailable when it could not be stored.
        """
        ...


async def tell(sink: Sink, event: Event) -> None:
    """Hand on an event of the gateway's own; one that cannot be stored now waits in the journal's memory."""
    try:
        await sink.happened(event)
    except GatepostError as error:
        _LOG.error("%s %s waits in memory: %s", event.name, event.code, error)
