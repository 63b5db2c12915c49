"""A bus in software with a scan's port at one end, in virtual time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway_agent.profiles.load import load_profile
from gateway_agent.scan.fingerprint import load_fingerprints
from gateway_agent.scan.port import ScanPort
from gateway_agent.scan.search import Search
from gateway_agent.scan.setting import Setting
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.serial_url import SerialPort

Result = TypeVar("Result")


@dataclass
class BusUnderScan:
    """`hang` puts devices on `bus`; `port` is open; `search` makes a search of it."""

    clock: RigClock
    bus: Bus
    port: ScanPort
    socket: SerialPort

    def hang(self, profile: str, unit: int, setting: Setting, delay_ms: float = 12, **values: int) -> SimulatedDevice:
        """A device of this profile; points have the middle of their range unless `values` say otherwise."""
        device = SimulatedDevice(load_profile(profile), unit, f"{profile}-{unit}-{delay_ms}", clock=self.clock)
        device.connect(self.bus).configure(setting.baud, setting.parity, setting.stop_bits)
        device.reply_delay_ms = delay_ms
        read_back = "" if device.lamp is None else device.lamp.driver.read_back
        for point in device.points.values():
            if point.name != read_back:
                device.set(point.name, values.get(point.name, (point.low + point.high) // 2 + 1))
        device.refresh()
        return device

    def search(self, *, is_quick: bool = True) -> Search:
        """A search with all known models."""
        return Search(self.port, load_fingerprints(), is_quick=is_quick)


def on_bus(test: Callable[[BusUnderScan], Awaitable[Result]]) -> Result:
    """Run `test` with a bus of its own and return its result."""

    async def main(clock: RigClock) -> Result:
        bus = Bus("under-scan")
        socket = SerialPort("under-scan", bus)
        port = ScanPort(socket.path)
        port.open()
        try:
            return await test(BusUnderScan(clock, bus, port, socket))
        finally:
            port.close()
            socket.close()

    return run_virtual(main)
