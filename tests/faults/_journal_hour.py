"""An hour of a pole around a real journal, in virtual time, and what a gateway does after a power cut.

`hour` polls devices, raises alarms, hands on node events, carries out commands with the real Control and hands records
to the platform when there is an uplink; `recover` opens what a cut has left and goes on until nothing is owed to
anybody. Both tell a `World` what happens.
"""

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from gateway_agent.control import Control
from gateway_agent.journal import CLASSES, Journal, Record
from gateway_agent.journal.codec import Content
from gateway_agent.journal.commands import StoredCommand
from gateway_agent.records import Command, CommandResult, Event, LampOutcome, Reading
from hardware.rig.clock import RigClock
from tests.faults import _journal_world as w
from tests.faults._journal_world import Mark, Number, World
from tests.faults._power import Operation

ALL_RECORDS = 1_000_000
NAME = "journal.sqlite"
HOUR_S = 3600

_POLL_S = 15
_POINTS = {
    "air": ("pm1_0", "pm2_5", "pm10", "temperature", "humidity"),
    "meter": ("voltage", "current", "power", "energy"),
    "lamp_1": ("level", "power", "hours"),
    "lamp_2": ("level", "power", "hours"),
    "manhole": ("level", "tilt"),
    "weather": ("wind", "rain", "pressure"),
}
_LAMP_S = 1.0
_BATCH = 24
_LOST_ANSWER_EVERY = 7
_EXPIRY_MS = 600_000
_PATIENCE = 60


@dataclass(frozen=True)
class Script:
    """What happens in `seconds`: no uplink for the first twelfth and the two in the middle, where the journal is closed
    and opened again."""  # fmt: skip

    seconds: int = HOUR_S
    alarm_every_s: int = 120
    event_every_s: int = 75
    command_every_s: int = 90
    uplink_every_s: int = 30

    def has_uplink(self, second: int) -> bool:
        """Whether the platform can be reached."""
        twelfth = self.seconds // 12
        return twelfth <= second < 5 * twelfth or 7 * twelfth <= second


HOUR = Script()


class NotingJournal(Journal):
    """The real journal, which also tells its play what it has answered about commands."""

    play: "Play"

    async def receive_command(self, command: Command) -> StoredCommand:
        stored = await super().receive_command(command)
        self.play.mark(w.RECEIVED, command.id)
        return stored

    async def finish_command(self, result: CommandResult) -> None:
        await super().finish_command(result)
        self.play.mark(w.ENDED, result.command_id)


