"""A year without a platform within a small budget: what was thinned still adds up, hour by hour, for each point.

A pole of 42 points, each its own device, is measured every ten minutes in virtual time: some 80 MB as they come in,
with a budget of 64 MiB. Alarms come four times a day, the agent is restarted each 30 days. Afterwards everything is
sent to the platform's store, an eighth of it through the bytes of the wire, and count, least, greatest and sum of each
hour and point are compared with those that were reckoned while measuring. The control deletes the oldest instead of
thinning it.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

import apsw

from gateway_agent.journal import CLASSES, Budget, Journal, Record, thinner
from gateway_agent.journal.schema import WAITING
from gateway_agent.journal.thinning import Step
from gateway_agent.journal.transaction import Transaction
from gateway_agent.records import Event, Reading, Thinned
from gateway_agent.uplink.batches import Batch, build_batch
from hardware.rig.clock import DEMO_START_UNIX_MS, RigClock, run_virtual
from hardware.rig.platform_messages import (
    Item,
    SentAlarm,
    SentEvent,
    SentReading,
    SentRecord,
    SentWindow,
    read_message,
)
from hardware.rig.platform_store import PlatformStore
from tests.faults._cases import Row
from tests.faults._progress import OnProgress

POINTS = 42
EVERY_MS = 600_000
HOUR_MS = 3_600_000
_ALARM_HOURS = 6
_RESTART_DAYS = 30
_GATEWAY = "gp-year"
_AT_ONCE = 4000
_WIRE_EACH = 8
"""One record in so many takes the way over the wire; the others would take minutes that show nothing more."""
_DRAIN_SHARE = 0.4
"""How much of the work the drain is, for the progress bar."""

Figures = list[int]
"""count, least, greatest, total"""


@dataclass(frozen=True)
class Outage:
    """How long nobody is there, and what the journal may hold; both in what a case asks for."""

    days: int
    budget: Budget


@dataclass
class Truth:
    """What was measured: the figures of each (point, hour), and the alarms."""

    hours: dict[tuple[str, int], Figures]
    alarms: set[tuple[str, int, bool]]
    most_bytes: int = 0
    thinned_records: int = 0


def year(on_progress: OnProgress, days: int = 365, budget_bytes: int = 64 << 20) -> Row:
    """The case."""
    return _run("journal/thinning", Outage(days, Budget(budget_bytes)), on_progress)


def cut_off(on_progress: OnProgress, days: int = 30, budget_bytes: int = 4 << 20) -> Row:
    """The control: the oldest is deleted."""
    with _deleting():
        return _run("journal/thinning-control", Outage(days, Budget(budget_bytes)), on_progress)


def _run(case: str, outage: Outage, on_progress: OnProgress) -> Row:
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=fast if fast.is_dir() else None) as name:
        folder = Path(name)
        truth = run_virtual(lambda clock: _measure(folder, clock, outage, on_progress))
        sent = asyncio.run(_drain(folder, on_progress))
        return _compare(case, folder / "platform.sqlite", truth, outage) | {"messages": sent}


async def _measure(folder: Path, clock: RigClock, outage: Outage, on_progress: OnProgress) -> Truth:
    """Measure until the outage is over; nobody ever answers."""
    random = Random(7)
    truth = Truth({}, set())
    names = [f"point_{number:02}/value" for number in range(POINTS)]
    values = [random.randrange(-500, 5000) for _ in names]
    journal = _open(folder, clock, outage)
    rounds = outage.days * 86_400_000 // EVERY_MS
    for number in range(rounds):
        now_ms = clock.unix_ms()
        hour = now_ms // HOUR_MS
        for place, point in enumerate(names):
            value = values[place] = values[place] + random.getrandbits(5) - 15
            journal.add_readings([Reading(point, now_ms, value, -1)])
            figures = truth.hours.get((point, hour))
            if figures is None:
                truth.hours[point, hour] = [1, value, value, value]
            else:
                figures[0] += 1
                figures[1] = min(figures[1], value)
                figures[2] = max(figures[2], value)
                figures[3] += value
        if now_ms % (_ALARM_HOURS * HOUR_MS) == 0:
            state = bool(now_ms // (_ALARM_HOURS * HOUR_MS) % 2)
            await journal.add_event(Event("cover/open", "alarm", "opened", now_ms, state))
            truth.alarms.add(("cover/open", now_ms, state))
        await asyncio.sleep(EVERY_MS / 1000)
        if number % 200 == 0:
            truth.most_bytes = max(truth.most_bytes, _disk_bytes(folder))
            on_progress(round(number / rounds * (1 - _DRAIN_SHARE) * 1000), 1000)
        if (number + 1) * EVERY_MS % (_RESTART_DAYS * 86_400_000) == 0:
            truth.thinned_records += journal.thinned_records
            await journal.close()
            journal = _open(folder, clock, outage)
    truth.thinned_records += journal.thinned_records
    await journal.close()
    return truth


def _disk_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("journal*"))


def _open(folder: Path, clock: RigClock, outage: Outage) -> Journal:
    path = folder / "journal.sqlite"
    return Journal.open(path, clock, commit_s=3600, commit_readings=10 * POINTS, budget=outage.budget)


async def _drain(folder: Path, on_progress: OnProgress) -> int:
    """Send everything to the platform's store, the past as the uplink does, and return how many messages that took."""
    clock = RigClock(asyncio.get_running_loop(), DEMO_START_UNIX_MS + 400 * 86_400_000)
    journal = Journal.open(folder / "journal.sqlite", clock, budget=Budget(1 << 40))
    depth, messages = journal.depth, 0
    with ProcessPoolExecutor(1) as platform:
        stored = []
        for record_class in CLASSES:
            after = 0
            while records := await journal.read(record_class, _AT_ONCE, after):
                after = records[-1].sequence
                await journal.note_sending([record.sequence for record in records])
                batches, rest = _on_the_way(records)
                messages += len(batches)
                if len(stored) > 1:
                    stored[-2].result()
                stored.append(platform.submit(_take, folder / "platform.sqlite", batches, rest, records[0].epoch))
                await journal.acknowledge([record.sequence for record in records])
                on_progress(1000 - round(_DRAIN_SHARE * 1000 * journal.depth / depth), 1000)
        for each in stored:
            each.result()
    if journal.depth:
        raise RuntimeError(f"{journal.depth} records were not sent")
    await journal.close()
    return messages


