"""The agent in the rig's own process, so that it can share a loop whose time jumps."""

import asyncio
from typing import Any

from gateway_agent.agent import Agent
from gateway_agent.clock import Clock
from gateway_agent.config import PoleConfig
from gateway_agent.status import status_of


class AgentInside:
    """An `Agent` behind the same face as `AgentProcess`; it cannot be killed, only asked to finish."""

    def __init__(self, pole: PoleConfig, clock: Clock) -> None:
        self.starts = 0
        self.finished: list[dict[str, Any]] = []
        self.agent: Agent | None = None
        self._pole = pole
        self._clock = clock
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def latest(self) -> dict[str, Any]:
        """The status of now; empty when it does not run."""
        return {} if self.agent is None else status_of(self.agent)

    async def start(self) -> None:
        """Start it. Raises what making an Agent raises."""
        self._stop = asyncio.Event()
        self.agent = Agent(self._pole, self._clock)
        self._task = asyncio.create_task(self.agent.run(self._stop), name="agent")
        self.starts += 1

    def check(self) -> None:
        """Raise what the agent has ended with, if it has."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def kill(self) -> None:
        """Not to be had here; AgentProcess can."""
        raise RuntimeError("an agent inside the rig cannot be killed")

    async def stop(self, within_s: float) -> None:
        """Let it finish; TimeoutError when it does not within `within_s` seconds."""
        if self._task is None or self.agent is None:
            return
        self._stop.set()
        await asyncio.wait_for(self._task, within_s)
        self.finished.append(self.latest)
        self.agent = self._task = None
