"""A gateway whose only way to the platform is an emulated modem, in virtual time, and a watch on what it sends.

The agent's own path: journal, uplink, OSCORE, aiocoap, modem driver, serial port; then the emulator, the radio, UDP and
the platform. The watch knows which readings each datagram carries, so that it can tell a repetition that was needed
from one that was not.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import apsw

from gateway_agent.bearers.bearer import Bearer, BearerSettings
from gateway_agent.bearers.choice import Bearers
from gateway_agent.bearers.modem_way import BESIDE_PAYLOAD_BYTES, ModemWay
from gateway_agent.bearers.round_trip import Bounds
from gateway_agent.compact import Channel, ChannelTable
from gateway_agent.config.bearers import KINDS
from gateway_agent.control import LAMP, Control
from gateway_agent.journal import Journal
from gateway_agent.modem.dialect import LinkSettings
from gateway_agent.modem.hooks import Hooks
from gateway_agent.modem.modem import Modem
from gateway_agent.modem.settings import ModemSettings
from gateway_agent.records import Command, Event, LampOutcome, Reading
from gateway_agent.uplink import coap_message as kinds
from gateway_agent.uplink.air_count import AirCount
from gateway_agent.uplink.uplink import Uplink
from gateway_agent.uplink.uplink_settings import UplinkSettings
from gateway_agent.uplink.way import IpWay, Link, Lost, Received, Way
from hardware.rig.clock import RigClock
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.faults import ModemFaults
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.uart import Uart
from hardware.rig.platform import Platform
from tests.bench._wire_keys import Enrolled

GATEWAY = "gp-modem"
POINTS = ("air/pm2_5", "air/pm10", "air/temperature", "air/humidity", "lamp/power", "gas/ch4", "level/depth")
TABLE = ChannelTable(
    tuple(Channel(point, "sample", "", -1, 20_000, number // 3) for number, point in enumerate(POINTS))
)
POLL_S = 20.0
_CARRIES = frozenset({kinds.TELEMETRY, kinds.BACKFILL, kinds.ALARM, kinds.EVENT, kinds.RESULT})
DEFAULT_TIMING = Bounds(2.0, 2.0, 2.0), 4
"""ACK_TIMEOUT and MAX_RETRANSMIT of RFC 7252, 4.8, which are aiocoap's."""


@dataclass
class Watch:
    """What was seen. `spurious` counts datagrams with readings that the platform had by the time they came; `delays_s`
    are from a message's first datagram to its first arrival."""

    sent: int = 0
    spurious: int = 0
    delays_s: list[float] = field(default_factory=list)
    _now: tuple[int, ...] = ()
    _carried: dict[bytes, tuple[tuple[int, ...], float]] = field(default_factory=dict)
    _received: set[int] = field(default_factory=set)

    def made(self, sequences: tuple[int, ...]) -> None:
        """A message with these records is the one that is sent from now on."""
        self._now = sequences

    def leaves(self, data: bytes, kind: str, now_s: float) -> None:
        """A datagram is handed to the link."""
        if kind in _CARRIES:
            self.sent += 1
            self._carried.setdefault(data, (self._now, now_s))

    def arrives(self, data: bytes, now_s: float, *, is_delivered: bool) -> None:
        """A datagram has come to the platform, or was lost before it."""
        sequences, left_s = self._carried.get(data, ((), 0.0))
        if not sequences:
            return
        if not self._received.isdisjoint(sequences):
            self.spurious += 1
        elif is_delivered:
            self.delays_s.append(now_s - left_s)
        if is_delivered:
            self._received.update(sequences)


class _Lamps:
    """Nodes that do what they are asked for at once."""

    def __init__(self) -> None:
        self.acted: list[str] = []

    async def lamp(
        self, target: str, level_pct: int, fade_s: int, expires_ms: int, hold_s: int, reason: int
    ) -> LampOutcome:
        self.acted.append(target)
        return LampOutcome("confirmed", level_pct, "")

    async def look_at_lamp(self, target: str, fade_s: int) -> LampOutcome:
        return LampOutcome("confirmed", 40, "")

    async def manhole(self, target: str, acknowledge: int, learn: int) -> LampOutcome:
        return LampOutcome("failed", None, "there is no manhole here")

    async def send_log(self) -> LampOutcome:
        return LampOutcome("failed", None, "there is no log here")


