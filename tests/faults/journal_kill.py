"""SIGKILL of the whole agent under load, at random instants: it starts again, and nothing accepted is lost or doubled.

A third of the kills with the platform present, a third with one that comes and goes behind a lossy radio, a third with
one that is never there until the end. One kill in six falls into the start. Before some starts the rig damages a row
whose copy is sound, so that the journal must be repaired and nothing may be missing; kills fall into that repair too.

`survived` are kills after which an agent, started again, has told its status. `accepted` are readings. Section 0 of the
reliability study: a kill loses nothing even where nothing is synced, so the disk cannot be what the controls break.
"""

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from random import Random
from typing import Any

from gateway_agent.journal.items import TABLES
from gateway_agent.journal.schema import open_file
from gateway_agent.records import Command
from hardware.rig.agent_process import AgentError, AgentProcess
from hardware.rig.relay import RadioFaults
from tests.faults._cores import on_all_cores
from tests.faults._kill_count import Figures, Ledger, add, count
from tests.faults._kill_pole import KillPole
from tests.faults._progress import OnProgress, silent

PRESENT, COMES_AND_GOES, ABSENT = "present", "comes-and-goes", "absent-from-start"
PLATFORMS = (PRESENT, COMES_AND_GOES, ABSENT)
KILLS, CONTROL_KILLS = 300, 20
_CORES = 2
_LIFE_S = (0.5, 2.5)
_START_SHARE, _REPAIR_SHARE, _AGAIN_SHARE = 0.12, 0.06, 0.5
_COMMAND_SHARE = 0.25
_LONGEST_START_S, _LONGEST_DRAIN_S = 60.0, 180.0
_QUICK = RadioFaults(delay_s=0.02, jitter_s=0.03)
_LOSSY = RadioFaults(loss=0.2, delay_s=0.1, jitter_s=0.1)
_SLOW = RadioFaults(delay_s=0.2)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """One pole's run. `promise` are the figures of the status whose sum counts as accepted.

    `is_forgetful`: its platform does not remember what it has.
    """

    platform: str
    kills: int
    seed: int
    commit_s: float = 0.4
    radio: RadioFaults = _QUICK
    promise: tuple[str, ...] = ("committed",)
    is_forgetful: bool = False


@dataclass
class Outcome:
    """What became of a plan; `in_start` and `in_repair` are the kills that fell there.

    `repeated` are records that came to the platform although it had them.
    """

    tried: int = 0
    survived: int = 0
    in_start: int = 0
    in_repair: int = 0
    repeated: int = 0
    crashed: int = 0
    last_words: str = ""
    figures: Figures = field(default_factory=Figures)


class Victim(AgentProcess):
    """An agent that is killed a moment after it was asked, or without being asked."""

    async def ask(self) -> dict[str, Any]:
        """Its status just now."""
        await self._look_once()
        return self.latest

    async def kill_now(self) -> None:
        """SIGKILL. Raises AgentError when it had ended by itself."""
        self.check()
        await self._end(signal.SIGKILL, within_s=10)


def kill(on_progress: OnProgress = silent, kills: int = KILLS) -> Row:
    """As the module says; `kills` in all; two processes with three poles each."""
    share = kills // (_CORES * len(PLATFORMS))
    jobs = [
        [
            Plan(platform, share, len(PLATFORMS) * core + place, radio=_LOSSY if platform == COMES_AND_GOES else _QUICK)
            for place, platform in enumerate(PLATFORMS)
        ]
        for core in range(_CORES)
    ]
    return _row("journal/kill", jobs, on_progress)


def kill_control(on_progress: OnProgress = silent, kills: int = CONTROL_KILLS) -> Row:
    """An agent that calls accepted what it still holds in memory: that is gone with it, so it must lose.

    Without a platform, for before each message the uplink has all committed that waits. `lost` is what the worst kill
    took.
    """
    plan = Plan(ABSENT, kills, seed=7, commit_s=5.0, promise=("committed", "pending"))
    return _row("journal/kill-control", [[plan]], on_progress)


