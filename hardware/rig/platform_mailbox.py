"""The mailbox as gateways observe it: each is told of its commands at once, and hears a word after so much silence.

A gateway says in its question for how long it may be left without a word (`i=<seconds>`): so long the way to it stays
open. protocols/spec/uplink.md, "The mailbox observed".
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway_agent.uplink.coap_message import Reply
from hardware.rig.platform_server import PlatformServer

SHORTEST_S, LONGEST_S = 5, 86_400


@dataclass
class _Watched:
    silence_s: int
    last_s: float


class Mailboxes:
    """Notifies observers. `content` gives what a gateway's mailbox is just now."""

    def __init__(self, server: PlatformServer, content: Callable[[str], Reply]) -> None:
        self._server = server
        self._content = content
        self._watched: dict[str, _Watched] = {}
        self._sending: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    def observed(self, gateway: str, silence_s: int) -> None:
        """A gateway has asked to be told, and may be left without a word so long."""
        self._watched[gateway] = _Watched(min(max(silence_s, SHORTEST_S), LONGEST_S), self._now_s())
        # What is still being said to where it was before does not get there.
        former = self._sending.pop(gateway, None)
        if former is not None:
            former.cancel()
        self._wake.set()

    def heard(self, gateway: str) -> None:
        """A gateway has sent something, so the way to it is open."""
        if gateway in self._watched:
            self._watched[gateway].last_s = self._now_s()

    def changed(self, gateway: str = "") -> None:
        """The mailbox of a gateway has changed; "" for all."""
        for name in self._server.observers:
            if gateway in ("", name):
                self._tell(name)

    async def run(self) -> None:
        """Say a word to whom nobody spoke for long enough, until cancelled."""
        while True:
            self._wake.clear()
            now_s = self._now_s()
            for gateway in [name for name in self._watched if name not in self._server.observers]:
                del self._watched[gateway]
            for gateway, watched in self._watched.items():
                if now_s >= watched.last_s + watched.silence_s:
                    self._tell(gateway)
            next_s = min((watched.last_s + watched.silence_s for watched in self._watched.values()), default=None)
            try:
                async with asyncio.timeout(None if next_s is None else max(0.05, next_s - self._now_s())):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _tell(self, gateway: str) -> None:
        self.heard(gateway)
        if gateway in self._sending:
            return
        task = asyncio.create_task(self._notify(gateway), name=f"mailbox of {gateway}")
        self._sending[gateway] = task
        task.add_done_callback(lambda done: self._over(gateway, done))

    def _over(self, gateway: str, task: "asyncio.Task[None]") -> None:
        if self._sending.get(gateway) is task:
            del self._sending[gateway]

    async def _notify(self, gateway: str) -> None:
        while True:
            reply = self._content(gateway)
            if not await self._server.notify(gateway, reply) or self._content(gateway).payload == reply.payload:
                return

    @staticmethod
    def _now_s() -> float:
        return asyncio.get_running_loop().time()
