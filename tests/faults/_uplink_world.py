"""A pole, a radio link and a platform whose parts can be ended at any instant, and the truth of what was measured.

Ending a process is copying its files as they stand, which is what the next process would find, and going on with the
copies: SQLite's files of a process that was killed are those that the system had taken from it. Everything runs in one
thread and in virtual time, so that between two awaits nothing happens. The pole is the synthetic one of the wire
benchmark, sent faster than by default; every poll is committed before it counts as accepted. Alarms come in between.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import apsw

from gateway_agent.journal import TELEMETRY, Journal
from gateway_agent.records import Event
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from hardware.rig.clock import RigClock
from hardware.rig.platform import Platform
from hardware.rig.platform_keys import PlatformKeys
from hardware.rig.relay import RadioFaults
from tests.bench._wire_agent import table_of
from tests.bench._wire_keys import Enrolled
from tests.bench._wire_workload import Poll, Workload
from tests.faults._uplink_link import SteppedRelay
from tests.over_ip import over_ip

GATEWAY = "gp-fault"
_PLATFORM, _KEYS = "platform.sqlite", "keys.sqlite"
DRAIN_WITHIN_S = 3600.0
"""Virtual time within which a gateway must be rid of everything when the link is as it is."""

Key = tuple[str, int]
"""Point and time of a reading."""
Value = tuple[int, int]
"""Its value and exponent."""


@dataclass
class Truth:
    """What was offered to the journal, what it has accepted, and what the platform lost again by itself."""

    offered: dict[Key, Value] = field(default_factory=dict)
    accepted: set[Key] = field(default_factory=set)
    forgotten: set[Key] = field(default_factory=set)
    offered_alarms: set[tuple[str, int, bool]] = field(default_factory=set)
    alarms: set[tuple[str, int, bool]] = field(default_factory=set)
    forgotten_alarms: set[tuple[str, int, bool]] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Readings and alarms of one run: accepted, found right, and what was amiss."""

    sent: int
    right: int
    lost: int
    duplicated: int
    wrong: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing is amiss."""
        return not (self.lost or self.duplicated or self.wrong)


class UplinkWorld:
    """Use `async with`. `truth` grows while `feed` runs; `judge` compares the platform's database with it.

    `commits` counts the journal's, and `on_commit` is called after each with its number, from 0 on.
    """

    def __init__(
        self,
        folder: Path,
        clock: RigClock,
        workload: Workload,
        settings: dict[str, Any],
        faults: RadioFaults,
        seed: int = 1,
    ) -> None:
        """`settings` are those of UplinkSettings that shall not be the default, and "link" what `over_ip` takes;
        `faults` and `seed` are the link's."""
        self.truth = Truth()
        self.clock = clock
        self.relay: SteppedRelay
        self.platform: Platform
        self.uplink: Uplink
        self.commits = 0
        self.on_commit: Callable[[int], None] | None = None
        self._folder = folder
        self._workload = workload
        self._settings = settings
        self._faults = faults
        self._seed = seed
        self._folders = 0
        self._life: object | None = None
        self._journal: Journal
        self._journal_folder = folder
        self._sending: asyncio.Task[None] | None = None
        self._platform_path = folder
        self._platform_keys: PlatformKeys
        self._enrolled: Enrolled
        self._older: Path | None = None

    async def __aenter__(self) -> "UplinkWorld":
        self._platform_path = self._new_folder() / _PLATFORM
        self._enrolled = Enrolled.make(GATEWAY, self._new_folder())
        await self._start_platform()
        self.relay = await SteppedRelay.start_seeded(("127.0.0.1", self.platform.port), self._seed, self._faults)
        self._journal_folder = self._new_folder()
        await self._start_gateway()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end_gateway()
        await self.relay.close()
        await self._stop_platform()

    async def feed(self, polls: Sequence[Poll]) -> None:
        """Measure: each poll at its time, and an alarm now and then. A gateway that was ended meanwhile has lost the
        poll that it had not accepted."""
        for number, poll in enumerate(polls):
            left_s = (poll.time_ms - self.clock.unix_ms()) / 1000
            if left_s > 0:
                await asyncio.sleep(left_s)
            journal, life = self._journal, self._life
            keys = {(reading.point, reading.time_ms) for reading in poll.readings}
            for reading in poll.readings:
                self.truth.offered[reading.point, reading.time_ms] = (reading.value, reading.exponent)
            journal.add_readings(poll.readings)
            await journal.flush()
            if life is not None and life is self._life:
                self.truth.accepted |= keys
            if number % _ALARM_EACH == _ALARM_EACH - 1:
                await self._raise_alarm(number)

    async def drained(self) -> bool:
        """Wait until the platform has everything; False when that takes longer than it may."""
        try:
            async with asyncio.timeout(DRAIN_WITHIN_S):
                while True:
                    # The gateway may be ended while it is at it.
                    uplink, draining = self.uplink, asyncio.create_task(self.uplink.drain())
                    while not draining.done() and uplink is self.uplink:
                        await asyncio.wait({draining}, timeout=1.0)
                    if draining.done():
                        draining.result()
                        return True
                    draining.cancel()
                    await asyncio.gather(draining, return_exceptions=True)
        except TimeoutError:
            return False

    def restart_gateway(self) -> "asyncio.Task[None]":
        """End the gateway in this instant, as a kill does; the task starts another on what it leaves."""
        kept = self._new_folder()
        _copy(self._journal_folder, kept)
        self._life = None
        self.relay.forget_agents()
        return asyncio.create_task(self._go_on_with_gateway(kept), name="gateway restarts")

    def remember_platform(self) -> None:
        """Keep a copy of the platform's database, to be put back later."""
        self._older = self._new_folder()
        _copy(self._platform_path.parent, self._older)

    def restart_platform(
        self, *, without: Sequence[str] = (), older: bool = False, without_keys: bool = False, away_s: float = 5.0
    ) -> "asyncio.Task[None]":
        """End the platform in this instant; the task starts it again after `away_s`, on the same port.

        `without` are tables of its database that are empty then; `older`: the copy of `remember_platform` is put back,
        but for the keys, of which no copy may ever be used. `without_keys`: their numbers are lost.
        """
        kept = self._new_folder()
        _copy(self._platform_path.parent, kept)
        self.relay.down = True
        if older and self._older is not None:
            before, after = _stored(kept / _PLATFORM), _stored(self._older / _PLATFORM)
            self.truth.forgotten |= set(before.readings) - set(after.readings)
            self.truth.forgotten_alarms |= before.alarms - after.alarms
            kept = self._new_folder()
            _copy(self._older, kept)
            _copy(self._platform_path.parent, kept, f"{_KEYS}*")
        if without_keys:
            (kept / f"{_KEYS}.numbers").unlink()
        with _opened(kept / _PLATFORM) as connection:
            for table in without:
                connection.execute(f"DELETE FROM {table}")
        return asyncio.create_task(self._go_on_with_platform(kept, away_s), name="platform restarts")

    @property
    def air_bytes(self) -> int:
        """Bytes on the air so far, both ways."""
        return self.relay.bytes_on_air

    def judge(self) -> Verdict:
        """What the platform's database has of what the journal accepted."""
        stored = _stored(self._platform_path)
        truth = self.truth
        lost = truth.accepted - set(stored.readings) - truth.forgotten
        wrong = sum(truth.offered.get(key) != value for key, value in stored.readings.items())
        lost_alarms = truth.alarms - stored.alarms - truth.forgotten_alarms
        sent = len(truth.accepted) + len(truth.alarms)
        amiss = len(lost) + len(lost_alarms)
        wrong += len(stored.alarms - truth.offered_alarms)
        return Verdict(sent, sent - amiss - wrong, amiss, stored.duplicated, wrong)

    async def _raise_alarm(self, number: int) -> None:
        life, time_ms = self._life, self.clock.unix_ms()
        alarm = ("mh2/cover", time_ms, number // _ALARM_EACH % 2 == 0)
        self.truth.offered_alarms.add(alarm)
        await self._journal.add_event(Event(alarm[0], "alarm", "opened", time_ms, alarm[2]))
        if life is not None and life is self._life:
            self.truth.alarms.add(alarm)

    async def _go_on_with_gateway(self, folder: Path) -> None:
        await self._end_gateway()
        self._journal_folder = folder
        await self._start_gateway()

    async def _go_on_with_platform(self, folder: Path, away_s: float) -> None:
        port = self.platform.port
        await self._stop_platform()
        self._platform_path = folder / _PLATFORM
        await asyncio.sleep(away_s)
        await self._remember_what_waits()
        await self._start_platform(port)
        self.relay.down = False

    async def _remember_what_waits(self) -> None:
        """What the gateway still holds when the platform comes back must arrive, whatever that has forgotten."""
        # What the gateway knows to be there and has not told its journal yet is not held.
        if self._life is not None and not self.uplink.taken_readings:
            for record in await self._journal.read(TELEMETRY, _ALL):
                for reading in record.content if isinstance(record.content, tuple) else ():
                    self.truth.forgotten.discard((reading.point, reading.time_ms))

    async def _start_platform(self, port: int = 0) -> None:
        self._platform_keys = await self._enrolled.platform_keys(self._platform_path.parent / _KEYS, self.clock)
        self.platform = await Platform.start(self._platform_path, self.clock, port=port, keys=self._platform_keys)

    async def _stop_platform(self) -> None:
        await self.platform.stop()
        self._platform_keys.close()

    async def _start_gateway(self) -> None:
        journal = Journal.open(self._journal_folder / "journal.sqlite", self.clock, commit_readings=1)
        keys = self._enrolled.key_ring(journal, self._journal_folder, self.clock)
        self._journal = journal
        host, port = self.relay.address
        chosen = dict(self._settings)
        bearers = over_ip(clock=self.clock, **chosen.pop("link", {}))
        settings = UplinkSettings(GATEWAY, f"coap://{host}:{port}", keys, **chosen)
        units = {point: info.unit for point, info in self._workload.points.items()}
        self.uplink = Uplink(
            settings,
            journal,
            self.clock,
            bearers,
            units=units,
            table=table_of(self._workload),
            random=Random(self._seed),
        )
        self._sending = asyncio.create_task(self.uplink.run(), name="uplink")
        self._life = object()
        self._journal.subscribe(self._count_commit)

    def _count_commit(self) -> None:
        commit, self.commits = self.commits, self.commits + 1
        if self.on_commit is not None and self._life is not None:
            self.on_commit(commit)

    async def _end_gateway(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        await self._journal.close()

    def _new_folder(self) -> Path:
        self._folders += 1
        folder = self._folder / f"{self._folders}"
        folder.mkdir()
        return folder


_ALL = 1 << 20
_ALARM_EACH = 40
"""Polls from one alarm to the next."""


@dataclass
class _Stored:
    readings: dict[Key, Value] = field(default_factory=dict)
    alarms: set[tuple[str, int, bool]] = field(default_factory=set)
    duplicated: int = 0


def _stored(path: Path) -> _Stored:
    found = _Stored()
    with _opened(path) as connection:
        rows = connection.execute("SELECT point, time_ms, value, exponent FROM readings")
        for point, time_ms, value, exponent in rows:
            key = (point, time_ms)
            found.duplicated += key in found.readings
            found.readings[key] = (value, exponent)
        for point, time_ms, state in connection.execute("SELECT point, time_ms, state FROM alarms"):
            alarm = (point, time_ms, bool(state))
            found.duplicated += alarm in found.alarms
            found.alarms.add(alarm)
    return found


@contextmanager
def _opened(path: Path) -> Iterator[apsw.Connection]:
    connection = apsw.Connection(str(path))
    try:
        yield connection
    finally:
        connection.close()


def _copy(source: Path, target: Path, which: str = "*") -> None:
    """Files of a folder as they are now, without SQLite's index of a log, which a new process makes itself."""
    for file in source.glob(which):
        if not file.name.endswith("-shm"):
            shutil.copy2(file, target / file.name)