class _WatchedAir(AirCount):
    """Knows the kind of the datagram that is about to leave."""

    last_kind = ""

    def note_sent(self, kind: str, size: int, now_s: float) -> None:
        self.last_kind = kind
        super().note_sent(kind, size, now_s)


class _WatchedWay:
    """A way whose datagrams are told to a watch."""

    def __init__(self, way: Way, watch: Watch, air: _WatchedAir) -> None:
        self._way = way
        self._watch = watch
        self._air = air

    async def open(self, host: str, port: int, on_datagram: Received, on_lost: Lost) -> Link:
        """See Way."""
        return _WatchedLink(await self._way.open(host, port, on_datagram, on_lost), self._watch, self._air)


class _WatchedLink:
    def __init__(self, link: Link, watch: Watch, air: _WatchedAir) -> None:
        self.limit_bytes = link.limit_bytes
        self._link = link
        self._watch = watch
        self._air = air

    def send(self, data: bytes, *, answer_expected: bool) -> None:
        self._watch.leaves(data, self._air.last_kind, asyncio.get_running_loop().time())
        self._link.send(data, answer_expected=answer_expected)

    def close(self) -> None:
        self._link.close()


@dataclass
class ModemWorld:
    """Made by `modem_world`. `given` is what the journal was handed, `acted` are the lamps that were commanded; uart,
    radio, emulator and modem are None over a clean link."""

    clock: RigClock
    folder: Path
    platform: Platform
    journal: Journal
    uplink: Uplink
    bearer: Bearer
    watch: Watch
    uart: Uart | None = None
    radio: Radio | None = None
    emulator: Emulator | None = None
    modem: Modem | None = None
    given: set[Reading] = field(default_factory=set)
    alarms: int = 0
    commands: int = 0
    acted: list[str] = field(default_factory=list)
    _random: Random = field(default_factory=lambda: Random(11))
    _values: list[int] = field(default_factory=lambda: [200] * len(POINTS))

    async def measure_for(self, seconds: float, *, alarm_every_s: float = 600.0) -> None:
        """One poll each 20 s, and an alarm now and then."""
        polls, each = round(seconds / POLL_S), round(alarm_every_s / POLL_S)
        for number in range(polls):
            self._poll()
            if number % each == each - 1:
                await self.alarm()
            await asyncio.sleep(POLL_S)

    async def alarm(self) -> None:
        """One alarm."""
        self.alarms += 1
        now_ms = self.clock.unix_ms()
        await self.journal.add_event(Event("manhole/cover", "alarm", "cover", now_ms, self.alarms % 2 == 1))

    def command(self) -> None:
        """The platform asks for something."""
        self.commands += 1
        command = Command(f"c{self.commands}", LAMP, f"lamp{self.commands}", {"level_pct": 40})
        self.platform.send(command, GATEWAY)

    async def settle(self, within_s: float = 7200.0) -> bool:
        """Wait until the platform has everything; False when that takes longer."""
        try:
            async with asyncio.timeout(within_s):
                await self.uplink.drain()
                while len(self.acted) < self.commands:
                    await asyncio.sleep(10)
                await self.uplink.drain()
        except TimeoutError:
            return False
        return True

    def judge(self) -> tuple[int, int, int, int]:
        """(delivered, lost, duplicated, wrong) at the platform; alarms and results of commands count as readings."""
        connection = apsw.Connection(str(self.folder / "platform.sqlite"))
        try:
            rows = connection.execute("SELECT point, time_ms, value, exponent FROM readings").fetchall()
            alarms = connection.execute("SELECT time_ms FROM alarms").fetchall()
            results = connection.execute("SELECT id FROM commands WHERE state = 'confirmed'").fetchall()
        finally:
            connection.close()
        found = [Reading(*row) for row in rows]
        rows = [*found, *alarms, *results]
        asked = len(self.given) + self.alarms + self.commands
        acted_twice = len(self.acted) - len(set(self.acted))
        wrong = len(set(found) - self.given)
        return len(set(rows)), asked - len(set(rows)) + wrong, len(rows) - len(set(rows)) + acted_twice, wrong

    def _poll(self) -> None:
        now_ms = self.clock.unix_ms()
        self._values = [value + self._random.randint(-3, 3) for value in self._values]
        poll = [Reading(point, now_ms, value, -1) for point, value in zip(POINTS, self._values, strict=True)]
        self.given.update(poll)
        self.journal.add_readings(poll)


