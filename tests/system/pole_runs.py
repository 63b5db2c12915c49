"""Whole poles for the system tests: the demo's pole in virtual time, with whatever a test does to it on the way."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from hardware.rig.agent_inside import AgentInside
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.demo_run import DemoRun

Meddle = Callable[[DemoRun], Awaitable[None]]
Prepare = Callable[[DemoRun], None]


def run_pole(
    folder: Path, seconds: float, *, seed: int = 1, prepare: Prepare | None = None, meddle: Meddle | None = None
) -> tuple[DemoRun, dict[str, Any]]:
    """Run the demo's pole for `seconds` and return the run and its figures.

    `prepare(run)` is called when the pole stands and the agent has not started, `meddle(run)` in place of waiting.
    """

    async def main(clock: RigClock) -> tuple[DemoRun, dict[str, Any]]:
        run = DemoRun(folder, clock, seed, "socketpair")

        def agent_for(box: Any) -> AgentInside:
            if prepare is not None:
                prepare(run)
            return AgentInside(box.pole, clock)

        await run.start(agent_for, seconds)
        begun_s = clock.loop.time()
        try:
            if meddle is not None:
                await meddle(run)
            await run.wait(max(0.0, begun_s + seconds - clock.loop.time()))
        finally:
            counted = await run.finish()
        assert counted.wrong_rows == ()
        return run, run.result(counted)

    return run_virtual(main)
