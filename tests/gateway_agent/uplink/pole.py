"""A gateway's journal and uplink, a radio link and a platform, put together for tests in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import apsw

from gateway_agent.bearers.choice import Bearers
from gateway_agent.compact import Channel, ChannelTable
from gateway_agent.journal import Journal
from gateway_agent.journal.writer import Writer
from gateway_agent.records import Command, Event, Reading
from gateway_agent.uplink.budget import ByteBudget
from gateway_agent.uplink.forms import SENML_ONLY
from gateway_agent.uplink.security import CLEAR
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from hardware.rig.clock import RigClock
from hardware.rig.platform import Platform
from hardware.rig.relay import RadioFaults, Relay
from tests.gateway_agent.journal.failing_disk import FailingDisk
from tests.over_ip import over_ip

POINTS = ("air/pm2_5", "air/temperature", "air/humidity", "gas/ch4")
UNITS = {"air/pm2_5": "ug/m3", "air/temperature": "Cel", "air/humidity": "%RH"}
GATEWAY = "gp-test-1"
TABLE = ChannelTable(
    tuple(
        Channel(point, "sample", UNITS.get(point, ""), -number, 1000, int(point.startswith("gas")))
        for number, point in enumerate(POINTS)
    )
)


@dataclass
class Pole:
    """What a test sees. `given` is everything that was handed to the journal, `seen` each payload at the platform."""

    clock: RigClock
    folder: Path
    platform: Platform
    relay: Relay
    settings: UplinkSettings
    journal: Journal
    command_delay_s: float
    uplink: Uplink = field(init=False)
    bearers: Bearers = field(init=False)
    given: list[Reading] = field(default_factory=list)
    seen: list[bytes] = field(default_factory=list)
    mailbox: list[Command] = field(default_factory=list)
    listeners: list[Callable[[Sequence[Command]], None]] = field(default_factory=list)
    task: "asyncio.Task[None] | None" = None

    def measure(self, value: int) -> None:
        """Hand the journal one poll of two devices."""
        now = self.clock.unix_ms()
        poll = [Reading(point, now - 7 * number, value, -number) for number, point in enumerate(POINTS)]
        self.given += poll
        self.journal.add_readings(poll)

    async def measure_for(self, seconds: int) -> None:
        """One poll a second."""
        for second in range(seconds):
            self.measure(second)
            await asyncio.sleep(1)

    async def alarm(self, state: bool = True) -> None:
        """Hand the journal one alarm."""
        await self.journal.add_event(Event("manhole/cover", "alarm", "cover", self.clock.unix_ms(), state))

    async def restart_gateway(self, *, gently: bool) -> None:
        """End uplink and journal and start them again; not `gently` leaves what was not committed behind."""
        await self.stop_gateway(gently=gently)
        self.start_gateway()

    def start_gateway(self) -> None:
        """Start journal and uplink after `stop_gateway`."""
        self.journal = Journal.open(self.folder / "journal.sqlite", self.clock, commit_s=2)
        self.start_uplink()

    async def stop_gateway(self, *, gently: bool) -> None:
        """End uplink and journal."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        if gently:
            await self.journal.flush()
        else:
            pending = self.journal.pending_readings
            self.given = self.given[: len(self.given) - pending]
        await self.journal._committer.close()

    def limit(self, budget: ByteBudget) -> None:
        """Hold the link to a plan from now on."""
        self.bearers.current.budget = budget

    async def use(self, bearers: Bearers) -> None:
        """Go on with an uplink over other bearers."""
        await self.stop_gateway(gently=True)
        self.journal = Journal.open(self.folder / "journal.sqlite", self.clock, commit_s=2)
        self.start_uplink(bearers)

    def start_uplink(self, bearers: Bearers | None = None) -> None:
        """Start the uplink on the journal as it is."""
        made = over_ip(2, 2, command_delay_s=self.command_delay_s, clock=self.clock)
        self.bearers = bearers or made
        self.uplink = Uplink(
            self.settings,
            self.journal,
            self.clock,
            self.bearers,
            units=UNITS,
            table=TABLE,
            on_commands=self._take_mailbox,
            random=Random(3),
        )
        self.task = asyncio.create_task(self.uplink.run())

    def on_mailbox(self, listener: Callable[[Sequence[Command]], None]) -> None:
        """Hand each mailbox to `listener` as well."""
        self.listeners.append(listener)

    def _take_mailbox(self, commands: Sequence[Command]) -> None:
        self.mailbox += commands
        for listener in self.listeners:
            listener(commands)

    async def settle(self) -> None:
        """Return when the platform has acknowledged everything."""
        async with asyncio.timeout(3600):
            await self.uplink.drain()

    def check(self) -> tuple[int, int, int]:
        """(lost, duplicated, wrong) readings at the platform."""
        found = [Reading(*row) for row in self.rows("SELECT point, time_ms, value, exponent, kind FROM readings")]
        lost = len(set(self.given) - set(found))
        return lost, len(found) - len(set(found)), len(set(found) - set(self.given))

    def rows(self, query: str) -> Sequence[tuple[object, ...]]:
        """Rows of the platform's database."""
        connection = apsw.Connection(str(self.folder / "platform.sqlite"))
        found = connection.execute(query).fetchall()
        connection.close()
        return found


@asynccontextmanager
async def pole(
    clock: RigClock,
    folder: Path,
    *,
    faults: RadioFaults | None = None,
    refuse: Callable[[bytes], str | None] = lambda payload: None,
    disk: FailingDisk | None = None,
    batch_s: float = 10,
    batch_readings: int = 1000,
    form: str = SENML_ONLY,
    command_delay_s: float = 3600,
) -> AsyncIterator[Pole]:
    """A running pole; everything is stopped afterwards."""
    platform = await Platform.start(folder / "platform.sqlite", clock)
    relay = await Relay.start(("127.0.0.1", platform.port), seed=5, faults=faults)
    host, port = relay.address
    settings = UplinkSettings(
        GATEWAY,
        f"coap://{host}:{port}",
        CLEAR,
        batch_s=batch_s,
        batch_readings=batch_readings,
        form=form,
    )
    writer = Writer(folder / "journal.sqlite", vfs=disk.vfs_name if disk else None)
    journal = Journal(writer, clock, 2.0, 64)
    made = Pole(clock, folder, platform, relay, settings, journal, command_delay_s)

    def look(payload: bytes) -> str | None:
        made.seen.append(payload)
        return refuse(payload)

    platform.desk.refuse = look
    made.start_uplink()
    try:
        yield made
    finally:
        await made.stop_gateway(gently=False)
        await relay.close()
        await made.platform.stop()