@asynccontextmanager
async def modem_world(
    folder: Path,
    clock: RigClock,
    model: str | None,
    radio: str,
    *,
    seed: int = 1,
    default_timing: bool = False,
    batch_s: float = 60.0,
    faults: ModemFaults | None = None,
    psm: bool = False,
) -> AsyncIterator[ModemWorld]:
    """A running world. Without a `model` the link is clean: sockets on this machine, nothing lost."""
    async with AsyncExitStack() as stack:
        enrolled = Enrolled.make(GATEWAY, folder)
        keys = await enrolled.platform_keys(folder / "keys.sqlite", clock)
        stack.callback(keys.close)
        platform = await Platform.start(folder / "platform.sqlite", clock, keys=keys)
        stack.push_async_callback(platform.stop)
        journal = Journal.open(folder / "journal.sqlite", clock, commit_s=5)
        stack.push_async_callback(journal.close)
        watch, air = Watch(), _WatchedAir()
        kind = KINDS["cat1" if radio == "cat1" else "nb-iot"]
        bounds, retransmissions = DEFAULT_TIMING if default_timing else (kind.bounds, 3)
        settings = BearerSettings("radio", bounds, kind.command_delay_s, max_retransmit=retransmissions)
        if model is None:
            bearer = Bearer(settings, _WatchedWay(IpWay(), watch, air), clock, random=Random(seed))
            parts: tuple[Uart | None, Radio | None, Emulator | None, Modem | None] = (None, None, None, None)
        else:
            parts, bearer = await _with_modem(
                folder, clock, model, radio, seed, settings, watch, air, faults, psm, stack
            )
        bearer.air = air
        lamps = _Lamps()
        control = Control(journal, lamps, clock)
        stack.push_async_callback(_end, asyncio.create_task(control.run(), name="control"))
        uplink = Uplink(
            UplinkSettings(
                GATEWAY,
                f"coap://127.0.0.1:{platform.port}",
                enrolled.key_ring(journal, folder, clock),
                batch_s=batch_s,
            ),
            journal,
            clock,
            Bearers([bearer]),
            table=TABLE,
            on_commands=control.offer,
            random=Random(seed),
        )
        _watch_messages(uplink, watch)
        sending = asyncio.create_task(uplink.run(), name="uplink")
        stack.push_async_callback(_end, sending)
        yield ModemWorld(clock, folder, platform, journal, uplink, bearer, watch, *parts, acted=lamps.acted)


async def _with_modem(
    folder: Path,
    clock: RigClock,
    model: str,
    profile: str,
    seed: int,
    settings: BearerSettings,
    watch: Watch,
    air: _WatchedAir,
    faults: ModemFaults | None,
    psm: bool,
    stack: AsyncExitStack,
) -> tuple[tuple[Uart, Radio, Emulator, Modem], Bearer]:
    loop = asyncio.get_running_loop()
    uart = Uart()
    stack.callback(uart.close)
    radio = Radio(profile, seed)
    stack.callback(radio.close)
    port = uart.as_url(f"modem-{seed}-{id(uart)}")
    emulator = Emulator(model, uart, radio, seed=seed, clock=clock, faults=faults)
    emulator.start()
    stack.callback(emulator.stop)
    radio.observe(on_up=lambda data, delivered: watch.arrives(data, loop.time(), is_delivered=delivered))

    async def press() -> None:
        emulator.power_key()

    async def off() -> None:
        emulator.supply(False)

    async def on() -> None:
        emulator.supply(True)

    wiring = ModemSettings(
        model,
        port.path,
        link=LinkSettings(psm_s=(43_200, 16) if psm else None),
        hooks=Hooks(power_key=press, supply_off=off, supply_on=on),
    )
    modem = Modem(wiring, clock, state_file=folder / "modem.json", random=Random(seed))
    living = asyncio.create_task(modem.run(), name="modem")
    stack.push_async_callback(_end, living)
    way = ModemWay(modem)
    payload_bytes = min(settings.payload_bytes, modem.data.socket.limit_bytes - BESIDE_PAYLOAD_BYTES)
    bearer = Bearer(
        replace(settings, payload_bytes=payload_bytes),
        _WatchedWay(way, watch, air),
        clock,
        random=Random(seed),
        heard=way.heard,
    )
    return (uart, radio, emulator, modem), bearer


def _watch_messages(uplink: Uplink, watch: Watch) -> None:
    """Tell the watch which records each message carries."""
    forms = uplink._parts.forms
    make = forms.make

    def made(*arguments, **named):
        message = make(*arguments, **named)
        watch.made(message.batch.sequences)
        return message

    forms.make = made


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
