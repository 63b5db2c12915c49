"""The mailbox observed: commands that come as soon as the platform has them, where a command may not wait for a batch.

The gateway asks for `/m` once, and the platform answers each change of the mailbox to that request (RFC 7641). Nothing
is asked again and again: the way back is kept open by a word that the platform says after as much silence as the
gateway allows (idle_time.py). When that word does not come, the way was closed meanwhile; it is opened by asking again,
and a shorter silence allowed.
"""

import asyncio
import logging
from collections.abc import Callable
from random import Random

from gateway_agent.clock import Clock
from gateway_agent.uplink.answer import Answer, decode_answer
from gateway_agent.uplink.client import CoapClient
from gateway_agent.uplink.coap_message import MAILBOX, Reply, Request
from gateway_agent.uplink.errors import ExchangeFailed, FormatError, Refused
from gateway_agent.uplink.idle_time import IdleTime
from gateway_agent.uplink.observation import Observation

log = logging.getLogger("gatepost.uplink")

PATH = ("m",)
_PAUSE_FIRST_S, _PAUSE_LONGEST_S = 5.0, 600.0
_GRACE_S = 5.0
"""How late the platform's word may be, beside the time that a confirmable message may be repeated."""


class ObservedMailbox:
    """One gateway's relation. `is_open` tells whether the platform keeps it, as far as is known."""

    def __init__(
        self,
        client: CoapClient,
        who: tuple[str, ...],
        clock: Clock,
        on_answer: Callable[[Answer], None],
        random: Random,
    ) -> None:
        """`who` is the query that names the gateway in the clear; `on_answer` gets each state of the mailbox."""
        self._clock = clock
        self._idle: dict[str, IdleTime] = {}
        self.relations = 0
        self._client = client
        self._who = who
        self._on_answer = on_answer
        self._random = random
        self._observation: Observation | None = None
        self._heard = asyncio.Event()

    @property
    def idle(self) -> IdleTime:
        """How long the way back stays open over the bearer that is used now."""
        return self._idle.setdefault(self._client.bearers.current.name, IdleTime(self._clock))

    @property
    def is_open(self) -> bool:
        """Whether notifications may come."""
        return self._observation is not None and self._observation.is_alive

    async def run(self) -> None:
        """Keep the relation until cancelled; returns when the platform has no mailbox that can be observed."""
        pause_s = _PAUSE_FIRST_S
        while True:
            query = (*self._who, f"i={round(self.idle.wait_s)}")
            try:
                self._observation = await self._client.observe(Request("GET", PATH, query, kind=MAILBOX), self._take)
            except Refused as error:
                if error.code.startswith("4."):
                    log.info("%s; commands come with the answers to batches alone", error)
                    return
            except ExchangeFailed as error:
                log.info("the mailbox cannot be observed now: %s", error)
            else:
                if not self._observation.is_alive:
                    log.info("the platform keeps no relation; commands come with the answers to batches alone")
                    return
                self.relations += 1
                pause_s = _PAUSE_FIRST_S
                await self._listen()
                continue
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.0))
            pause_s = min(2 * pause_s, _PAUSE_LONGEST_S)

    async def _listen(self) -> None:
        """Return when the platform must be asked again: for another silence, or because its word did not come."""
        loop = asyncio.get_running_loop()
        late_s = _GRACE_S + self._client.timing.longest_s
        while self.is_open:
            self._heard.clear()
            before_s = self._client.air.last_s
            try:
                async with asyncio.timeout(max(0.1, before_s + self.idle.wait_s + late_s - loop.time())):
                    await self._heard.wait()
            except TimeoutError:
                if self._client.air.last_s > before_s:
                    continue  # there was other traffic, so the platform had no silence to end
                self.idle.missed()
                return
            # Only a word that came after the silence tells anything; commands come when they like.
            if loop.time() - before_s >= 0.9 * self.idle.wait_s and self.idle.heard():
                return

    def _take(self, reply: Reply) -> None:
        self._heard.set()
        try:
            self._on_answer(decode_answer(reply.payload))
        except FormatError as error:
            log.warning("a notification of the mailbox cannot be read: %s", error)
