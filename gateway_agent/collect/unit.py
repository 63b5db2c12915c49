"""The conversation with one unit on a bus: gaps, retries, and staying in step (see `step`)."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Answer, Ask, Broadcast, Fault, NoAnswerError, Read, ReadFile, Write, WriteFile
from gateway_agent.collect.step import Step
from gateway_agent.config import LineSettings

_NO_USE_TO_RETRY = (Fault.EXCEPTION, Fault.PORT_DOWN)


@dataclass(frozen=True, slots=True)
class Timing:
    """How a unit wants to be spoken to: milliseconds to wait for an answer and between requests, and extra tries."""

    reply_timeout_ms: int
    gap_ms: int = 0
    retries: int = 0


class Pace:
    """When a product may be asked next (loop seconds): the units of one product share it."""

    def __init__(self) -> None:
        self.free_at_s = 0.0


class UnitLink:
    """Asks one unit. One link per unit and bus; the links of one product share its `pace`."""

    def __init__(
        self,
        owner: BusOwner,
        unit: int,
        settings: LineSettings,
        timing: Timing,
        planned_counts: Collection[int],
        pace: Pace | None = None,
    ) -> None:
        self.owner = owner
        self.unit = unit
        self.settings = settings
        self.timing = timing
        self._step = Step(planned_counts)
        self._pace = pace or Pace()
        self._turn = asyncio.Lock()

    async def read(
        self, ask: Read, urgency: Urgency, *, tries: int | None = None, prefixes: Sequence[int] = ()
    ) -> Answer:
        """Read registers, with the unit's retries (or `tries` in all). Raises the NoAnswerError of the last try.

        `prefixes` are register counts from the beginning of `ask` at which a value ends.
        """
        error = NoAnswerError(Fault.SILENT)
        for _ in range(self.timing.retries + 1 if tries is None else tries):
            try:
                async with self._turn:
                    return await self._read_once(ask, urgency, prefixes)
            except NoAnswerError as failed:
                error = failed
                if failed.fault in _NO_USE_TO_RETRY:
                    break
        raise error

    async def write(self, write: Write | WriteFile, urgency: Urgency, *, tries: int | None = None) -> Answer:
        """Write registers (of a file), with the unit's retries (or `tries` in all). Raises the last NoAnswerError.

        What is written must bear being written twice: an answer that was lost does not undo the write.
        """
        error = NoAnswerError(Fault.SILENT)
        for _ in range(self.timing.retries + 1 if tries is None else tries):
            try:
                async with self._turn:
                    return await self._exchange(write, urgency)
            except NoAnswerError as failed:
                error = failed
                if failed.fault in _NO_USE_TO_RETRY:
                    break
        raise error

    async def read_file(self, ask: ReadFile, probe: Read, urgency: Urgency) -> Answer:
        """Read registers of a file, with the unit's retries. Raises the NoAnswerError of the last try.

        An answer does not tell which record it is. So after a miss `probe` is read first, any register of the unit:
        when it is answered, nothing of the file is owed any more.
        """
        error = NoAnswerError(Fault.SILENT)
        for number in range(self.timing.retries + 1):
            try:
                async with self._turn:
                    if number:
                        await self._exchange(probe, urgency)
                    return await self._exchange(ask, urgency)
            except NoAnswerError as failed:
                error = failed
                if failed.fault in _NO_USE_TO_RETRY:
                    break
        raise error

    async def broadcast(self, ask: Broadcast, urgency: Urgency) -> None:
        """Write registers of all units of this unit's line; nobody confirms. Raises NoAnswerError(PORT_DOWN)."""
        async with self._turn:
            await self._exchange(ask, urgency)

    async def _read_once(self, ask: Read, urgency: Urgency, prefixes: Sequence[int]) -> Answer:
        if not self._step.is_sure:
            await self._get_in_step(ask, urgency, prefixes)
        try:
            return await self._exchange(ask, urgency)
        except NoAnswerError as error:
            # A late answer that was heard out, and a refusal, leave nothing owed.
            if error.fault not in (Fault.LATE, Fault.EXCEPTION):
                self._step.missed(ask.count)
            raise

    async def _get_in_step(self, ask: Read, urgency: Urgency, prefixes: Sequence[int]) -> None:
        """Make sure that the next answer is the answer to the next request. Raises NoAnswerError."""
        twice = self._step.may_ask_twice
        probe = ask if twice else self._step.probe(ask, prefixes)
        self.owner.line.counters.probes += 1
        try:
            await self._exchange(probe, urgency)
        except NoAnswerError as error:
            if error.fault is Fault.EXCEPTION or (error.fault is Fault.LATE and not twice):
                self._step.proved()
            else:
                self._step.missed(probe.count)
                self._step.probe_was_silent(error.fault is Fault.SILENT and not twice)
            if error.fault is Fault.EXCEPTION:
                return
            if error.fault is Fault.WRONG_COUNT:
                raise NoAnswerError(Fault.OUT_OF_STEP, error.detail) from error
            raise
        self._step.proved()

    async def _exchange(self, ask: Ask, urgency: Urgency) -> Answer:
        loop = asyncio.get_running_loop()
        if (wait_s := self._pace.free_at_s - loop.time()) > 0:
            await asyncio.sleep(wait_s)
        try:
            return await self.owner.ask(ask, self.settings, self.timing.reply_timeout_ms, urgency)
        finally:
            self._pace.free_at_s = loop.time() + self.timing.gap_ms / 1000
