"""Alarms go first: whoever waits, for an answer or to try again, is woken when one is there."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from gateway_agent.journal import ALARM, Journal

Result = TypeVar("Result")


class Overtaken(Exception):  # noqa: N818 - not an error: an alarm goes first
    """An alarm came while something else was being sent."""


class AlarmFirst:
    """Knows whether the journal holds an alarm."""

    def __init__(self, journal: Journal, grace_s: Callable[[], float]) -> None:
        """What is under way has so many seconds left when an alarm comes: on a link that works its answer is near."""
        self._journal = journal
        self._grace_s = grace_s
        self._alarm = asyncio.Event()
        self.look()

    @property
    def is_there(self) -> bool:
        """Whether an alarm waits to be sent."""
        return self._alarm.is_set()

    def look(self) -> None:
        """The journal has changed."""
        if self._journal.waiting(ALARM):
            self._alarm.set()
        else:
            self._alarm.clear()

    async def pause(self, seconds: float, record_class: int) -> None:
        """Wait before something of a class is tried again; all but an alarm is woken by one."""
        if record_class == ALARM:
            await asyncio.sleep(seconds)
            return
        try:
            async with asyncio.timeout(seconds):
                await self._alarm.wait()
        except TimeoutError:
            return

    async def unless_overtaken(self, exchange: Coroutine[Any, Any, Result]) -> Result:
        """What `exchange` gives; it is ended, and Overtaken raised, when an alarm comes and no answer soon after."""
        task = asyncio.create_task(exchange, name="uplink exchange")
        alarm = asyncio.create_task(self._alarm.wait(), name="uplink looks for alarms")
        try:
            await asyncio.wait({task, alarm}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({task}, timeout=self._grace_s())
            if not task.done():
                raise Overtaken
            return await task
        finally:
            alarm.cancel()
            task.cancel()
            await asyncio.gather(task, alarm, return_exceptions=True)
