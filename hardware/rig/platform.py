"""The city platform's stand-in: a CoAP server that stores what gateways send and answers with commands.

It is what the rig counts against, and what an integrator tries a gateway with (`gatepost platform`). What it does with
a request is in platform_desk.py, how requests come in and who may send them in platform_server.py, and what it keeps in
platform_store.py. protocols/spec/uplink.md is the page for both sides.
"""

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Self

from gateway_agent.clock import Clock
from gateway_agent.errors import GatepostError
from gateway_agent.records import Command
from gateway_agent.uplink.coap_message import Arrived, Reply
from hardware.rig.platform_desk import MAILBOX_PATH, Arrival, Desk, PlatformCounters
from hardware.rig.platform_mailbox import Mailboxes
from hardware.rig.platform_server import Keys, PlatformServer, ServerError
from hardware.rig.platform_store import PlatformStore, StoreError

HOST = "127.0.0.1"


class PlatformError(GatepostError):
    """The platform stand-in cannot be started as asked."""


class Platform:
    """Running from `start` to `stop`; between `leave` and `come_back` nobody answers on its port."""

    def __init__(self, store: PlatformStore, clock: Clock, keys: Keys | None) -> None:
        self.desk = Desk(store, clock)
        self.server = PlatformServer(self._handle, keys)
        self.mailboxes = Mailboxes(self.server, self.desk.mailbox)
        self.port = 0
        self._store = store
        self._clock = clock
        self._speaking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, path: Path, clock: Clock, *, port: int = 0, keys: Keys | None = None) -> Self:
        """Serve on 127.0.0.1 at `port` (0: any free one), with the database at `path`, which may hold older data.

        `keys` are those of the gateways; without, everything is in the clear. Raises PlatformError when the port is
        taken or the database cannot be used.
        """
        try:
            platform = cls(PlatformStore(path), clock, keys)
        except StoreError as error:
            raise PlatformError(str(error)) from error
        platform.port = port
        try:
            await platform.come_back()
        except PlatformError:
            platform._store.close()
            raise
        return platform

    @property
    def url(self) -> str:
        """What a gateway writes as its uplink url."""
        return f"coap://{HOST}:{self.port}"

    @property
    def counters(self) -> PlatformCounters:
        """What has come since the start."""
        return self.desk.counters

    @property
    def listeners(self) -> list[Callable[[Arrival], None]]:
        """Who is called with each Arrival, before it is answered."""
        return self.desk.listeners

    @property
    def commands(self) -> list[dict[str, object]]:
        """All commands, as dicts of the columns of the table `commands`; `state` is `sent` until there is a result."""
        return self._store.commands()

    def count(self, table: str) -> int:
        """Rows of `readings`, `windows`, `alarms`, `events` or `commands`."""
        return self._store.count(table)

    def send(self, command: Command, gateway: str = "") -> None:
        """Put a command into the mailbox of a gateway, or of any that asks. Its id must be new."""
        self._store.add_command(gateway, command, self._clock.unix_ms())
        self.mailboxes.changed(gateway)

    def offer(self, gateway: str, kind: str, data: bytes) -> None:
        """Let a file wait for a gateway, in the place of another of its kind. Raises TransferError."""
        self._store.files.offer(gateway, kind, data)
        self.mailboxes.changed(gateway)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as `is_so()` is true; it is asked now and after each stored message."""
        await self.desk.until(is_so)

    async def come_back(self) -> None:
        """Open the port, the same as before. Raises PlatformError when it is taken."""
        try:
            await self.server.start(HOST, self.port)
        except ServerError as error:
            raise PlatformError(str(error)) from error
        except OSError as error:
            raise _port_error(self.port, error) from error
        self.port = self.server.port
        self._speaking = asyncio.create_task(self.mailboxes.run(), name="platform's mailboxes")

    async def leave(self) -> None:
        """Close the port: requests are lost until `come_back`. What is stored stays."""
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.gather(self._speaking, return_exceptions=True)
        await self.server.stop()

    async def stop(self) -> None:
        """Close the port and the database."""
        await self.leave()
        self._store.close()

    async def _handle(self, arrived: Arrived) -> Reply:
        reply = await self.desk.handle(arrived)
        if reply.is_success:
            gateway = self.desk.gateway_of(arrived)
            self.mailboxes.heard(gateway)
            if arrived.observe and arrived.request.path == MAILBOX_PATH:
                self.mailboxes.observed(gateway, self.desk.silence_of(arrived))
        return reply


def _port_error(port: int, error: OSError) -> PlatformError:
    if error.errno == errno.EADDRINUSE:
        return PlatformError(f"port {port} is in use: end the other program or use --port")
    return PlatformError(f"port {port} on {HOST} cannot be used ({error.strerror}): use another with --port")
