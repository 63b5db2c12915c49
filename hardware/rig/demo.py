"""`gatepost demo`: a whole pole in a box, with the real firmware and the real agent, live in the terminal.

Two nodes run the firmware in MicroPython machines, the agent runs as its own process on real serial ports (ptys), and
a platform stand-in takes what it sends. During the run a manhole cover opens once and the platform dims the lamp once.
"""

import asyncio
import contextlib
import json
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gateway_agent.errors import GatepostError
from hardware.rig.agent_inside import AgentInside
from hardware.rig.agent_process import AgentError, AgentProcess
from hardware.rig.clock import RigClock, run_real, run_virtual
from hardware.rig.count import Tally
from hardware.rig.demo_run import SETTLE_RADIO_S, DemoRun, RunningAgent
from hardware.rig.machine import MachineError
from hardware.rig.modem.models import MODELS
from hardware.rig.modem.radio_profiles import PROFILES
from hardware.rig.pole_box import ModemOnPole, PoleBox
from hardware.rig.view import BusLine, PointLine, Snapshot, draw

_FRAME_S = 0.5
_FAST_FRAME_S = 30.0
_LOG_EVERY_S = 10.0
_LAST_ERROR = 24


def command(
    seconds: Annotated[
        float | None, typer.Option(min=10, help="End by itself after so long; otherwise Ctrl-C.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with all figures as last line.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Moves world, faults and moments; the same seed, the same world.")] = 1,
    keep: Annotated[
        Path | None, typer.Option(help="Keep configuration, logs and databases in this new folder.")
    ] = None,
    kill_agent_at: Annotated[
        float | None, typer.Option(min=1, help="Kill the agent after so many seconds and start it again.")
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="Let time jump: as fast as this computer can, the agent in this process.")
    ] = False,
    modem: Annotated[
        str | None, typer.Option(help=f"The gateway reaches the platform through this modem: {', '.join(MODELS)}.")
    ] = None,
    radio: Annotated[str | None, typer.Option(help=f"The modem's radio: {', '.join(PROFILES)}.")] = None,
) -> None:
    """Run a whole pole in a box: sensors, nodes with the real firmware, the agent, radio and platform.

    Exit code 0 when the run ended and counted no fault, 1 otherwise.

    Example: gatepost demo --seconds 40 --json
    """
    if kill_agent_at is not None and seconds is not None and kill_agent_at >= seconds:
        raise typer.BadParameter("it must be less than --seconds", param_hint="--kill-agent-at")
    if fast and (seconds is None or kill_agent_at is not None):
        raise typer.BadParameter("it needs --seconds, and cannot kill an agent in its own process", param_hint="--fast")
    on_pole = _modem(modem, radio)
    console = Console(stderr=as_json)
    with _folder(keep) as folder:
        wanted = Wanted(folder, seconds, seed, kill_agent_at, as_json, fast, on_pole)
        try:
            run, counted = (run_virtual if fast else run_real)(lambda clock: _run(clock, console, wanted))
        except (AgentError, MachineError, GatepostError, OSError) as error:
            console.print(f"the demo could not go on: {error}", style="red", markup=False)
            raise typer.Exit(1) from error
    result = run.result(counted)
    _tell(console, result, counted, keep)
    if as_json:
        print(json.dumps(result), flush=True)
    alarms, commands = result["alarms"], result["commands"]
    is_late = alarms["raised"] != alarms["delivered"] or commands["sent"] != commands["confirmed"]
    if counted.lost or counted.duplicated or counted.wrong or is_late:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    folder: Path
    seconds: float | None
    seed: int
    kill_agent_at: float | None
    as_json: bool
    fast: bool
    modem: ModemOnPole | None

    def agent_for(self, box: PoleBox) -> RunningAgent:
        """Return the agent: a process of its own, or in this one where time jumps."""
        return AgentInside(box.pole, box.clock) if self.fast else AgentProcess(box.pole_toml, self.folder)


