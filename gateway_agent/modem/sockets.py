"""UDP sockets inside a modem: who has one, what waits to be sent through it, and what waits in it to be read.

Sends go out one at a time and in order, from one queue for all sockets. A modem that is busy is asked again a few
times; a send of which nobody knows whether it was done is not repeated, for CoAP does that better.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gateway_agent.modem.dialect import Dialect, ModemData, check_quotable
from gateway_agent.modem.errors import (
    InterruptedCommandError,
    ModemError,
    NoAnswerError,
    NoPromptError,
    RefusedError,
    SilentError,
)
from gateway_agent.modem.settings import ModemCounters
from gateway_agent.modem.trouble import Attention

_LOG = logging.getLogger("gatepost.modem")

_QUEUE = 64
_SEND_TRIES = 3
_BUSY_S = (0.05, 0.5)
_READS = 64


class ModemLink:
    """Datagrams to one peer through a socket inside the modem."""

    def __init__(
        self,
        sockets: "Sockets",
        peer: tuple[str, int],
        on_datagram: Callable[[bytes], None],
        on_lost: Callable[[Exception], None],
    ) -> None:
        self.limit_bytes = sockets.limit_bytes
        self.peer = peer
        self.number = -1
        """The modem's number of the socket."""
        self.on_datagram = on_datagram
        self.on_lost = on_lost
        self._sockets = sockets

    def send(self, data: bytes, *, answer_expected: bool) -> None:
        """Queue a datagram; they go out one at a time, in order. What fails is told to `on_lost`."""
        self._sockets.enqueue(self, data, answer_expected)

    def close(self) -> None:
        """Send and receive no more. A second call does nothing."""
        self._sockets.forget(self)


