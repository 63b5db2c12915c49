"""The city platform's stand-in: a CoAP server on 127.0.0.1 that stores what gateways send and answers with commands.

It is what the rig counts against, and what an integrator tries a gateway with (`gatepost platform`). It decodes
SenML-CBOR and compact batches, stores each journal record once by (gateway, epoch, sequence), commits, and only then
answers: with what is stored, with its clock where the gateway's is off, and with the commands that have no result yet. A
message that is not understood gets 4.00 and a short reason, and nothing of it is stored; a compact batch that refers to
what is not here gets 4.09. protocols/spec/uplink.md is the page for both sides.

In the clear, so on the loopback address only. Its CoAP is aiocoap's `simplesocketserver`, named here: one IPv4 socket,
which works where the kernel has no IPv6. aiocoap keeps 1 to 2 kB for each request for 247 s (RFC 7252,
EXCHANGE_LIFETIME), and takes no size limit; ours is checked when it hands the request over.
"""

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import apsw
from aiocoap import (  # type: ignore[import-untyped]
    BAD_REQUEST,
    CHANGED,
    CONTENT,
    REQUEST_ENTITY_TOO_LARGE,
    SERVICE_UNAVAILABLE,
    UNSUPPORTED_CONTENT_FORMAT,
    Context,
    Message,
)
from aiocoap.resource import Resource, Site  # type: ignore[import-untyped]

from gateway_agent.clock import Clock
from gateway_agent.errors import GatepostError
from gateway_agent.records import Command
from gateway_agent.uplink import answer
from gateway_agent.uplink.errors import FormatError
from gateway_agent.uplink.senml_cbor import MAX_PACK_BYTES
from hardware.rig.platform_messages import SentAlarm, SentReading, SentRecord, SentResult, read_message
from hardware.rig.platform_store import PlatformStore, StoreError
from protocols import senml

log = logging.getLogger("gatepost.platform")

HOST = "127.0.0.1"
PATH = "senml"
_MAX_EPOCH = (1 << 32) - 1


class PlatformError(GatepostError):
    """The platform stand-in cannot be started as asked."""


class Platform:
    """Running from `start` to `stop`; between `leave` and `come_back` nobody answers on its port.

    `listeners` are called with each Arrival, before it is answered. `refuse` may be set to a function that gets the
    payload and returns a reason to refuse it with 4.00, for tests.
    """

    def __init__(self, store: PlatformStore, clock: Clock) -> None:
        self.port = 0
        self.counters = PlatformCounters()
        self.listeners: list[Callable[[Arrival], None]] = []
        self.refuse: Callable[[bytes], str | None] = lambda payload: None
        self._store = store
        self._clock = clock
        self._context: Any = None
        self._changed = asyncio.Event()

    @classmethod
    async def start(cls, path: Path, clock: Clock, *, port: int = 0) -> Self:
        """Serve on 127.0.0.1 at `port` (0: any free one), with the database at `path`, which may hold older data.

        Raises PlatformError when the port is taken or the database cannot be used.
        """
        try:
            platform = cls(PlatformStore(path), clock)
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
    def commands(self) -> list[dict[str, object]]:
        """All commands, as dicts of the columns of the table `commands`; `state` is `sent` until there is a result."""
        return self._store.commands()

    def count(self, table: str) -> int:
        """Rows of `readings`, `windows`, `alarms`, `events` or `commands`."""
        return self._store.count(table)

    def send(self, command: Command, gateway: str = "") -> None:
        """Put a command into the mailbox of a gateway, or of any that asks. Its id must be new."""
        self._store.add_command(gateway, command, self._clock.unix_ms())

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Return as soon as `is_so()` is true; it is asked now and after each stored message."""
        while not is_so():
            self._changed.clear()
            await self._changed.wait()

    async def come_back(self) -> None:
        """Open the port, the same as before. Raises PlatformError when it is taken."""
        site = Site()
        site.add_resource([PATH], _SenmlResource(self._take, self._tell))
        holder = _claim_port(self.port)
        try:
            self.port = holder.getsockname()[1]
            self._context = await Context.create_server_context(
                site, bind=(HOST, self.port), loggername="gatepost.platform.coap", transports=["simplesocketserver"]
            )
        finally:
            holder.close()

    async def leave(self) -> None:
        """Close the port: requests are lost until `come_back`. What is stored stays."""
        context, self._context = self._context, None
        if context is not None:
            await context.shutdown()

    async def stop(self) -> None:
        """Close the port and the database."""
        await self.leave()
        self._store.close()


def _claim_port(port: int) -> socket.socket:
    """A socket that holds `port` (or any free one for 0) until aiocoap has it; both share it by SO_REUSEPORT.

    Raises PlatformError when somebody else has it: aiocoap would share it silently.
    """
    if port:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((HOST, port))
            except OSError as error:
                raise _port_error(port, error) from error
    holder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        holder.bind((HOST, port))
    except OSError as error:
        holder.close()
        raise _port_error(port, error) from error
    return holder


def _port_error(port: int, error: OSError) -> PlatformError:
    if error.errno == errno.EADDRINUSE:
        return PlatformError(f"port {port} is in use: end the other program or use --port")
    return PlatformError(f"port {port} on {HOST} cannot be used ({error.strerror}): use another with --port")
