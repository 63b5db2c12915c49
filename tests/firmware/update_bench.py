"""A node on the workbench that a gateway updates: bundles of the real firmware, signed with a key of the tests."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from gateway_agent.collect.direction import AutoDirection
from gateway_agent.collect.line import SerialLine
from gateway_agent.collect.owner import BusOwner
from gateway_agent.collect.unit import Timing, UnitLink
from gateway_agent.config import BusConfig
from gateway_agent.node_keys import WriteSeal
from gateway_agent.update_node import NodeUpdate, NodeUpdateState, UpdateOutcome, read_state
from hardware.bundle.bundle_writer import Bundle, make_bundle
from hardware.bundle.firmware_files import Version, firmware_files
from hardware.bundle.keys import new_key, node_file
from hardware.bundle.manifest_writer import make_manifest
from hardware.rig.serial_url import SerialPort
from protocols import bundle, node_map
from tests.firmware.workbench import Device, Workbench, on_bench, table_of

BOARD = 1
OLD: Version = (0, 1, 0)
NEW: Version = (0, 2, 0)
SENSOR = 5


@cache
def signing_key() -> RSAPrivateKey:
    """The key that the node on the bench trusts."""
    return new_key()


@cache
def other_key() -> RSAPrivateKey:
    """A key that it does not trust."""
    return new_key()


@cache
def bundle_of(version: Version, minimum: Version = (0, 0, 0), board: int = BOARD) -> Bundle:
    """The real firmware as `version`."""
    return make_bundle(firmware_files(version), version, minimum, board, signing_key())


@cache
def ballast_bundle(version: Version) -> Bundle:
    """As many files as a real version has, of noise: they can be sent and verified as `version`, not run; 42 kB."""
    chance = random.Random(repr(version))
    files = {
        f"node/module_{number:02}.mpy": chance.randbytes(3300 if number % 10 == 0 else 200) for number in range(84)
    }
    return make_bundle(files, version, (0, 0, 0), BOARD, signing_key())


def changed_bundle(version: Version, changes: dict[str, str]) -> Bundle:
    """The real firmware as `version` with other sources for some modules."""
    return make_bundle(firmware_files(version, changes), version, (0, 0, 0), BOARD, signing_key())


def lay_key(flash: Path, *keys: RSAPrivateKey, minimum: Version = (0, 0, 0)) -> None:
    """Provision the node for updates, as one that runs OLD with `minimum`."""
    (flash / "update.key").write_bytes(node_file(*(keys or (signing_key(),))))
    (flash / "slot_a/manifest.bin").write_bytes(make_manifest(firmware_files(OLD), OLD, minimum, BOARD))


def lay_bundle(flash: Path, made: Bundle, files: dict[str, bytes]) -> None:
    """Put a bundle into the other slot, as if it had been sent already; `files` are its files."""
    slot = flash / "slot_b"
    for name, content in files.items():
        (slot / name).parent.mkdir(parents=True, exist_ok=True)
        (slot / name).write_bytes(content)
    (slot / "manifest.bin").write_bytes(made.content[: len(made.manifest) + bundle.SIGNATURE_BYTES])


def lay_new(flash: Path) -> None:
    """Provision the node, with NEW sent already."""
    lay_key(flash)
    lay_bundle(flash, bundle_of(NEW), firmware_files(NEW))


class UpdateBench:
    """The bench, the gateway's link and port, and the one device on the sensor bus (not plugged in: None)."""

    def __init__(self, bench: Workbench, link: UnitLink, port: SerialPort) -> None:
        self.bench = bench
        self.link = link
        self.port = port
        self.plugged: Device | None = None

    @property
    def sensor(self) -> Device:
        """The device on the sensor bus."""
        if self.plugged is None:
            raise LookupError("no sensor is plugged in")
        return self.plugged

    def update(self, content: Bundle | bytes, *, silent_limit_s: float = 20.0) -> NodeUpdate:
        """The sender for a bundle."""
        whole = content.content if isinstance(content, Bundle) else content
        return NodeUpdate(self.link, "node", whole, silent_limit_s=silent_limit_s)

    async def state(self) -> NodeUpdateState:
        """The node's update block, now."""
        return read_state(await self.bench.master.read(node_map.UPDATE, node_map.UPDATE_REGISTERS))

    async def version(self) -> Version:
        """The version that runs."""
        high, patch = await self.bench.master.read(node_map.IDENTITY_FIRMWARE_VERSION, 2)
        return high >> 8, high & 0xFF, patch

    async def event_values(self, code: int) -> list[int]:
        """The values of all events with `code`; all events are acknowledged afterwards."""
        master = self.bench.master
        found: list[int] = []
        epoch = await self.bench.epoch()
        await asyncio.sleep(1)
        while events := await master.events():
            found += [event.value for event in events if event.code == code]
            (ago,) = await master.read(node_map.EVENTS_EPOCHS_AGO, 1)
            await master.acknowledge(epoch - ago, events[-1].sequence)
            await asyncio.sleep(1)
        return found

    async def running_folder(self) -> str:
        """The folder of the slot that runs."""
        return "slot_b" if (await self.bench.master.read(node_map.BOOT_RUNNING_SLOT, 1))[0] else "slot_a"

    async def state_or_none(self) -> int | None:
        """The number of the state, None while the node does not answer."""
        try:
            return (await self.state()).state
        except TimeoutError:
            return None


@asynccontextmanager
async def linked(bench: Workbench, seal: WriteSeal | None = None) -> AsyncIterator[UpdateBench]:
    """A gateway's line on the pole bus of `bench`; with `seal`, one that has the node's key."""
    port = SerialPort("gateway", bench.pole)
    config = BusConfig(name="pole", port=port.path, baud=19200)
    owner = BusOwner(config, SerialLine(config, bench.clock, AutoDirection()))
    task = asyncio.create_task(owner.run())
    try:
        await asyncio.sleep(0.1)
        link = UnitLink(
            owner, bench.master.unit, config.line, Timing(300, 5, 3), {node_map.UPDATE_REGISTERS}, seal=seal
        )
        yield UpdateBench(bench, link, port)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        port.close()


def on_update_bench(
    folder: Path,
    body: Callable[[UpdateBench], Awaitable[None]],
    *,
    prepare: Callable[[Path], None] = lay_key,
    with_sensor: bool = True,
    table: bytes | None = None,
) -> None:
    """Run `body` with a started node that runs OLD and polls one device each second, or what `table` says."""

    async def linked_body(bench: Workbench) -> None:
        sensor = Device(bench.sensors, SENSOR, {0: 7}) if with_sensor else None
        prepare(folder)
        await bench.power_on()
        async with linked(bench) as update_bench:
            update_bench.plugged = sensor
            await body(update_bench)

    on_bench(folder, table or table_of((SENSOR, 1)), linked_body)


async def updated(update_bench: UpdateBench, content: Bundle | bytes) -> UpdateOutcome:
    """Send and try a bundle."""
    return await update_bench.update(content).run()