class Sockets:
    """All sockets of a modem. `work` is called by the modem's own task, and does what is most urgent.

    `in_vain` is the number of data connections given up since something was sent last, because no socket could be
    opened or used; `why_in_vain` says what was refused.
    """

    def __init__(self, data: ModemData, dialect: Dialect, attention: Attention, counters: ModemCounters) -> None:
        self.limit_bytes = data.socket.limit_bytes
        self._data = data
        self._dialect = dialect
        self._attention = attention
        self._counters = counters
        self._links: dict[int, ModemLink] = {}
        self._queue: deque[tuple[ModemLink, bytes, bool]] = deque()
        self._to_close: list[int] = []
        self._to_read: set[int] = set()
        self._refused = 0
        self.in_vain = 0
        self.why_in_vain = ""

    async def open(
        self, host: str, port: int, on_datagram: Callable[[bytes], None], on_lost: Callable[[Exception], None]
    ) -> ModemLink:
        """A link to a peer. Raises ModemError; a refusal means that the data connection has to be made anew."""
        free = next((one for one in range(self._data.socket.count) if one not in self._links), None)
        if free is None:
            raise ModemError(f"all {self._data.socket.count} sockets of the modem are in use; close one")
        check_quotable("the platform's name", host)
        try:
            if not self._data.socket.takes_names and not _is_address(host):
                host = await self._dialect.resolve(host)
            link = ModemLink(self, (host, port), on_datagram, on_lost)
            link.number = await self._opened(free, host, port)
        except RefusedError as refused:
            self._connection_fails(f"no socket can be opened: {refused}")
            raise
        except SilentError as problem:
            self._attention.end_session(problem)
            raise
        if link.number in self._to_close:
            self._to_close.remove(link.number)
        self._links[link.number] = link
        return link

    async def _opened(self, free: int, host: str, port: int) -> int:
        """The number of a new socket. Where it is refused, sockets may be left of which nobody knows, because the call
        that opened them was cancelled or its answer was lost: they are closed, and it is tried once more."""
        try:
            return await self._dialect.open(free, host, port)
        except RefusedError:
            for number in range(self._data.socket.count + 1):
                if number not in self._links:
                    await self._dialect.close(number)
            return await self._dialect.open(free, host, port)

    def enqueue(self, link: ModemLink, data: bytes, answer_expected: bool) -> None:
        """See ModemLink.send."""
        problem = None
        if self._links.get(link.number) is not link:
            problem = "the socket is closed"
        elif len(data) > self.limit_bytes:
            problem = f"{len(data)} bytes are more than the {self.limit_bytes} that the modem takes at once"
        elif len(self._queue) >= _QUEUE:
            problem = f"{_QUEUE} datagrams wait for the modem already"
        if problem is None:
            self._queue.append((link, data, answer_expected))
            self._attention.stir()
        else:
            self._counters.dropped += 1
            link.on_lost(ModemError(problem))

    def forget(self, link: ModemLink) -> None:
        """See ModemLink.close."""
        if self._links.get(link.number) is link:
            self._remove(link)
            self._to_close.append(link.number)
            self._attention.stir()

    def received(self, number: int, data: bytes) -> None:
        """A datagram has come to a socket; one that is nobody's is dropped."""
        link = self._links.get(number)
        if link is not None:
            self._counters.received += 1
            link.on_datagram(data)

    def look_in(self, number: int | None = None) -> None:
        """Something waits in a socket, or may wait in any."""
        self._to_read.update(self._links if number is None else [number])

    def lose(self, number: int, problem: Exception) -> None:
        """A socket is gone: tell whoever has it."""
        link = self._links.get(number)
        if link is not None:
            self._counters.sockets_lost += 1
            self._remove(link)
            link.on_lost(problem)

    def lose_all(self, problem: Exception) -> None:
        """All sockets are gone, and what the modem has of them."""
        self._to_read.clear()
        self._to_close.clear()
        for number in list(self._links):
            self.lose(number, problem)

    def _remove(self, link: ModemLink) -> None:
        del self._links[link.number]
        self._to_read.discard(link.number)
        self._queue = deque(item for item in self._queue if item[0] is not link)

    async def work(self, *, may_send: bool) -> bool:
        """One piece of work, the most urgent first; False when there is none. Raises what ends the session."""
        if self._to_read:
            await self._read(self._to_read.pop())
        elif self._to_close:
            await self._dialect.close(self._to_close.pop())
        elif self._queue and may_send:
            await self._send(*self._queue.popleft())
        else:
            return False
        return True

    async def _send(self, link: ModemLink, data: bytes, answer_expected: bool) -> None:
        """Send one datagram. When nothing was answered nobody knows whether it was sent: it counts as sent."""
        for attempt in range(_SEND_TRIES):
            if self._links.get(link.number) is not link:
                return
            try:
                await self._dialect.send(link.number, data, *link.peer, answer_expected=answer_expected)
            except SilentError:
                raise
            except NoPromptError:
                continue  # surely not sent: the next command gets into step first
            except NoAnswerError as problem:
                _LOG.info("modem: %s", problem)
            except InterruptedCommandError as problem:
                self.lose(link.number, problem)
                return
            except RefusedError as refused:
                if attempt + 1 == _SEND_TRIES:
                    self._give_up(link, refused)
                    return
                await asyncio.sleep(_BUSY_S[attempt])
                continue
            self._counters.sent += 1
            self._refused = self.in_vain = 0
            return
        raise NoAnswerError("the modem never asks for the data of a send")

    def _give_up(self, link: ModemLink, refused: RefusedError) -> None:
        """A socket that takes nothing is given up; when the next takes nothing either, the connection is at fault."""
        self.lose(link.number, refused)
        self._to_close.append(link.number)
        self._refused += 1
        if self._refused > 1:
            self._refused = 0
            self._connection_fails(f"nothing can be sent: {refused}")

    def _connection_fails(self, why: str) -> None:
        self.in_vain += 1
        self.why_in_vain = why
        self._attention.end_data(why)

    async def _read(self, number: int) -> None:
        """Read until nothing waits: it is announced once only."""
        for _ in range(_READS):
            try:
                read = await self._dialect.receive(number)
            except RefusedError as refused:
                self.lose(number, refused)
                return
            for data in read:
                self.received(number, data)
            if not read:
                return


def _is_address(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and all(part.isdigit() and int(part) < 256 for part in parts)
