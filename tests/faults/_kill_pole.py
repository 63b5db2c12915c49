"""A pole whose devices count: every answer holds numbers that this point has never held before, and when is noted.

So each reading at the platform names the one answer that it came from. The devices hang on a pty and answer at once;
the platform stands behind a radio that takes a moment, and both can go away.
"""

import struct
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from gateway_agent.clock import SystemClock
from hardware.rig import modbus_side as modbus
from hardware.rig.bus import Bus
from hardware.rig.platform import Platform
from hardware.rig.platform_messages import SentRecord
from hardware.rig.platform_store import PlatformStore
from hardware.rig.pty_drop import PtyDrop
from hardware.rig.relay import RadioFaults, Relay

GATEWAY = "gp-kill-1"
DEVICES, POINTS = 10, ("first", "second", "third", "level")
ALARMED = ("d0/level", "d1/level")
HIGH = 2_000_000_000
"""What the level of a device adds to its count for `_FLIP_POLLS` polls, and then not for as many."""
_FLIP_POLLS = 5
EVERY_MS = 200
_BATCH_S = 0.2
_BAUD = 115200

_PROFILE = """# Source: made for the kills of tests/faults; there is no such product.
[device]
model = "Counter"
kind = "counter"
serial = { baud = 115200, parity = "N", stop_bits = 1, unit_id = 1 }
timing = { reply_timeout_ms = 400, gap_ms = 0, retries = 2 }
requests = { max_registers = 8, max_gap = 0 }
"""
_POINT = """
[points.{name}]
title = "{name} count"
register = {{ function = 4, address = {address}, type = "u32" }}
unit = "count"
range = [0, 4294967295]
report = {{ every_s = 60, change = 1 }}
"""


class CountingDevice:
    """One unit on a bus. `given` says for each of its points which value was answered when (unix ms).

    `is_mute` lets it answer nothing any more.
    """

    def __init__(self, name: str, unit: int, bus: Bus, clock: SystemClock) -> None:
        self.given: dict[str, dict[int, int]] = defaultdict(dict)
        self.is_mute = False
        self._name = name
        self._unit = unit
        self._clock = clock
        self._polls = 0
        self._drop = bus.attach(name, frame=self._heard)

    def _heard(self, frame: bytes) -> None:
        taken = modbus.unpack(frame)
        if self.is_mute or taken is None or taken[0] != self._unit:
            return
        _, pdu = taken
        if pdu[0] != modbus.READ_INPUT or modbus.read_span(pdu) != (0, 2 * len(POINTS)):
            answer = modbus.exception(pdu[0], modbus.ILLEGAL_ADDRESS)
        else:
            values = self._next_values()
            answer = struct.pack(f">BB{len(values)}I", pdu[0], 4 * len(values), *values)
        self._drop.send(modbus.pack(self._unit, answer))

    def _next_values(self) -> list[int]:
        """The count goes on; it is told apart by point, so that no two points ever give the same number."""
        self._polls += 1
        values = [4 * self._polls + place for place in range(len(POINTS))]
        if self._polls // _FLIP_POLLS % 2:
            values[-1] += HIGH
        now_ms = self._clock.unix_ms()
        for point, value in zip(POINTS, values, strict=True):
            self.given[f"{self._name}/{point}"][value] = now_ms
        return values


class ForgetfulStore(PlatformStore):
    """A platform that stores whatever comes, however often: it does not remember which records it has."""

    def store(
        self, gateway: str, epoch: int, records: Sequence[SentRecord], arrived_ms: int, is_late: bool = False
    ) -> list[SentRecord]:
        """Store all of the records as new."""
        self._connection.execute("DELETE FROM stored")
        return super().store(gateway, epoch, records, arrived_ms, is_late)


class KillPole:
    """Everything around the agent, in `folder`; inside an `async with`."""

    def __init__(
        self, folder: Path, seed: int, commit_s: float, radio: RadioFaults, *, is_forgetful: bool = False
    ) -> None:
        self.pole_toml = folder / "pole.toml"
        self.journal_path = folder / "journal.sqlite"
        self.platform_path = folder / "platform.sqlite"
        self.devices: list[CountingDevice] = []
        self.platform: Platform
        self._folder = folder
        self._seed = seed
        self._commit_s = commit_s
        self._radio = radio
        self._store_class = ForgetfulStore if is_forgetful else PlatformStore
        self._relay: Relay
        self._open = AsyncExitStack()

    async def __aenter__(self) -> "KillPole":
        """Switch it on. Raises PlatformError or OSError."""
        clock = SystemClock()
        self.platform = Platform(self._store_class(self.platform_path), clock, None)
        await self.platform.come_back()
        self._open.push_async_callback(self.platform.stop)
        self._relay = await Relay.start(("127.0.0.1", self.platform.port), seed=self._seed, faults=self._radio)
        self._open.push_async_callback(self._relay.close)
        bus = Bus("pole", _BAUD)
        drop = PtyDrop(bus, self._folder / "serial")
        self._open.callback(drop.close)
        self.devices = [CountingDevice(f"d{index}", index + 1, bus, clock) for index in range(DEVICES)]
        self._write_files(drop.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Switch it off and close the platform's database."""
        await self._open.aclose()

    def given(self) -> dict[str, dict[int, int]]:
        """By full point name, every value that it ever gave and when (unix ms)."""
        return {point: values for device in self.devices for point, values in device.given.items()}

    def reach_platform(self, is_reached: bool) -> None:
        """Let the radio carry, or nothing come through."""
        self._relay.down = not is_reached

    def settle(self) -> None:
        """Let the devices fall silent and the radio be at its best: what is stored can be sent in peace."""
        for device in self.devices:
            device.is_mute = True
        self._relay.down, self._relay.faults = False, RadioFaults()

    def _write_files(self, port: Path) -> None:
        points = [_POINT.format(name=name, address=2 * place) for place, name in enumerate(POINTS)]
        (self._folder / "counter.toml").write_text(_PROFILE + "".join(points))
        host, udp_port = self._relay.address
        parts = [
            f'[pole]\ngateway = "{GATEWAY}"\n',
            f'[[buses]]\nname = "pole"\nport = "{port}"\nbaud = {_BAUD}\n',
            *(
                f'[[devices]]\nname = "d{index}"\nbus = "pole"\nprofile = "counter.toml"\nunit = {index + 1}\n'
                f"every_s = {EVERY_MS / 1000}\n"
                for index in range(DEVICES)
            ),
            *(f'[[alarms]]\npoint = "{point}"\nabove = {HIGH - 1}\nclear_below = {HIGH - 1}\n' for point in ALARMED),
            '[clock]\ntrust = "system"\n',
            f'[journal]\npath = "{self.journal_path}"\ncommit_s = {self._commit_s}\n',
            f'[uplink]\nurl = "coap://{host}:{udp_port}"\nsecurity = "clear"\nbatch_s = {_BATCH_S}\n'
            "backfill_kib_per_hour = 0\n",
        ]
        self.pole_toml.write_text("\n".join(parts))