def forgetful_control(on_progress: OnProgress = silent, kills: int = CONTROL_KILLS) -> Row:
    """A platform that does not remember what it has, behind a slow radio: what it stored while its answer was on the
    way to an agent that was killed comes again, so it must double."""
    plan = Plan(PRESENT, kills, seed=8, radio=_SLOW, is_forgetful=True)
    return _row("journal/kill-forgetful-control", [[plan]], on_progress)


CASES = {
    "journal/kill": kill,
    "journal/kill-control": kill_control,
    "journal/kill-forgetful-control": forgetful_control,
}


def run_plans(plans: Sequence[Plan]) -> list[Outcome]:
    """Kill the agents of these poles as planned, all at the same time, and count. Needs no running event loop."""

    async def run_all() -> list[Outcome]:
        return await asyncio.gather(*map(_run, plans))

    return asyncio.run(run_all())


async def _run(plan: Plan) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="gatepost-kill-") as folder:
        return await _run_in(Path(folder), plan)


async def _run_in(folder: Path, plan: Plan) -> Outcome:
    async with KillPole(folder, plan.seed, plan.commit_s, plan.radio, is_forgetful=plan.is_forgetful) as pole:
        slaughter = _Slaughter(plan, folder, pole)
        with _going(pole, plan):
            for _ in range(plan.kills):
                await slaughter.kill_once()
        await slaughter.drain()
        given = pole.given()
    outcome = slaughter.outcome
    outcome.repeated = pole.platform.counters.repeated_records
    outcome.figures = count(
        slaughter.ledger, pole.platform_path, given, slaughter.damages, commands_sent=slaughter.commands
    )
    return outcome


class _Slaughter:
    """One pole's agents, one after another."""

    def __init__(self, plan: Plan, folder: Path, pole: KillPole) -> None:
        self.outcome = Outcome()
        self.ledger = Ledger()
        self.damages = 0
        self.commands = 0
        self._plan = plan
        self._pole = pole
        self._random = Random(plan.seed)
        self._victim = Victim(pole.pole_toml, folder)
        self._unanswered = 0
        self._start_s = 1.0
        self._is_whole = False
        pole.platform.listeners.append(self.ledger.hear)

    async def kill_once(self) -> None:
        """Start an agent, kill it, and look at what it leaves."""
        random, choice = self._random, self._random.random()
        if random.random() < _COMMAND_SHARE:
            self._send_command()
        wants_repair = choice < _REPAIR_SHARE
        if wants_repair and self._is_whole:
            self._damage()
        must_repair = self.damages > 0 and (wants_repair or not self._is_whole)
        try:
            await self._victim.start()
            if must_repair and (wants_repair or choice < _AGAIN_SHARE):
                await self._wait_for_repair()
            elif choice < _REPAIR_SHARE + _START_SHARE:
                await asyncio.sleep(random.uniform(0, self._start_s))
            else:
                await self._live(random.uniform(*_LIFE_S))
            self.outcome.in_start += not self._victim.latest
            await self._victim.kill_now()
        except AgentError as error:
            await self._mourn(error)
        self.outcome.tried += 1
        self._unanswered += 1
        self._is_whole = self.ledger.look(self._pole.journal_path)
        self.outcome.in_repair += bool(must_repair) and not self._is_whole

    async def drain(self) -> None:
        """Let a last agent bring everything to the platform, and look at what its journal told and holds at the end."""
        self._pole.settle()
        try:
            await self._victim.start()
            await self._first_status()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST_DRAIN_S):
                    while not self._is_drained():
                        self._victim.check()
                        await asyncio.sleep(0.1)
            await self._victim.stop(within_s=20)
            self._hear(self._victim.finished[-1]["journal"])
        except AgentError as error:
            await self._mourn(error)
        self.ledger.look(self._pole.journal_path)

    async def _live(self, life_s: float) -> None:
        await self._first_status()
        await asyncio.sleep(life_s)
        status = await self._victim.ask()
        if status:
            self._hear(status["journal"])
        await asyncio.sleep(self._random.uniform(0, 0.1))

    async def _first_status(self) -> None:
        began_s = asyncio.get_running_loop().time()
        await self._until(lambda: bool(self._victim.latest), look_s=0.01)
        self._start_s = asyncio.get_running_loop().time() - began_s
        self.outcome.survived += self._unanswered
        self._unanswered = 0

    async def _until(self, is_so: Callable[[], bool], look_s: float) -> None:
        """Raises AgentError when the agent ends before that, or takes too long."""
        try:
            async with asyncio.timeout(_LONGEST_START_S):
                while not is_so():
                    self._victim.check()
                    await asyncio.sleep(look_s)
        except TimeoutError as error:
            raise AgentError(f"nothing within {_LONGEST_START_S:.0f} s:\n{self._victim.last_words()}") from error

    async def _wait_for_repair(self) -> None:
        """Until the repair has begun to write, and a moment more; or until there is no repair."""
        fresh = self._pole.journal_path.with_name(self._pole.journal_path.name + ".new")
        await self._until(lambda: fresh.exists() or bool(self._victim.latest), look_s=0.001)
        await asyncio.sleep(0.04 * self._random.random() ** 2)

    def _hear(self, journal: dict[str, Any]) -> None:
        self.ledger.told = sum(journal[figure] for figure in self._plan.promise)

    def _is_drained(self) -> bool:
        journal = self._victim.latest["journal"]
        answered = all(command["state"] != "sent" for command in self._pole.platform.commands)
        return not journal["depth"] and not journal["pending"] and answered

    def _send_command(self) -> None:
        self.commands += 1
        self._pole.platform.send(Command(f"dim-{self.commands}", "lamp", "nowhere", {"level_pct": 50}))

    def _damage(self) -> None:
        """Spoil the checksum of one of the journal's small facts, each of which stands in it twice."""
        self.damages += 1
        connection = open_file(self._pole.journal_path, may_create=False)
        try:
            table = self._random.choice(TABLES)
            numbers = [number for (number,) in connection.execute(f"SELECT number FROM {table} ORDER BY number")]
            connection.execute(
                f"UPDATE {table} SET crc32 = crc32 + 1 WHERE number = ?", (self._random.choice(numbers),)
            )
        finally:
            connection.close()

    async def _mourn(self, error: AgentError) -> None:
        self.outcome.crashed += 1
        self.outcome.last_words = str(error)
        await self._victim.kill()


