"""A damaged journal: flipped bits, zeroed sectors and blocks, swapped pages, files cut short, in the file and its log.

The journal was not closed, so its log has content. After each damage it is opened with the real code, read wholly, and
takes a new record. `wrong` are records whose content is not what was accepted under their number, `duplicated` those
that have another epoch now, so that a platform that had them stores them again, `lost` are records that are missing and
not told to be missing. `salvaged_share` is how much of what waited could still be read under its number.
`crashed` counts errors that would end the agent and starts that never end, `commands_open_again` commands that had
ended and are offered to be carried out again. The control is a queue without checksums: it must hand out wrong values.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import apsw

from gateway_agent.journal import EVENT, TELEMETRY, Journal, JournalError
from gateway_agent.journal.codec import Content
from gateway_agent.journal.commands import ACTING, RECEIVED
from gateway_agent.records import Command, CommandResult, Event, Reading
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from tests.faults._cases import Row
from tests.faults._cores import on_all_cores
from tests.faults._damage import damage
from tests.faults._inline import run_inline
from tests.faults._journal_hour import ALL_RECORDS, NAME, number_of, quiet, read_all, time_limit
from tests.faults._journal_world import Number
from tests.faults._power import Image, lay, memory_folder, take
from tests.faults._progress import OnProgress, silent

DAMAGES = 10_000
_DAMAGES_OF_CONTROL = 1000
_OF_A_JOB = 100
_RECORDS = 500
_GROUP = 16
_COMMANDS = 20
_LIMIT_S = 20
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Scene:
    """A disk with a journal, what waits in it, what the platform has, and the commands that have ended."""

    image: Image
    waiting: dict[Number, Content]
    left: dict[Number, Content]
    ended: frozenset[str]


@dataclass
class Tally:
    """Sums over damages."""

    tried: int = 0
    survived: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    numbers_reused: int = 0
    crashed: int = 0
    opened: int = 0
    commands_open_again: int = 0
    salvaged: int = 0
    open_ms_max: int = 0
    first: str = ""

    def add(self, other: "Tally") -> None:
        """Add the sums of other damages."""
        self.open_ms_max = max(self.open_ms_max, other.open_ms_max)
        self.first = self.first or other.first
        for each in fields(self):
            if each.name not in ("open_ms_max", "first"):
                setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))

    def row(self, case: str, waiting: int) -> Row:
        """The row of a case; the first damage that was not survived stands in it as `first`."""
        row: Row = {"case": case, **vars(self)}
        row["salvaged_share"] = round(self.salvaged / (waiting * self.tried), 3)
        return {key: value for key, value in row.items() if key != "salvaged" and value != ""}


def damaged(on_progress: OnProgress = silent, damages: int = DAMAGES, records: int = _RECORDS) -> Row:
    """A journal of so many records, damaged so many times."""
    scene = make_scene(records)
    jobs = [(scene, range(first, min(first + _OF_A_JOB, damages))) for first in range(0, damages, _OF_A_JOB)]
    tally = Tally()
    for part in on_all_cores(try_damages, jobs, on_progress):
        tally.add(part)
    return tally.row("journal/damage", len(scene.waiting))


def make_scene(records: int = _RECORDS) -> Scene:
    """A journal that was closed once, so that its file has content, and then went on, so that its log has."""

    async def main(clock: RigClock) -> Scene:
        journal = Journal.open(folder / NAME, clock)
        await _fill(journal, clock, records * 2 // 3)
        left = dict(list((await read_all(journal)).items())[: records // 8])
        await journal.acknowledge([sequence for _, sequence in left])
        await journal.close()
        journal = Journal.open(folder / NAME, clock)
        await _fill(journal, clock, records // 3)
        for number in range(_COMMANDS):
            await journal.receive_command(Command(f"c{number}", "lamp", "lamp", {"level_pct": number}))
            await journal.begin_command(f"c{number}")
            result = CommandResult(f"c{number}", "confirmed", "", clock.unix_ms(), number)
            await journal.finish_command(result)
        found = Scene(take(folder), await read_all(journal), left, frozenset(f"c{n}" for n in range(_COMMANDS)))
        await journal.close()
        return found

    with memory_folder() as folder:
        return run_virtual(main)


async def _fill(journal: Journal, clock: RigClock, records: int) -> None:
    for number in range(records):
        values = {"pm2_5": 100 + number % 400, "temperature": 200 + number % 50, "humidity": 400 + number % 300}
        readings = [Reading(f"air/{point}", clock.unix_ms() + number, value, -1) for point, value in values.items()]
        journal.add_readings(readings)
        if number % _GROUP == 0:
            await journal.add_event(Event("air", "event", "tick", clock.unix_ms() + number, value=number))
    await journal.flush()


def try_damages(scene: Scene, numbers: range) -> Tally:
    """Do these damages, each to the whole scene."""
    tally = Tally()
    with memory_folder() as folder, quiet():
        for number in numbers:
            what, image = damage(scene.image, NAME, number)
            lay(folder, image)
            tally.add(_judge(scene, folder, f"damage {number}, {what}"))
    return tally


def _judge(scene: Scene, folder: Path, what: str) -> Tally:
    async def main(clock: RigClock) -> Tally:
        began_s = time.perf_counter()
        journal = Journal.open(folder / NAME, clock)
        tally = Tally(1, opened=1, open_ms_max=int(1000 * (time.perf_counter() - began_s)))
        try:
            found = await read_all(journal)
            last = journal.last_sequence
            open_again = [each for each in await journal.unfinished_commands() if each.state in (RECEIVED, ACTING)]
            tally.commands_open_again = sum(each.command.id in scene.ended for each in open_again)
            journal.add_readings([Reading("air/pm2_5", clock.unix_ms(), 1, 0)])
            await journal.flush()
            new = {number_of(each) for each in await journal.read(TELEMETRY, ALL_RECORDS, after=last)}
            tally.numbers_reused = len(new & (scene.waiting.keys() | scene.left.keys()))
            tally.lost += not new
            reports = [each.content for each in await journal.read(EVENT, ALL_RECORDS)]
            _compare(scene, found, [*journal.missing, *_told_one_by_one(reports)], tally)
        finally:
            await journal.close()
        return tally

    try:
        with time_limit(_LIMIT_S):
            tally = run_inline(main, start_unix_ms=DEMO_START_UNIX_MS + _DAY_MS)
    except JournalError as error:
        return Tally(1, lost=len(scene.waiting), first=f"{what}: {error}")
    except Exception as error:  # whatever it is, it would end the agent, and that is what is counted
        return Tally(1, lost=len(scene.waiting), crashed=1, first=f"{what}: {type(error).__name__}: {error}")
    tally.survived = int(not (tally.lost or tally.duplicated or tally.wrong or tally.numbers_reused))
    tally.first = "" if tally.survived else f"{what}: {tally}"
    return tally


def _told_one_by_one(reports: Sequence[Content]) -> list[tuple[int, int]]:
    """Records that the journal has set aside because it cannot read them."""
    values = [each.value for each in reports if isinstance(each, Event) and each.code == "record-damaged"]
    return [(value, value) for value in values if value is not None]


def _compare(scene: Scene, found: dict[Number, Content], told: Sequence[tuple[int, int]], tally: Tally) -> None:
    known = scene.waiting | scene.left
    by_sequence = {sequence: content for (_, sequence), content in known.items()}
    for number, content in found.items():
        if number not in known and by_sequence.get(number[1]) == content:
            tally.duplicated += 1
        elif not (number[1] not in by_sequence and isinstance(content, Event) and content.name == "journal"):
            tally.wrong += known.get(number) != content
    tally.salvaged = len(scene.waiting.keys() & found.keys())
    gone = {sequence for _, sequence in scene.waiting} - {sequence for _, sequence in found}
    tally.lost += sum(not any(first <= sequence <= last for first, last in told) for sequence in gone)


def damaged_control(on_progress: OnProgress = silent, damages: int = _DAMAGES_OF_CONTROL) -> Row:
    """The same damages to a queue without checksums."""
    tally = Tally()
    with memory_folder() as folder:
        image, rows = _make_queue(folder)
        for number in range(damages):
            what, broken = damage(image, NAME, number)
            lay(folder, broken)
            tally.add(_judge_queue(folder, rows, f"damage {number}, {what}"))
            on_progress(number + 1, damages)
    return tally.row("journal/damage-control", len(rows))


def _make_queue(folder: Path) -> tuple[Image, dict[int, bytes]]:
    queue = apsw.Connection(str(folder / NAME))
    queue.execute("PRAGMA journal_mode = WAL")
    queue.execute("CREATE TABLE queue (number INTEGER PRIMARY KEY AUTOINCREMENT, content BLOB)")
    rows = {number: b"air/pm2_5 %d" % (number * 7919 % 1000) for number in range(1, _RECORDS + 1)}
    for group in range(0, _RECORDS, _GROUP):
        with queue:
            queue.executemany("INSERT INTO queue VALUES (?, ?)", list(rows.items())[group : group + _GROUP])
        if group == _RECORDS // 2 // _GROUP * _GROUP:
            queue.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    image = take(folder)
    queue.close()
    return image, rows


def _judge_queue(folder: Path, rows: dict[int, bytes], what: str) -> Tally:
    tally = Tally(1)
    try:
        queue = apsw.Connection(str(folder / NAME))
        try:
            found: list[Any] = queue.execute("SELECT number, content FROM queue").fetchall()
        finally:
            queue.close(True)
        tally.opened = 1
    except apsw.Error as error:
        found, tally.first = [], f"{what}: {error}"
    tally.wrong = sum(rows.get(number) != content for number, content in found)
    tally.salvaged = sum(rows.get(number) == content for number, content in found)
    tally.lost = len(rows.keys() - {number for number, _ in found})
    tally.survived = int(not (tally.lost or tally.wrong))
    return tally


CASES = {"journal/damage": damaged, "journal/damage-control": damaged_control}
