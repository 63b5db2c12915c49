"""A bus in software on a serial device, in real time, for `gatepost scan`: `python -m tests.screens.scan_bus LINK`.

Six devices as a technician may find them: two as they leave the factory, two on one id, a module with four ids, an air
station at another rate. Prints "ready" when the device is there and runs until it is ended.
"""

import asyncio
import sys
from pathlib import Path

from gateway_agent.profiles.load import load_profile
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_real
from hardware.rig.devices import SimulatedDevice
from hardware.rig.pty_drop import PtyDrop

_DEVICES = (
    ("eastron-sdm120", 1, 2400),
    ("peacefair-pzem-016", 1, 9600),
    ("xy-md02", 7, 9600),
    ("qdy30a", 7, 9600),
    ("4mz-hh4", 20, 9600),
    ("renke-rs-fsxcs", 34, 9600),
)


async def serve(clock: RigClock) -> None:
    """Hang the devices on a bus whose other end is the link named on the command line."""
    bus = Bus("under-scan")
    port = PtyDrop(bus, Path(sys.argv[1]), parity="N")
    for number, (profile, unit, baud) in enumerate(_DEVICES):
        device = SimulatedDevice(load_profile(profile), unit, f"{profile}-{number}", clock=clock)
        device.connect(bus).configure(baud, "N", 1)
        device.reply_delay_ms = 12
        for point in device.points.values():
            device.set(point.name, (point.low + point.high) // 2 + 1)
        device.refresh()
    print("ready", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        port.close()


if __name__ == "__main__":
    run_real(serve)