def _modem(model: str | None, radio: str | None) -> ModemOnPole | None:
    if model is None:
        if radio is not None:
            raise typer.BadParameter("it is the radio of a modem; name that with --modem", param_hint="--radio")
        return None
    radio = radio or ("nbiot-good" if model in MODELS and MODELS[model].is_nb else "cat1")
    for word, known, hint in ((model, MODELS, "--modem"), (radio, PROFILES, "--radio")):
        if word not in known:
            raise typer.BadParameter(f'there is none called "{word}"; take one of {", ".join(known)}', param_hint=hint)
    return ModemOnPole(model, radio)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="gatepost-") as folder:
            yield Path(folder)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise typer.BadParameter(f"{keep} is not an empty folder; name a new one", param_hint="--keep")
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{keep} cannot be made: {error.strerror}", param_hint="--keep") from error
    yield keep.absolute()


async def _run(clock: RigClock, console: Console, wanted: Wanted) -> tuple[DemoRun, Tally]:
    stop = _stop_at_signals(clock, console)
    run = DemoRun(wanted.folder, clock, wanted.seed, "socketpair" if wanted.fast else "pty", wanted.modem)
    through = "" if wanted.modem is None else f", the modem {wanted.modem.model} in the radio {wanted.modem.radio}"
    console.print(f"starting the pole: buses, devices, two node machines, the platform{through}, the agent")
    await run.start(wanted.agent_for, wanted.seconds)
    try:
        killer = None
        if wanted.kill_agent_at is not None:
            killer = asyncio.create_task(_kill_later(run, wanted.kill_agent_at, stop))
        await _watch(run, console, wanted, stop)
        if killer is not None:
            await killer
        if wanted.modem is not None:
            most = f"up to {SETTLE_RADIO_S:g} s to arrive; Ctrl-C twice ends at once"
            console.print(f"what is under way over the radio has {most}")
        await run.settle()
    finally:
        counted = await run.finish()
    return run, counted


def _stop_at_signals(clock: RigClock, console: Console) -> asyncio.Event:
    """Ctrl-C or SIGTERM: the run ends in order and is counted; a second one ends the program at once."""
    stop = asyncio.Event()

    def stop_now() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            clock.loop.remove_signal_handler(number)
        console.print("asked to stop: the agent finishes, then the run is counted")
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        clock.loop.add_signal_handler(number, stop_now)
    return stop


async def _watch(run: DemoRun, console: Console, wanted: Wanted, stop: asyncio.Event) -> None:
    """Show the run until its time is over or it is asked to stop."""
    loop, seconds = run.clock.loop, wanted.seconds
    begun_s = loop.time()
    frame_s = _FAST_FRAME_S if wanted.fast else _FRAME_S
    with _display(console, run, begun_s, wanted) as show:
        while not stop.is_set() and (seconds is None or loop.time() - begun_s < seconds):
            left_s = frame_s if seconds is None else min(frame_s, begun_s + seconds - loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), max(0.0, left_s))
            run.agent.check()
            show()


