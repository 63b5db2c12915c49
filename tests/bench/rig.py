"""The rig itself: Modbus requests a second through bus and simulated devices, and hours of world, in virtual time.

Arguments: the number of requests a case makes (default 5000).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator

from pymodbus.client import AsyncModbusSerialClient

from gateway_agent.profiles.load import load_profile
from hardware.rig.air import OWN_FILE, read_air
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock, run_virtual
from hardware.rig.devices import SimulatedDevice
from hardware.rig.modbus_side import pack
from hardware.rig.serial_url import SerialPort
from hardware.rig.truth import Truth
from hardware.rig.world import World

Row = dict[str, str | int | float]

_PAUSE_S = 0.06
_WORLD_HOURS = 1.0


def run(arguments: list[str]) -> Iterator[Row]:
    """Yield the rows of the group."""
    requests = int(arguments[0]) if arguments else 5000
    yield from _measured("bus and devices", requests, lambda clock: _bare_master(clock, requests))
    yield from _measured("bus, devices, rig:// port and pymodbus", requests, lambda clock: _pymodbus(clock, requests))
    begun = time.process_time()
    held = run_virtual(_world)
    seconds = time.process_time() - begun
    yield {"case": "world of eight devices", "metric": "points", "value": held, "unit": "points"}
    yield {"case": "world of eight devices", "metric": "cpu_per_day", "value": round(seconds * 24, 1), "unit": "s"}


def _measured(case: str, requests: int, play: Callable[[RigClock], Coroutine[None, None, int]]) -> Iterator[Row]:
    begun, begun_cpu = time.perf_counter(), time.process_time()
    good = run_virtual(play)
    wall, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    yield {"case": case, "metric": "answered", "value": good, "unit": f"of {requests}"}
    yield {"case": case, "metric": "rate", "value": round(requests / wall), "unit": "requests/s"}
    yield {"case": case, "metric": "cpu", "value": round(1e6 * cpu / requests, 1), "unit": "us/request"}


def _devices(clock: RigClock, bus: Bus) -> None:
    """Four meters with ten registers each, all on one bus."""
    profile = load_profile("peacefair-pzem-016")
    for unit in range(1, 5):
        SimulatedDevice(profile, unit, f"meter{unit}", clock=clock, truth=Truth()).connect(bus)


async def _bare_master(clock: RigClock, requests: int) -> int:
    bus = Bus("sensors")
    _devices(clock, bus)
    answered = 0

    def receive(data: bytes) -> None:
        nonlocal answered
        answered += len(data)

    master = bus.attach("master", receive)
    frames = [pack(unit, bytes.fromhex("04 0000 000A")) for unit in range(1, 5)]
    for index in range(requests):
        master.send(frames[index % 4])
        await asyncio.sleep(_PAUSE_S)
    return answered // 25


async def _pymodbus(clock: RigClock, requests: int) -> int:
    bus = Bus("sensors")
    _devices(clock, bus)
    port = SerialPort("bench", bus)
    client = AsyncModbusSerialClient(port.path, baudrate=9600, timeout=0.5, retries=0)
    await client.connect()
    good = 0
    for index in range(requests):
        answer = await client.read_input_registers(0, count=10, device_id=1 + index % 4)
        good += not answer.isError()
        await asyncio.sleep(0.01)
    client.close()
    port.close()
    return good


async def _world(clock: RigClock) -> int:
    world = World(1, clock, hours=read_air(OWN_FILE))
    truth = Truth()

    def device(name: str, profile: str) -> SimulatedDevice:
        return SimulatedDevice(load_profile(profile), 1, name, clock=clock, truth=truth)

    driver = device("lamp", "ecodim-dali-gw2")
    lamp = world.lamp(driver)
    world.place(driver, lamp)
    world.place(device("meter", "peacefair-pzem-016"), lamp)
    world.place(device("housing", "xy-md02"), lamp)
    world.place(device("air", "renke-rs-fsxcs"), world.air)
    world.place(device("gases", "greenioiot-micro-station"), world.air)
    world.place(device("mains", "eastron-sdm120"), world.mains)
    world.place(device("level", "qdy30a"), world.manhole)
    world.place(device("gas", "4mz-hh4"), world.manhole)
    world.start()
    await asyncio.sleep(3600 * _WORLD_HOURS)
    world.stop()
    return len(truth.points())