@contextlib.contextmanager
def _going(pole: KillPole, plan: Plan) -> Iterator[None]:
    """Let the platform be as planned meanwhile."""
    pole.reach_platform(plan.platform == PRESENT)
    task = asyncio.create_task(_come_and_go(pole, Random(plan.seed))) if plan.platform == COMES_AND_GOES else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()


async def _come_and_go(pole: KillPole, random: Random) -> None:
    is_reached = True
    while True:
        pole.reach_platform(is_reached)
        await asyncio.sleep(random.uniform(0.3, 4.0))
        is_reached = not is_reached


def _row(case: str, jobs: list[list[Plan]], on_progress: OnProgress) -> Row:
    found = on_all_cores(run_plans, [(job,) for job in jobs], on_progress)
    plans, outcomes = list(chain(*jobs)), list(chain(*found))
    figures = add(outcome.figures for outcome in outcomes)
    by_platform = {
        platform: _by_platform(
            [outcome for plan, outcome in zip(plans, outcomes, strict=True) if plan.platform == platform]
        )
        for platform in dict.fromkeys(plan.platform for plan in plans)
    }
    row: Row = {
        "case": case,
        "tried": sum(outcome.tried for outcome in outcomes),
        "survived": sum(outcome.survived for outcome in outcomes),
        "lost": figures.lost,
        "duplicated": figures.duplicated,
        "wrong": figures.wrong,
        "crashed": sum(outcome.crashed for outcome in outcomes),
        "accepted": figures.accepted,
        "alarms": figures.alarms,
        "commands": figures.commands,
        "in_start": sum(outcome.in_start for outcome in outcomes),
        "in_repair": sum(outcome.in_repair for outcome in outcomes),
        "repeated_records": sum(outcome.repeated for outcome in outcomes),
        "by_platform": by_platform,
    }
    words = next((outcome.last_words for outcome in outcomes if outcome.last_words), "")
    return {**row, "last_words": words} if words else row


def _by_platform(outcomes: list[Outcome]) -> Row:
    figures = add(outcome.figures for outcome in outcomes)
    counts = {name: getattr(figures, name) for name in ("accepted", "lost", "duplicated", "wrong")}
    return {"tried": sum(outcome.tried for outcome in outcomes), **counts}