async def _kill_later(run: DemoRun, seconds: float, stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        await run.kill_and_restart_agent()


@contextmanager
def _display(console: Console, run: DemoRun, begun_s: float, wanted: Wanted) -> Iterator[Any]:
    """The live view on a terminal, a progress bar beside --json, a line now and then for a log."""

    def running_s() -> float:
        return run.clock.loop.time() - begun_s

    if not console.is_terminal:
        last = [0.0]
        every_s = max(_LOG_EVERY_S, (wanted.seconds or 0) / 20)

        def log() -> None:
            if running_s() - last[0] >= every_s:
                last[0] = running_s()
                console.print(_one_line(run, running_s()), soft_wrap=True)

        yield log
    elif wanted.as_json:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            bar = progress.add_task("the pole runs", total=wanted.seconds)
            yield lambda: progress.update(bar, completed=running_s())
    else:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            yield lambda: live.update(draw(_snapshot(run, running_s()), console.width, console.height), refresh=True)


def _one_line(run: DemoRun, running_s: float) -> str:
    journal = run.agent.latest.get("journal", {})
    return (
        f"{running_s:5.0f} s  measured {run.measured}, committed {journal.get('committed', 0)}, "
        f"waiting {journal.get('depth', 0)}, at the platform {run.box.platform.count('readings')}, "
        f"{run.box.bytes_on_air} bytes on air"
    )


def _snapshot(run: DemoRun, running_s: float) -> Snapshot:
    status = run.agent.latest
    journal, uplink = status.get("journal", {}), status.get("uplink", {})
    health = {node["name"]: node["health"] or {} for node in status.get("nodes", ())}
    return Snapshot(
        gateway=run.box.pole.pole.gateway,
        now_ms=run.clock.unix_ms(),
        running_s=running_s,
        points=[_point_line(point) for point in status.get("points", ())],
        buses=[
            BusLine(bus["name"], bus["load"], bus["answers"], bus["silent"] + bus["damaged"])
            for bus in status.get("buses", ())
        ],
        machines=[
            (
                name,
                machine.heap_bytes - health.get(name, {}).get("heap_free_bytes", machine.heap_bytes),
                machine.heap_bytes,
            )
            for name, machine in run.box.machines.items()
        ],
        journal=[
            ("measured", str(run.measured)),
            *((name, str(journal.get(name, 0))) for name in ("committed", "pending", "depth")),
        ],
        uplink=[
            ("at the platform", str(run.box.platform.count("readings"))),
            ("exchanges", str(uplink.get("batches", 0))),
            ("bytes on air", str(run.box.bytes_on_air)),
            ("this month", _month(uplink.get("budget", {}))),
            *_way(uplink.get("bearers", [])),
            ("last error", _shortened(str(uplink.get("last_error") or "none"))),
        ],
        notes=tuple(run.happened.notes),
    )


def _point_line(point: dict[str, Any]) -> PointLine:
    value = point["value"]
    text = "" if value is None else _decimal(value, point["exponent"])
    return PointLine(point["point"], text, point["unit"], point["age_ms"], point["quality"])


def _shortened(problem: str) -> str:
    """What fits beside the other boxes, without the platform's address in front; the log has all of it."""
    told = problem.partition(": ")[2] if problem.startswith("coap://") else problem
    return told if len(told) <= _LAST_ERROR else f"{told[: _LAST_ERROR - 1]}…"


def _way(bearers: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The modem's state and how well it hears, where there is one."""
    found = []
    for modem in (bearer["modem"] for bearer in bearers if bearer["modem"]):
        rsrp_dbm = modem["signal"]["rsrp_dbm"]
        heard = "" if rsrp_dbm is None else f", {rsrp_dbm} dBm"
        found.append((f"modem {modem['model']}", f"{modem['state']}{heard}"))
    return found


def _month(budget: dict[str, Any]) -> str:
    """What the month has cost, and what it is stretched to where a plan runs short."""
    used, plan = budget.get("used_bytes", 0), budget.get("plan_bytes")
    if plan is None:
        return f"{used} B"
    window = "" if budget["window_s"] is None else f", windows of {budget['window_s']} s"
    return f"{used} of {plan} B, each {budget['batch_s']:g} s{window}"


def _decimal(value: int, exponent: int) -> str:
    """Return a scaled integer as people write it: all its digits, no more."""
    return f"{value * 10**exponent}" if exponent >= 0 else f"{value / 10**-exponent:.{-exponent}f}"


def _tell(console: Console, result: dict[str, Any], counted: Tally, keep: Path | None) -> None:
    readings, alarms, commands = result["readings"], result["alarms"], result["commands"]
    console.print(
        f"{result['points']} points: {readings['measured']} readings measured, {readings['journaled']} journaled, "
        f"{readings['delivered']} delivered, {readings['lost']} lost, {readings['duplicated']} duplicated, "
        f"{readings['wrong']} wrong",
        soft_wrap=True,
    )
    console.print(
        f"{alarms['raised']} alarm raised, {alarms['delivered']} delivered in {alarms['latency_ms']} ms; "
        f"{commands['sent']} command sent, {commands['confirmed']} confirmed in {commands['latency_ms']} ms",
        soft_wrap=True,
    )
    console.print(f"{result['bytes_on_air']} bytes on air, {result['bytes_per_reading']} a reading")
    for row in counted.wrong_rows:
        console.print(f"[red]wrong: {row}[/red]")
    if keep is not None:
        console.print(f"kept in {keep}")
