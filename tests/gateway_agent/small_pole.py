"""A small pole in virtual time: two simulated devices on one bus, the platform stand-in, and an agent to start."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway_agent.agent import Agent
from gateway_agent.clock import Clock
from gateway_agent.config import PoleConfig, load_pole
from gateway_agent.profiles import load_profile
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.platform import Platform
from hardware.rig.serial_url import SerialPort

GATEWAY = "gp-small"
POLE = """
[pole]
gateway = "gp-small"
[[buses]]
name = "cabinet"
port = "PORT"
[[devices]]
name = "cabinet"
bus = "cabinet"
profile = "xy-md02"
unit = 1
every_s = 2
report = { temperature = { every_s = 2 }, humidity = { window_s = 10 } }
[[devices]]
name = "meter"
bus = "cabinet"
profile = "peacefair-pzem-016"
unit = 2
every_s = 2
[[alarms]]
point = "cabinet/temperature"
above = 60
clear_below = 55
hold_s = 4
[journal]
path = "JOURNAL"
commit_s = 2
[clock]
trust = "TRUST"
[uplink]
url = "PLATFORM"
security = "clear"
batch_s = 5
"""


class SmallPole:
    """What is around the agent; `agent` is the one that was started last."""

    def __init__(self, folder: Path, clock: RigClock, platform: Platform) -> None:
        self.folder = folder
        self.clock = clock
        self.platform = platform
        self.bus = Bus("small", 9600)
        self.port = SerialPort(f"small-{folder.name}", self.bus)
        self.devices = {
            name: SimulatedDevice(load_profile(profile), unit, name, clock=clock)
            for name, profile, unit in (("cabinet", "xy-md02", 1), ("meter", "peacefair-pzem-016", 2))
        }
        for device in self.devices.values():
            for point in device.points.values():
                device.set(point.name, max(point.low, min(point.high, 250)))
            device.connect(self.bus)
            device.refresh()
        self.agent: Agent
        self.stop = asyncio.Event()
        self.running: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def configuration(self, trust: str = "system") -> PoleConfig:
        """The pole.toml of this pole, written and read."""
        text = POLE.replace("TRUST", trust)
        text = text.replace("PORT", self.port.path).replace("JOURNAL", str(self.folder / "journal.sqlite"))
        path = self.folder / "pole.toml"
        path.write_text(text.replace("PLATFORM", self.platform.url))
        return load_pole(path)

    def start(self, clock: Clock | None = None, trust: str = "system") -> Agent:
        """Start an agent, as the first or the next one, on the rig's clock or another one."""
        self.agent = Agent(self.configuration(trust), clock or self.clock)
        self.stop = asyncio.Event()
        self.running = asyncio.get_running_loop().create_task(self.agent.run(self.stop))
        return self.agent

    async def end(self) -> None:
        """Ask the agent to stop and wait for it."""
        self.stop.set()
        await self.running

    def heat(self, counts: int) -> None:
        """Let the cabinet have this temperature, in tenths of a degree."""
        self.devices["cabinet"].set("temperature", counts)
        self.devices["cabinet"].refresh()


def with_small_pole(folder: Path, body: Callable[[SmallPole], Awaitable[None]]) -> None:
    """Run `body` with a small pole in virtual time."""

    async def main(clock: RigClock) -> None:
        platform = await Platform.start(folder / "platform.sqlite", clock)
        pole = SmallPole(folder, clock, platform)
        try:
            await body(pole)
        finally:
            if not pole.running.done():
                pole.running.cancel()
                await asyncio.gather(pole.running, return_exceptions=True)
            pole.port.close()
            await platform.stop()

    run_virtual(main)
