"""From the collector to the journal: samples are condensed and watched, events are made safe."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from gateway_agent.clock import Clock
from gateway_agent.condense import Condenser
from gateway_agent.journal import EventStored, Journal
from gateway_agent.records import Event, Reading
from gateway_agent.watch import Watch

_LOG = logging.getLogger(__name__)
_TICK_S = 1.0


class Pipeline:
    """The sink of a collector. `measured` counts the readings that were handed to the journal since the start."""

    def __init__(self, journal: Journal, condenser: Condenser, watch: Watch, clock: Clock) -> None:
        self.measured = 0
        self._standing = set(journal.standing_alarms())
        self._journal = journal
        self._condenser = condenser
        self._watch = watch
        self._clock = clock
        self._own_events: asyncio.Queue[Event] = asyncio.Queue()

    def polled(self, device: str, samples: Sequence[Reading]) -> None:
        """Condense the samples of one poll into one journal record, and look at them for alarms."""
        self._keep(self._condenser.add(samples))
        for event in self._watch.look_at(samples):
            self.noticed(event)

    def noticed(self, event: Event) -> None:
        """Take an event of the gateway's own; they are stored one after the other."""
        self._own_events.put_nowait(event)

    async def happened(self, event: Event) -> EventStored:
        """Store a node's event before it is acknowledged to the node, which must keep it when it is not safe here."""
        stored = await self._journal.add_event(event)
        if stored.is_new:
            self._note_alarm(event)
            _LOG.info("%s %s %s", event.name, event.code, "" if event.state is None else event.state)
        return stored

    async def forgotten(self, alarms: Iterable[tuple[str, str]], time_ms: int) -> None:
        """Clear those of the alarms that stand, before anything that happened later."""
        for name, code in alarms:
            if (name, code) in self._standing:
                await self.happened(Event(name, "alarm", code, time_ms, state=False))

    def clear(self, name: str, code: str) -> None:
        """Clear an alarm of that name and code, if it stands."""
        if (name, code) in self._standing:
            self.noticed(Event(name, "alarm", code, self._clock.unix_ms(), state=False))

    def flush_windows(self) -> None:
        """Hand what is in open windows to the journal, and open none until `moved`: the clock is about to be set."""
        self._keep(self._condenser.flush())
        self._condenser.has_windows = False

    def moved(self, by_ms: int) -> None:
        """The clock was set, and moved by so many milliseconds: so do the times of what waits here."""
        self._condenser.has_windows = True
        self._watch.move(by_ms)
        waiting = [self._own_events.get_nowait() for _ in range(self._own_events.qsize())]
        for event in waiting:
            self._own_events.put_nowait(replace(event, time_ms=event.time_ms + by_ms))

    async def run(self) -> None:
        """Store the gateway's own events and close windows in time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._store_events(), name="events")
            tasks.create_task(self._close_windows(), name="windows")

    async def finish(self) -> None:
        """Hand everything that is still here to the journal; nothing may be collected any more."""
        self._keep(self._condenser.flush())
        while not self._own_events.empty():
            await self._store(self._own_events.get_nowait())

    async def _store_events(self) -> None:
        while True:
            await self._store(await self._own_events.get())

    async def _store(self, event: Event) -> None:
        self._note_alarm(event)
        await self._journal.add_event(event)

    def _note_alarm(self, event: Event) -> None:
        if event.kind == "alarm":
            (self._standing.add if event.state else self._standing.discard)((event.name, event.code))

    async def _close_windows(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self._keep(self._condenser.tick(self._clock.unix_ms()))

    def _keep(self, readings: Sequence[Reading]) -> None:
        """Give readings to the journal, those of one device together."""
        ordered = sorted(readings, key=lambda reading: reading.point.partition("/")[0])
        for _, group in groupby(ordered, key=lambda reading: reading.point.partition("/")[0]):
            record = list(group)
            self._journal.add_readings(record)
            self.measured += len(record)