@contextmanager
def quiet() -> Iterator[None]:
    """The agent's log is not shown: what is told there thousands of times is what is being provoked."""
    logger = logging.getLogger("gatepost")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError when what is done takes longer, in real time; only for a process's main thread."""

    def give_up(signal_number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"it has not ended within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def number_of(record: Record) -> Number:
    """What the platform stores a record by."""
    return record.epoch, record.sequence


async def read_all(journal: Journal) -> dict[Number, Content]:
    """Everything that waits."""
    records = [record for each in CLASSES for record in await journal.read(each, ALL_RECORDS)]
    return {number_of(record): record.content for record in records}


class Play:
    """A journal and the world around it; is the nodes of its Control. `log` is the disk's; without one nothing is
    marked as accepted before the platform has it."""

    def __init__(
        self,
        path: Path,
        clock: RigClock,
        world: World,
        *,
        vfs: str | None = None,
        log: Sequence[Operation] | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self.world = world
        self.marks: list[Mark] = []
        self._vfs = vfs
        self._log = log
        self._has_committed = False
        self._journal: NotingJournal | None = None
        self._deliveries = 0

    @property
    def journal(self) -> NotingJournal:
        """The open journal."""
        if self._journal is None:
            raise LookupError("the journal is not open")
        return self._journal

    def mark(self, kind: str, what: Any) -> None:
        """It is so from now on."""
        mark = Mark(len(self._log or ()), self.clock.unix_ms(), kind, what)
        self.marks.append(mark)
        self.world.apply(mark)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Control]:
        """A gateway: the journal open, commands carried out; closed cleanly at the end."""
        self._journal = NotingJournal.open(self.path, self.clock, vfs=self._vfs)
        self._journal.play = self
        self._journal.subscribe(self._note_commit)
        control = Control(self._journal, self, self.clock)
        task = asyncio.create_task(control.run())
        try:
            yield control
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self._journal.close()

    async def settle(self) -> None:
        """Note what was committed since the last time."""
        while self._has_committed and self._log is not None:
            self._has_committed = False
            found = await read_all(self.journal)
            self.mark(w.ACCEPTED, [each for each in found.items() if each[0] not in self.world.accepted])

    def poll(self, device: str) -> None:
        """The device answers."""
        now_ms = self.clock.unix_ms()
        readings = [Reading(f"{device}/{point}", now_ms, now_ms // 1000 % 997, -1) for point in _POINTS[device]]
        self.mark(w.OFFERED, readings)
        self.journal.add_readings(readings)

    async def alarm(self, state: bool) -> None:
        """The gateway raises or clears an alarm."""
        event = Event("manhole/level", "alarm", "high", self.clock.unix_ms(), state=state)
        self.mark(w.OFFERED, [event])
        await self._store(event)

    async def node_event(self, event: Event) -> None:
        """A node offers its event, until it is told that it is safe."""
        await self._store(event)

    async def deliver(self, records: list[Record], answer_is_lost: bool = False) -> None:
        """The platform stores records; the gateway acknowledges them unless the platform's answer is lost."""
        found = [(number_of(record), record.content) for record in records]
        self.mark(w.DELIVERED, self.world.shared(found))
        if not answer_is_lost:
            await self.journal.acknowledge([record.sequence for record in records])
            self.mark(w.ACKNOWLEDGED, [number for number, _ in found])

    async def send(self) -> None:
        """One turn of the uplink: some of each class, the most urgent first; some answers are lost."""
        for each in CLASSES:
            records = await self.journal.read(each, _BATCH)
            if records:
                self._deliveries += 1
                await self.deliver(records, self._deliveries % _LOST_ANSWER_EVERY == 0)

    async def drain(self) -> None:
        """Everything that waits goes to the platform."""
        for each in CLASSES:
            while records := await self.journal.read(each, ALL_RECORDS):
                await self.deliver(records)

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int, reason: int
    ) -> LampOutcome:
        """A lamp does what it is told: `hold_s` names the command."""
        self.mark(w.ACTED, f"c{hold_s}")
        await asyncio.sleep(_LAMP_S)
        return LampOutcome("confirmed", level_pct, "")

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        """A manhole does what it is told: `acknowledge` names the command."""
        self.mark(w.ACTED, f"c{acknowledge}")
        return LampOutcome("confirmed", None, "")

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        """A lamp tells what level it has."""
        last = self.world.levels.get(target)
        level_pct = 0 if last is None else self.world.commands[last].arguments["level_pct"]
        return LampOutcome("confirmed", level_pct, "")

    async def _store(self, event: Event) -> None:
        stored = await self.journal.add_event(event)
        if stored.is_safe:
            self.mark(w.TOLD, event)

    def _note_commit(self) -> None:
        self._has_committed = True


async def hour(play: Play, script: Script) -> None:
    """The whole script. Leaves the journal closed."""
    middle = script.seconds // 2
    for seconds in (range(middle), range(middle, script.seconds)):
        async with play.running() as control:
            for second in seconds:
                await _second(play, control, script, second)
                await asyncio.sleep(1)
                await play.settle()
            await play.journal.flush()
            await play.settle()


async def _second(play: Play, control: Control, script: Script, second: int) -> None:
    for number, device in enumerate(_POINTS):
        if second % _POLL_S == number:
            play.poll(device)
    if second % script.alarm_every_s == script.alarm_every_s // 2:
        await play.alarm(state=second // script.alarm_every_s % 2 == 0)
        await play.settle()
    if second % script.event_every_s == script.event_every_s // 3:
        origin = (7, second // script.event_every_s)
        event = Event("manhole", "event", "cover", play.clock.unix_ms(), value=second, source="node", origin=origin)
        play.mark(w.OFFERED, [event])
    for untold in play.world.untold_events():
        await play.node_event(untold)
        await play.settle()
    if second % script.command_every_s == script.command_every_s // 4 and not play.world.mailbox():
        for command in _commands(1 + second // script.command_every_s, play.clock.unix_ms()):
            play.mark(w.ISSUED, command)
    if script.has_uplink(second) and second % script.uplink_every_s == 11:
        control.offer(play.world.mailbox())
        await play.send()


def _commands(number: int, now_ms: int) -> list[Command]:
    """Three commands, of which a lamp gets two; each holds its number where the nodes find it again."""
    first, second, third = 3 * number, 3 * number + 1, 3 * number + 2
    expires_ms = now_ms + _EXPIRY_MS if number % 3 == 0 else 0
    return [
        Command(f"c{first}", "lamp", "lamp_1", {"level_pct": first % 100, "hold_s": first}, expires_ms),
        Command(f"c{second}", "lamp", "lamp_1", {"level_pct": second % 100, "hold_s": second}),
        Command(f"c{third}", "manhole", "node", {"acknowledge": third}),
    ]


async def recover(play: Play) -> None:
    """What a gateway does after a start: old readings and commands, a few new ones, and all of it to the platform."""
    async with play.running() as control:
        control.offer(play.world.mailbox())
        for untold in play.world.untold_events():
            await play.node_event(untold)
        play.poll("air")
        await play.alarm(state=True)
        await play.settle()
        for _ in range(_PATIENCE):
            await asyncio.sleep(_LAMP_S)
            if play.world.commands.keys() <= play.world.ended and not await play.journal.unfinished_commands():
                break
        await play.drain()
        play.poll("meter")
        await play.journal.flush()
        await play.settle()
        await play.drain()
