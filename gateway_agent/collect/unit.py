"""The conversation with one unit on a bus: gaps, retries, and staying in step (see `step`)."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from gateway_agent.collect.owner import BusOwner, Urgency
from gateway_agent.collect.request import Answer, Ask, Broadcast, Fault, NoAnswerError, Read, ReadFile, Write, WriteFile
from gateway_agent.collect.step import Step
from gateway_agent.config import LineSettings
from gateway_agent.node_keys import GUARDED, WriteSeal
from protocols import modbus, node_auth, node_map

_LOG = logging.getLogger(__name__)
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
    """Asks one unit. One link per unit and bus; the links of one product share its `pace`.

    `seal` is for a node with a key: writes to guarded blocks then carry its tags. `broadcast_seal`, one for all links
    of a bus, does so for broadcasts. `lacks_key`: there is a `seal`, but the node said that it has no key.
    """

    def __init__(
        self,
        owner: BusOwner,
        unit: int,
        settings: LineSettings,
        timing: Timing,
        planned_counts: Collection[int],
        pace: Pace | None = None,
        seal: WriteSeal | None = None,
        broadcast_seal: WriteSeal | None = None,
    ) -> None:
        self.owner = owner
        self.unit = unit
        self.settings = settings
        self.timing = timing
        self._step = Step(planned_counts)
        self._pace = pace or Pace()
        self._turn = asyncio.Lock()
        self.lacks_key = False
        self._seal = seal
        self._broadcast_seal = broadcast_seal

    async def read(
        self,
        ask: Read,
        urgency: Urgency,
        *,
        tries: int | None = None,
        prefixes: Sequence[int] = (),
        on_miss: Callable[[NoAnswerError], None] = lambda error: None,
    ) -> Answer:
        """Read registers, with the unit's retries (or `tries` in all). Raises the NoAnswerError of the last try.

        `prefixes` are register counts from the beginning of `ask` at which a value ends. `on_miss` is told of each try
        that failed.
        """
        error = NoAnswerError(Fault.SILENT)
        for _ in range(self.timing.retries + 1 if tries is None else tries):
            try:
                async with self._turn:
                    return await self._read_once(ask, urgency, prefixes)
            except NoAnswerError as failed:
                error = failed
                on_miss(failed)
                if urgency is Urgency.POLL:
                    # Whoever has not missed goes first.
                    urgency = Urgency.SLOW
                if failed.fault in _NO_USE_TO_RETRY:
                    break
        raise error

    async def write(self, write: Write | WriteFile, urgency: Urgency, *, tries: int | None = None) -> Answer:
        """Write registers (of a file), with the unit's retries (or `tries` in all). Raises the last NoAnswerError.

        What is written must bear being written twice: an answer that was lost does not undo the write.
        """
        error = NoAnswerError(Fault.SILENT)
        is_learned = self._seal is None
        for _ in range(self.timing.retries + 1 if tries is None else tries):
            try:
                async with self._turn:
                    return await self._write_once(write, urgency)
            except NoAnswerError as failed:
                error = failed
                if failed.exception_code == modbus.ILLEGAL_DATA_VALUE and not is_learned:
                    is_learned = True
                    if await self.learn_counters(urgency):
                        continue
                if failed.fault in _NO_USE_TO_RETRY:
                    break
        raise error

    async def learn_counters(self, urgency: Urgency) -> bool:
        """Ask a node with a key which counters it has seen, so that the next tags are above them.

        False, and nothing learned, when it tells nothing: it is away, or was given no key.
        """
        if self._seal is None:
            return False
        ask = Read(self.unit, modbus.READ_HOLDING_REGISTERS, node_map.AUTH, node_map.AUTH_REGISTERS)
        try:
            registers = (await self.read(ask, urgency)).registers
        except NoAnswerError as error:
            _LOG.debug("unit %d: counters: %s", self.unit, error)
            if error.exception_code == modbus.ILLEGAL_DATA_ADDRESS:
                self.lacks_key = True
            return False
        self.lacks_key = not registers[0] & 1
        self._seal.told(_u32(registers, node_map.AUTH_COUNTER - node_map.AUTH))
        if self._broadcast_seal is not None:
            self._broadcast_seal.told(_u32(registers, node_map.AUTH_BROADCAST_COUNTER - node_map.AUTH))
        return True

    async def _write_once(self, write: Write | WriteFile, urgency: Urgency) -> Answer:
        if isinstance(write, Write) and self._seal is not None and write.address in GUARDED:
            return await self._exchange(_sealed_write(write, self._seal), urgency)
        return await self._exchange(write, urgency)

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
        if self._broadcast_seal is not None:
            ask = _sealed_broadcast(ask, self._broadcast_seal)
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


def _sealed_write(write: Write, seal: WriteSeal) -> Write:
    """The same write with counter and tag, made anew each time it goes out."""

    def registers(end_ms: int) -> list[int]:
        return seal.seal(write.unit, write.address, write.registers(end_ms), end_ms, write.content)

    return Write(write.unit, write.address, write.count + node_auth.TAIL_REGISTERS, registers)


def _sealed_broadcast(ask: Broadcast, seal: WriteSeal) -> Broadcast:
    def registers(end_ms: int) -> list[int]:
        return seal.seal(ask.unit, ask.address, ask.registers(end_ms), end_ms)

    return Broadcast(ask.address, ask.count + node_auth.TAIL_REGISTERS, registers)


def _u32(registers: Sequence[int], at: int) -> int:
    return registers[at] << 16 | registers[at + 1]
