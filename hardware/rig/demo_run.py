"""One run of the demo: a pole in a box, its agent, an opened cover, a dimmed lamp, and the count at the end.

`DemoRun` knows the course of events and the figures; the command and the view are in `demo.py`.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from gateway_agent.config import devices_of
from gateway_agent.records import Command
from hardware.rig.clock import RigClock
from hardware.rig.count import Tally, alarms_in_journal, journal_rows, platform_rows, tally
from hardware.rig.platform_desk import Arrival
from hardware.rig.pole_box import ModemOnPole, PoleBox, Ports, Scenario
from hardware.rig.world import cover_moments

TEMPLATE = Path(__file__).parents[1] / "poles" / "demo.toml"
SCENARIO = Scenario(
    TEMPLATE,
    scenes={
        "lamp": "lamp:lamp",
        "lamp_meter": "lamp:lamp",
        "air": "air",
        "gases": "air",
        "cabinet": "air",
        "well": "manhole",
        "gas": "manhole",
        "mains": "mains",
    },
)
COVER = "cover"
COVER_POINT = "cover/open"
ROUND_S = 60.0
"""An endless run repeats its events each minute."""

_COMMAND_LASTS_MS, _COMMAND_LASTS_RADIO_MS = 60_000, 900_000
_NOTES = 6
_SETTLE_S, SETTLE_RADIO_S = 20.0, 600.0
_STOP_RADIO_S = 270.0
_LOOK_S = 0.1


class RunningAgent(Protocol):
    """The agent, in a process of its own or in this one."""

    starts: int
    finished: list[dict[str, Any]]

    @property
    def latest(self) -> dict[str, Any]:
        """The newest status, empty when there is none."""
        ...

    async def start(self) -> None:
        """Start it."""
        ...

    def check(self) -> None:
        """Raise an error when it has ended although nobody asked it to."""
        ...

    async def kill(self) -> None:
        """End it without a chance to finish."""
        ...

    async def stop(self, within_s: float) -> None:
        """Let it finish."""
        ...


@dataclass
class Happened:
    """What the run made happen and when it was answered, unix ms."""

    covers_opened: list[int] = field(default_factory=list)
    alarms_at_platform: dict[str, list[int]] = field(default_factory=dict)
    other_alarms: int = 0
    commands_sent: dict[str, int] = field(default_factory=dict)
    commands_confirmed: dict[str, int] = field(default_factory=dict)
    notes: deque[tuple[int, str, str]] = field(default_factory=lambda: deque(maxlen=_NOTES))


class DemoRun:
    """`start`, `wait` as long as wanted, `finish`; then `result`."""

    def __init__(
        self, folder: Path, clock: RigClock, seed: int, ports: Ports, modem: ModemOnPole | None = None
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.seed = seed
        self.happened = Happened()
        self.box: PoleBox
        self.agent: RunningAgent
        self.machines: list[dict[str, Any]] = []
        self.started_ms = 0
        self._ports = ports
        self._modem = modem
        self._to_deliver = 0
        self._random = Random(f"{seed}/commands")

    async def start(self, agent_for: "AgentMaker", seconds: float | None) -> None:
        """Build the pole, start the agent, and plan the events of a run of `seconds` (None: without end)."""
        self.box = await PoleBox.start(
            SCENARIO, self.folder, self.clock, seed=self.seed, ports=self._ports, modem=self._modem
        )
        self.box.platform.listeners.append(self._arrived)
        self.agent = agent_for(self.box)
        await self.agent.start()
        self.started_ms = self.clock.unix_ms()
        self._plan(self.started_ms, seconds or ROUND_S, repeats=seconds is None)

    async def wait(self, seconds: float) -> None:
        """Let the run go on for a while; an agent that ended by itself is an error."""
        await asyncio.sleep(seconds)
        self.agent.check()

    async def kill_and_restart_agent(self) -> None:
        """Kill the agent as a power cut would, and start it again."""
        self.note("yellow", "the agent is killed (SIGKILL) and started again")
        await self.agent.kill()
        await self.agent.start()

    async def settle(self) -> None:
        """Give what is under way time to end: alarms on their way up, commands that have no result yet; through a modem
        also what was measured until now, for a slow radio needs minutes for its beginnings."""
        self._to_deliver = 0 if self._modem is None else self.agent.latest.get("journal", {}).get("committed", 0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S if self._modem is None else SETTLE_RADIO_S):
                while self._is_under_way():
                    self.agent.check()
                    await asyncio.sleep(_LOOK_S)

    async def finish(self) -> Tally:
        """Let the agent finish, switch everything off and count."""
        try:
            self.machines = [machine.info() for machine in self.box.machines.values() if machine.running]
            await self.agent.stop(within_s=20 if self._modem is None else _STOP_RADIO_S)
        finally:
            await self.box.stop()
        self._read_alarms_raised()
        return tally(
            list(journal_rows(self.box.journal_path)),
            list(platform_rows(self.box.platform_path, self.box.pole.pole.gateway)),
            self.box.truth,
            self.box.periods(),
        )

    def result(self, counted: Tally) -> dict[str, Any]:
        """Return the figures of the run, as `gatepost demo --json` prints them.

        `measured` is what the agent told last. What it measures and commits in the few milliseconds between its last
        word and a SIGKILL is in the journal's count alone, hence the larger of the two.
        """
        happened = self.happened
        bytes_on_air = self.box.bytes_on_air
        confirmed = happened.commands_confirmed
        return {
            "seed": self.seed,
            "agent_starts": self.agent.starts,
            "machines": [
                {key: machine[key] for key in ("name", "implementation", "heap_used_bytes")}
                for machine in self.machines
            ],
            "points": sum(len(device.profile.points) for device in devices_of(self.box.pole)),
            "readings": {
                "measured": max(counted.journaled, self.measured),
                "journaled": counted.journaled,
                "delivered": counted.delivered,
                "lost": counted.lost,
                "duplicated": counted.duplicated,
                "wrong": counted.wrong,
            },
            "alarms": {
                "raised": len(happened.covers_opened) + happened.other_alarms,
                "delivered": sum(map(len, happened.alarms_at_platform.values())),
                "latency_ms": _latency(happened.covers_opened, happened.alarms_at_platform.get(COVER_POINT, [])),
            },
            "commands": {
                "sent": len(happened.commands_sent),
                "confirmed": len(confirmed),
                "latency_ms": _latency([happened.commands_sent[name] for name in confirmed], list(confirmed.values())),
            },
            "bytes_on_air": bytes_on_air,
            "bytes_per_reading": round(bytes_on_air / counted.delivered, 2) if counted.delivered else None,
        }

    @property
    def measured(self) -> int:
        """Readings that were handed to the journal, by all agents of this run, as they told."""
        told = [*self.agent.finished, self.agent.latest]
        return sum(status["journal"]["measured"] for status in told if status)

    def _is_under_way(self) -> bool:
        happened = self.happened
        alarms = len(happened.alarms_at_platform.get(COVER_POINT, ()))
        delivered = self.box.platform.count("readings") if self._to_deliver else 0
        return (
            len(happened.commands_confirmed) < len(happened.commands_sent)
            or alarms < len(happened.covers_opened)
            or delivered < self._to_deliver
        )

    def _read_alarms_raised(self) -> None:
        """Alarms other than the cover's, which the world counts itself, by the journal."""
        names = alarms_in_journal(self.box.journal_path)
        self.happened.other_alarms = sum(name != COVER_POINT for name in names)

    def note(self, style: str, words: str) -> None:
        """Add a line to what the view shows of alarms and commands."""
        self.happened.notes.append((self.clock.unix_ms(), style, words))

    def _plan(self, start_ms: int, seconds: float, *, repeats: bool) -> None:
        world = self.box.world
        cover = cover_moments(self.seed, start_ms, seconds)
        world.at(cover.open_ms, lambda: self._move_cover(True))
        world.at(cover.close_ms, lambda: self._move_cover(False))
        world.at(start_ms + round(1000 * seconds * self._random.uniform(0.3, 0.55)), self._dim_lamp)
        if repeats:
            again_ms = start_ms + round(1000 * seconds)
            world.at(again_ms, lambda: self._plan(again_ms, seconds, repeats=True))

    def _move_cover(self, is_open: bool) -> None:
        self.box.move_cover(COVER, is_open)
        if is_open:
            self.happened.covers_opened.append(self.clock.unix_ms())
        self.note("red" if is_open else "green", f"the world {'opens' if is_open else 'closes'} the manhole cover")

    def _dim_lamp(self) -> None:
        number = len(self.happened.commands_sent) + 1
        level_pct = self._random.choice((20, 30, 40, 50, 60, 70, 80))
        now_ms = self.clock.unix_ms()
        lamp = self.box.lamps()[0]
        lasts_ms = _COMMAND_LASTS_MS if self._modem is None else _COMMAND_LASTS_RADIO_MS
        command = Command(f"dim-{number}", "lamp", lamp, {"level_pct": level_pct}, now_ms + lasts_ms)
        self.happened.commands_sent[command.id] = now_ms
        self.box.platform.send(command, self.box.pole.pole.gateway)
        self.note("cyan", f"the platform sends {command.id}: {lamp} to {level_pct} %")

    def _arrived(self, arrival: Arrival) -> None:
        for alarm in arrival.alarms:
            if alarm.state:
                self.happened.alarms_at_platform.setdefault(alarm.point, []).append(arrival.time_ms)
            self.note("red" if alarm.state else "green", f"the platform has: {alarm.point} {_raised(alarm.state)}")
        for result in arrival.results:
            sent_ms = self.happened.commands_sent.get(result.command_id)
            if result.state == "confirmed" and sent_ms is not None:
                self.happened.commands_confirmed.setdefault(result.command_id, arrival.time_ms)
            took = "" if sent_ms is None else f" after {(arrival.time_ms - sent_ms) / 1000:.1f} s"
            self.note("cyan", f"the platform has: {result.command_id} {result.state}{took}")


class AgentMaker(Protocol):
    """Makes the agent for a pole whose pole.toml is written."""

    def __call__(self, box: PoleBox) -> RunningAgent:
        """Return the agent, not started."""
        ...


def _latency(begun_ms: list[int], ended_ms: list[int]) -> int | None:
    """The longest time from a cause to its arrival, pair by pair in order; None when nothing arrived."""
    return max((end - begin for begin, end in zip(begun_ms, ended_ms, strict=False)), default=None)


def _raised(is_raised: bool) -> str:
    return "raised" if is_raised else "cleared"
