"""A disk that fails in the middle of each kind of write: full, read-only or gone, for a while, from each operation on.

Meanwhile the gateway goes on: it polls, raises an alarm, offers commands to its Control. When the disk works again,
every reading that was taken (they all fit the memory), every event and every result must reach the platform once, and
no command may have acted twice. Where the journal cannot be opened at all it is tried again, as the system does. What
is not yet written when the agent is stopped on such a disk is not accepted, and does not count.

The control is a writer that drops a group that it cannot write.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from gateway_agent.control import Control
from gateway_agent.journal import ALARM, EVENT, RESULT, TELEMETRY, JournalError, JournalUnavailable
from gateway_agent.records import Command, Event
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from tests.faults import _journal_world as w
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._faulty_disk import FAULTS, FULL, FaultyDisk, faulty
from tests.faults._journal_hour import NAME, Play, quiet, time_limit
from tests.faults._journal_world import World
from tests.faults._power import Image, lay, memory_folder, take
from tests.faults._progress import OnProgress, silent

READINGS, ALARM_KIND, NODE_EVENT, RECEIVED, ACTING, FINISHED, ACKNOWLEDGE, LOG_FULL, CLOSE, OPEN, FIRST_OPEN = KINDS = (
    "readings",
    "alarm",
    "node-event",
    "received",
    "acting",
    "finished",
    "acknowledge",
    "log-full",
    "close",
    "open",
    "first-open",
)

_DEVICES = ("air", "meter", "lamp_1", "lamp_2", "manhole", "weather")
_HOUR_MS = 3_600_000
_NEVER = 1 << 60
_AWAY_S = 40
_MENDED_S = 80
_RETRY_S = 5
_LIMIT_S = 60
_MOST_OF_A_KIND = 40
_COMMANDS_FROM = 100


class FaultyPlay(Play):
    """Arms its disk at the first mark of the kind `arms_at`; mends it after a while. `counted` is how many operations
    the write in question took."""

    def __init__(self, path: Path, clock: RigClock, world: World, disk: FaultyDisk, fails_from: int) -> None:
        super().__init__(path, clock, world, vfs=disk.vfs_name)
        self.disk = disk
        self.arms_at = ""
        self.counted = 0
        self._fails_from = fails_from

    def arm(self) -> None:
        """The fault may begin."""
        self.disk.arm(self._fails_from)
        asyncio.get_running_loop().call_later(_AWAY_S, self.disk.mend)

    def mark(self, kind: str, what: Any) -> None:
        super().mark(kind, what)
        if kind == self.arms_at:
            self.arms_at = ""
            self.arm()

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[Control]:
        """As `running`, tried again where the journal cannot be opened."""
        while True:
            try:
                context = self.running()
                control = await context.__aenter__()
                break
            except JournalError:
                await asyncio.sleep(_RETRY_S)
        try:
            yield control
        finally:
            await context.__aexit__(None, None, None)


@dataclass(frozen=True)
class Scene:
    """A disk with a journal that was not closed, and what is known of it."""

    image: Image
    world: World


@dataclass(frozen=True)
class Outcome:
    """How one fault went; `counted` are the operations of the write, `refused` those that failed."""

    lost: int
    duplicated: int
    wrong: int
    numbers_reused: int
    commands_twice: int
    counted: int
    refused: int
    why: str


def disk_full(on_progress: OnProgress = silent, most: int = _MOST_OF_A_KIND) -> Row:
    """Every kind of write, every fault, from each operation on, or from `most` of them where there are more."""
    scenes = make_scenes()
    pairs = [(kind, fault) for kind in KINDS for fault in FAULTS]
    with quiet():
        counts = [try_fault(scenes[kind], kind, fault, _NEVER).counted for kind, fault in pairs]
    jobs = [
        (scenes[kind], kind, fault, number)
        for (kind, fault), count in zip(pairs, counts, strict=True)
        for number in range(1, count + 1, -(-count // most) or 1)
    ]
    outcomes = on_all_cores(try_fault, jobs, on_progress)
    sums = {
        key: sum(getattr(outcome, key) for outcome in outcomes)
        for key in ("lost", "duplicated", "wrong", "numbers_reused", "commands_twice", "refused")
    }
    why = next((outcome.why for outcome in outcomes if outcome.why), "")
    survived = sum(not outcome.why for outcome in outcomes)
    row: Row = {"case": "journal/disk-full", "tried": len(jobs), "survived": survived, **sums}
    return {**row, "first": why} if why else row


def make_scenes() -> dict[str, Scene]:
    """For each kind of write the disk that it begins on."""
    with memory_folder() as folder:
        usual = run_virtual(lambda clock: _make_scene(folder, clock, until_log_is_full=False))
    with memory_folder() as folder:
        full = run_virtual(lambda clock: _make_scene(folder, clock, until_log_is_full=True))
    return {**dict.fromkeys(KINDS, usual), LOG_FULL: full, FIRST_OPEN: Scene({}, World())}


async def _make_scene(folder: Path, clock: RigClock, until_log_is_full: bool) -> Scene:
    """Some of everything, a clean close in between; then, if it is wanted, events until the next one moves the log
    into the file."""
    play = Play(folder / NAME, clock, World(), log=())
    for _ in range(2):
        async with play.running() as control:
            for device in _DEVICES:
                play.poll(device)
                await asyncio.sleep(1)
            await play.alarm(state=True)
            command = _lamp_command(len(play.world.commands))
            play.mark(w.ISSUED, command)
            control.offer([command])
            await asyncio.sleep(3)
            await play.journal.flush()
            await play.settle()
            scene = Scene(take(folder), play.world.copy())
            while until_log_is_full and len(play.world.commands) == 2:
                await play.alarm(state=True)
                image = take(folder)
                if image[NAME] != scene.image[NAME]:
                    break
                await asyncio.sleep(1)
                scene = Scene(image, play.world.copy())
    return scene


def try_fault(scene: Scene, kind: str, fault: str, fails_from: int) -> Outcome:
    """One fault of one kind of write, from its operation `fails_from` on."""
    world = scene.world.copy()

    async def main(clock: RigClock) -> int:
        play = FaultyPlay(folder / NAME, clock, world, disk, fails_from)
        await _live(play, kind)
        return play.counted

    why, counted = "", 0
    with memory_folder() as folder, quiet():
        lay(folder, scene.image)
        with faulty(folder, fault) as disk, time_limit(_LIMIT_S):
            try:
                counted = run_virtual(main, start_unix_ms=DEMO_START_UNIX_MS + _HOUR_MS)
            except JournalError as error:
                why = str(error)
    found = world.judge()
    # What waits in memory when the agent is stopped has not been accepted; all else that was taken has to arrive.
    found.lost += 0 if kind == CLOSE else sum(item not in world.places for item in world.offered)
    if not why and not found.is_clean:
        why = str(found)
    sums = (found.lost, found.duplicated, found.wrong, found.numbers_reused, found.commands_twice)
    return Outcome(*sums, counted, disk.refused, why and f"{kind}, {fault} from operation {fails_from} on: {why}")


async def _live(play: FaultyPlay, kind: str) -> None:
    if kind in (OPEN, FIRST_OPEN):
        play.arm()
    async with play.restarted() as control:
        play.counted = play.disk.count
        play.poll("air")
        await asyncio.sleep(1)
        await _write(play, control, kind)
        for second in range(_AWAY_S + _MENDED_S):
            await _second(play, control, second)
            await asyncio.sleep(1)
        await play.journal.flush()
        await play.drain()
        if kind == CLOSE:
            play.poll("air")
            await play.journal.flush()
            play.arm()
    if kind == CLOSE:
        play.counted = play.disk.count
    async with play.restarted() as control:
        for second in range(_AWAY_S + _MENDED_S):
            if second % 10 == 0:
                control.offer(play.world.mailbox())
            await asyncio.sleep(1)
        await play.drain()


async def _write(play: FaultyPlay, control: Control, kind: str) -> None:
    """The write in question, on a disk that may fail in it."""
    if kind in (READINGS, ALARM_KIND, LOG_FULL, NODE_EVENT):
        await _write_record(play, kind)
    elif kind in (RECEIVED, ACTING, FINISHED):
        command = _lamp_command(_COMMANDS_FROM)
        play.mark(w.ISSUED, command)
        if kind == RECEIVED:
            play.arm()
        play.arms_at = {RECEIVED: "", ACTING: w.RECEIVED, FINISHED: w.ACTED}[kind]
        control.offer([command])
        await asyncio.sleep(3)
    elif kind == ACKNOWLEDGE:
        await play.journal.flush()
        records = [record for each in (ALARM, EVENT, RESULT, TELEMETRY) for record in await play.journal.read(each, 8)]
        play.arm()
        await _tried(play.deliver(records))
    else:
        return
    play.counted = play.disk.count


async def _write_record(play: FaultyPlay, kind: str) -> None:
    play.arm()
    if kind == READINGS:
        for _ in range(4):
            for device in _DEVICES:
                play.poll(device)
            await asyncio.sleep(1)
    elif kind == NODE_EVENT:
        event = Event("manhole", "event", "cover", play.clock.unix_ms(), source="node", origin=(9, 1))
        play.mark(w.OFFERED, [event])
        await _tried(play.node_event(event))
    else:
        await _tried(play.alarm(state=True))


async def _second(play: FaultyPlay, control: Control, second: int) -> None:
    """The gateway goes on, whatever the disk does."""
    if second % 5 == 0:
        play.poll(_DEVICES[second // 5 % len(_DEVICES)])
    if second == 7:
        await _tried(play.alarm(state=False))
    if second == 12:
        play.mark(w.ISSUED, _lamp_command(_COMMANDS_FROM + 1))
    if second % 10 == 3:
        control.offer(play.world.mailbox())
    if second % 15 == 4:
        await _tried(play.send())
    for untold in play.world.untold_events():
        await _tried(play.node_event(untold))


async def _tried(work: Awaitable[None]) -> None:
    """Do it; that the journal says that it cannot is an answer."""
    try:
        await work
    except JournalUnavailable:
        return


def _lamp_command(number: int) -> Command:
    return Command(f"c{number}", "lamp", "lamp_1", {"level_pct": number % 100, "hold_s": number})


def disk_full_control(on_progress: OnProgress = silent, groups: int = 100) -> Row:
    """A writer that goes on with the next group where one cannot be written: it must lose."""
    with memory_folder() as folder, faulty(folder, FULL) as disk:
        queue = apsw.Connection(str(folder / NAME), vfs=disk.vfs_name)
        queue.execute("CREATE TABLE queue (content TEXT)")
        lost = 0
        for group in range(groups):
            if group % 10 == 5:
                disk.arm(1)
            try:
                queue.execute("INSERT INTO queue VALUES (?)", (f"group {group}",))
            except apsw.FullError:
                lost += 1
            disk.mend()
            on_progress(group + 1, groups)
        kept = queue.execute("SELECT count(*) FROM queue").get
        queue.close()
    counts = {"tried": groups, "survived": kept, "lost": groups - kept, "refused": lost}
    return {"case": "journal/disk-full-control", **counts, "duplicated": 0, "wrong": 0}


CASES = {"journal/disk-full": disk_full, "journal/disk-full-control": disk_full_control}