def _on_the_way(records: Sequence[Record]) -> tuple[list[Batch], list[SentRecord]]:
    """The first of them as messages of the wire, one in _WIRE_EACH records; the others as what such a message says."""
    wired = list(records[: len(records) // _WIRE_EACH + 1])
    rest = [_as_sent(record) for record in records[len(wired) :]]
    batches = []
    while wired:
        batches.append(build_batch(wired, _GATEWAY, {}))
        del wired[: len(batches[-1].sequences)]
    return batches, rest


def _as_sent(record: Record) -> SentRecord:
    content = record.content
    items: list[Item] = []
    if isinstance(content, tuple):
        items += [SentReading(each.point, each.time_ms, each.value, each.exponent, each.kind, "") for each in content]
    elif isinstance(content, Thinned):
        items += [SentWindow(*astuple(window), unit="", replaces=content.replaces) for window in content.windows]
    elif isinstance(content, Event) and content.kind == "alarm":
        items.append(SentAlarm(content.name, content.time_ms, content.state is True, content.code, "", content.value))
    elif isinstance(content, Event):
        items.append(SentEvent(content.name, content.time_ms, content.code, "", content.value, content.detail))
    return SentRecord(record.sequence, tuple(items), record.trusted)


def _take(path: Path, batches: list[Batch], rest: list[SentRecord], epoch: int) -> None:
    """What the platform does with them, in a process of its own; every tenth message comes twice."""
    store = PlatformStore(path)
    for number, batch in enumerate(batches):
        records = read_message(batch.payload, _GATEWAY, DEMO_START_UNIX_MS)
        for _ in range(1 + (number % 10 == 0)):
            store.store(_GATEWAY, batch.epoch, records, DEMO_START_UNIX_MS, is_late=True)
    store.store(_GATEWAY, epoch, rest, DEMO_START_UNIX_MS, is_late=True)
    store.close()


def _compare(case: str, platform: Path, truth: Truth, outage: Outage) -> Row:
    found: dict[tuple[str, int], Figures] = {}
    with _rows(platform) as rows:
        for point, time_ms, count, least, greatest, total in rows(
            "SELECT point, time_ms, 1, value, value, value FROM readings UNION ALL "
            "SELECT point, time_ms, count, least, greatest, total FROM windows"
        ):
            figures = found.setdefault((point, time_ms // HOUR_MS), [0, least, greatest, 0])
            figures[0] += count
            figures[1] = min(figures[1], least)
            figures[2] = max(figures[2], greatest)
            figures[3] += total
        alarms = list(rows("SELECT point, time_ms, state FROM alarms"))
        spans = dict(rows("SELECT span_s / 60, count(*) FROM windows GROUP BY span_s"))
        fresh = next(rows("SELECT count(*) FROM readings"))[0]
        reports = next(rows("SELECT count(*) FROM events WHERE code = 'thinned'"))[0]
    alarms_found = {(point, time_ms, bool(state)) for point, time_ms, state in alarms}
    lost = sum(1 for key, figures in truth.hours.items() if found.get(key, [0])[0] < figures[0])
    doubled = sum(1 for key, figures in found.items() if figures[0] > truth.hours.get(key, [0])[0])
    right = sum(1 for key, figures in truth.hours.items() if found.get(key) == figures)
    lost_alarms = len(truth.alarms - alarms_found)
    tried = len(truth.hours) + len(truth.alarms)
    survived = right + len(truth.alarms & alarms_found)
    doubled_alarms = len(alarms) - len(alarms_found)
    wrong = len(truth.hours) - right - lost - doubled + len(alarms_found - truth.alarms)
    return {
        "case": case,
        "tried": tried,
        "survived": survived,
        "lost": lost + lost_alarms,
        "duplicated": doubled + doubled_alarms,
        "wrong": max(0, wrong),
        "readings": sum(figures[0] for figures in truth.hours.values()),
        "alarms": len(truth.alarms),
        "most_disk_mib": round(truth.most_bytes / (1 << 20), 1),
        "budget_mib": outage.budget.disk_bytes >> 20,
        "thinned_records": truth.thinned_records,
        "thinning_reports": reports,
        "fresh_readings": fresh,
        **{f"windows_{minutes}_min": count for minutes, count in sorted(spans.items())},
    }


@contextmanager
def _rows(path: Path) -> Iterator[Callable[[str], Iterator[tuple[Any, ...]]]]:
    connection = apsw.Connection(str(path))
    try:
        yield lambda query: iter(connection.execute(query))
    finally:
        connection.close()


@contextmanager
def _deleting() -> Iterator[None]:
    """Instead of being thinned, the oldest rows go."""

    def delete(transaction: Transaction, record_class: int, before_ms: int | None = None) -> Step | None:
        rows = transaction.connection.execute(
            f"SELECT sequence FROM record WHERE class = ? AND state = {WAITING} ORDER BY sequence LIMIT 500",
            (record_class,),
        ).fetchall()
        for (sequence,) in rows:
            transaction.retire(sequence)
        return Step(0, 0, 60, len(rows), 0) if rows else None

    with patch.object(thinner, "thin_oldest", delete):
        yield


CASES = {"journal/thinning": year, "journal/thinning-control": cut_off}
