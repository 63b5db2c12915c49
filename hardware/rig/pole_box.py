"""A whole pole without its agent: buses, devices, node machines, world, radio and platform, from one pole.toml.

The template is a pole.toml with `${port_<bus>}`, `${journal}` and `${platform}` where the rig must fill in what it
made; the agent then reads the finished file as it would read any other. Try it: `gatepost demo`.
"""

import tomllib
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Literal

from gateway_agent.boards import load_board
from gateway_agent.config import BusDeviceConfig, Device, NodeConfig, PoleConfig, devices_of, load_pole
from gateway_agent.node_keys import read_key
from gateway_agent.provision import node_table
from gateway_agent.uplink.identity import (
    enrol,
    load_platform,
    load_platform_identity,
    load_record,
    new_platform,
    write_secret,
)
from hardware.rig.bus import Bus, Drop
from hardware.rig.clock import RigClock
from hardware.rig.count import Period
from hardware.rig.devices import SimulatedDevice
from hardware.rig.inputs import Inputs
from hardware.rig.machine import NodeMachine, Nvs, build_flash
from hardware.rig.modem.emulator import Emulator
from hardware.rig.modem.radio import Radio
from hardware.rig.modem.uart import Uart
from hardware.rig.platform import Platform
from hardware.rig.platform_keys import PlatformKeys
from hardware.rig.pty_drop import PtyDrop
from hardware.rig.relay import Relay
from hardware.rig.serial_url import SerialPort
from hardware.rig.truth import Truth
from hardware.rig.world import Scene, World
from protocols import factory_record

Ports = Literal["pty", "socketpair"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A pole to simulate: its pole.toml template, and which scene of the world moves each device.

    Scenes are "air", "mains", "manhole" or "lamp:<device>", the surroundings of the lamp that this device drives.
    """

    template: Path
    scenes: Mapping[str, str]
    seconds_per_hour: float = 60.0
    period_s: float = 2.0


@dataclass(frozen=True, slots=True)
class ModemOnPole:
    """The pole's only way to the platform is an emulated modem of this model, in this radio (hardware/rig/modem)."""

    model: str
    radio: str

    def bearer(self, port: str) -> str:
        """What pole.toml says of it."""
        kind = "cat1" if self.radio == "cat1" else "nb-iot"
        return f'\n[[uplink.bearers]]\nname = "radio"\nkind = "{kind}"\nmodem = "{self.model}"\nport = "{port}"\n'


class PoleBox:
    """Everything around the agent. Made by `start`, which leaves nothing behind when it fails; ended by `stop`."""

    def __init__(
        self, folder: Path, clock: RigClock, scenario: Scenario, seed: int, modem: ModemOnPole | None = None
    ) -> None:
        self.folder = folder
        self.clock = clock
        self.seed = seed
        self.journal_path = folder / "journal.sqlite"
        self.platform_path = folder / "platform.sqlite"
        self.pole_toml = folder / "pole.toml"
        self.truth = Truth(folder / "truth.sqlite")
        self.buses: dict[str, Bus] = {}
        self.devices: dict[str, SimulatedDevice] = {}
        self.inputs: dict[str, Inputs] = {}
        self.ports: dict[str, PtyDrop | SerialPort] = {}
        self.machines: dict[str, NodeMachine] = {}
        self.drops: dict[str, Drop] = {}
        """The nodes' ends of their lines, `<node>/pole` and `<node>/sensors`; devices have their own `drop`."""
        self.platform: Platform
        self.relay: Relay
        self.radio: Radio | None = None
        self.emulator: Emulator | None = None
        self.pole: PoleConfig
        self.world: World
        self.identity_path = folder / "gateway.identity.toml"
        self._scenario = scenario
        self._modem = modem
        self._scenes: dict[str, Scene] = {}
        self._open = AsyncExitStack()

    @classmethod
    async def start(
        cls,
        scenario: Scenario,
        folder: Path,
        clock: RigClock,
        *,
        seed: int,
        ports: Ports = "pty",
        modem: ModemOnPole | None = None,
    ) -> "PoleBox":
        """Build and switch on all of it in `folder`. Without a `modem` the agent reaches the platform over the relay.

        Raises ConfigError, PlatformError, MachineError or OSError, and ValueError for a modem or radio that is none.
        """
        box = cls(folder, clock, scenario, seed, modem)
        try:
            await box._start_radio()
            box._lay_lines(ports)
            box.pole = load_pole(box.pole_toml)
            box._make_world()
            await box._switch_on()
        except BaseException:
            await box.stop()
            raise
        return box

    async def stop(self) -> None:
        """Switch everything off and finish the databases. Once is enough; twice does no harm."""
        await self._open.aclose()
        self.truth.close(self.clock.unix_ms())

    @property
    def bytes_on_air(self) -> int:
        """Bytes of both directions between gateway and platform, headers included."""
        through_modem = 0 if self.radio is None else self.radio.up.air_bytes + self.radio.down.air_bytes
        return self.relay.bytes_on_air + through_modem

    def is_open(self) -> bool:
        """Whether any cover stands open."""
        return any(inputs.value(point) for inputs in self.inputs.values() for point in inputs.points)

    def move_cover(self, device: str, is_open: bool) -> None:
        """Open or close the cover that this device of pins watches."""
        inputs = self.inputs[device]
        inputs.set(inputs.points[0], int(is_open))

    def periods(self) -> dict[str, Period]:
        """Return how each point is measured, for the count."""
        found = {}
        for device in devices_of(self.pole):
            phase_ms = device.config.phase_ms if isinstance(device.config, BusDeviceConfig) else 0
            for point in device.profile.points:
                window_s = device.report(point).window_s or 0
                found[device.point_name(point)] = Period(device.config.every_ms, round(window_s * 1000), phase_ms)
        return found

    def lamps(self) -> list[str]:
        """Return the names of the devices that drive a lamp."""
        return [device.name for device in devices_of(self.pole) if device.profile.lamp is not None]

    async def _start_radio(self) -> None:
        identity, public = new_platform("rig")
        for path, text in ((self.folder / "rig.identity.toml", identity), (self.folder / "rig.public.toml", public)):
            write_secret(path, text)
        gateway = tomllib.loads(self._scenario.template.read_text())["pole"]["gateway"]
        enrolment = enrol(gateway, load_platform(self.folder / "rig.public.toml"))
        write_secret(self.identity_path, enrolment.identity)
        record = self.folder / "gateway.record.toml"
        write_secret(record, enrolment.record)
        keys = PlatformKeys(
            self.folder / "platform.keys", load_platform_identity(self.folder / "rig.identity.toml"), self.clock
        )
        self._open.callback(keys.close)
        await keys.enrol(load_record(record))
        self.platform = await Platform.start(self.platform_path, self.clock, keys=keys)
        self._open.push_async_callback(self.platform.stop)
        self.relay = await Relay.start(("127.0.0.1", self.platform.port), seed=self.seed)
        self._open.push_async_callback(self.relay.close)

    def _lay_lines(self, ports: Ports) -> None:
        """Make a line for each bus of the template, which is TOML itself, and write the finished pole.toml."""
        text = self._scenario.template.read_text()
        host, port = self.relay.address
        filled = {
            "journal": str(self.journal_path),
            "platform": f"coap://{host}:{port}",
            "identity": str(self.identity_path),
        }
        for table in tomllib.loads(text)["buses"]:
            bus = Bus(table["name"], table["baud"], table.get("parity", "N"), table.get("stop_bits", 1))
            self.buses[bus.name] = bus
            filled[f"port_{bus.name}"] = self._port(bus, ports)
        finished = Template(text).substitute(filled)
        if self._modem is not None:
            # The modem has a radio of its own instead of the relay.
            finished = finished.replace(filled["platform"], f"coap://127.0.0.1:{self.platform.port}")
            finished += self._modem.bearer(self._connect_modem(self._modem, ports))
        self.pole_toml.write_text(finished)

    def _connect_modem(self, modem: ModemOnPole, ports: Ports) -> str:
        """Put the modem on a serial port and return its name."""
        uart = Uart()
        self._open.callback(uart.close)
        self.radio = Radio(modem.radio, self.seed)
        self._open.callback(self.radio.close)
        path = (
            str(uart.as_pty(self.folder / "serial-modem").path)
            if ports == "pty"
            else uart.as_url(f"{self.folder.name}-modem").path
        )
        self.emulator = Emulator(modem.model, uart, self.radio, seed=self.seed, clock=self.clock)
        self.emulator.start()
        self._open.callback(self.emulator.stop)
        return path

    def _port(self, bus: Bus, ports: Ports) -> str:
        if ports == "pty":
            drop = self.ports[bus.name] = PtyDrop(bus, self.folder / f"serial-{bus.name}")
            self._open.callback(drop.close)
            return str(drop.path)
        port = self.ports[bus.name] = SerialPort(f"{self.folder.name}-{bus.name}", bus)
        self._open.callback(port.close)
        return port.path

    def _make_world(self) -> None:
        self.world = World(
            self.seed,
            self.clock,
            period_s=self._scenario.period_s,
            seconds_per_hour=self._scenario.seconds_per_hour,
            cover_open=self.is_open,
        )
        self._open.callback(self.world.stop)
        self._scenes.update(air=self.world.air, mains=self.world.mains, manhole=self.world.manhole)

    async def _switch_on(self) -> None:
        for node in self.pole.nodes:
            sensor = node.sensor_bus
            if sensor is not None:
                name = f"{node.name}/sensors"
                self.buses[name] = Bus(name, sensor.baud, sensor.parity, sensor.stop_bits)
            flash = build_flash(self.folder / f"flash-{node.name}", node_table(self.pole, node.name), board=node.board)
            machine = await NodeMachine.start(
                node.name, flash, clock=self.clock, seed=self.seed, nvs=self._identity(node)
            )
            self._open.push_async_callback(machine.stop)
            self.machines[node.name] = machine
            board = load_board(node.board)
            self.drops[f"{node.name}/pole"] = machine.connect_uart(board.pole_bus.uart, self.buses[node.bus])
            if sensor is not None:
                self.drops[f"{node.name}/sensors"] = machine.connect_uart(
                    board.sensor_port.uart, self.buses[f"{node.name}/sensors"]
                )
        for device in devices_of(self.pole):
            self._switch_on_device(device)
        self._place_devices()
        self.world.start()
        for machine in self.machines.values():
            await machine.power_on()

    def _identity(self, node: NodeConfig) -> Nvs:
        keys = {
            factory_record.NODE_KEY: node.key_file,
            factory_record.BROADCAST_KEY: self.pole.bus(node.bus).broadcast_key_file,
        }
        fields = {kind: read_key(file) for kind, file in keys.items() if file is not None}
        return {(factory_record.NVS_NAMESPACE, factory_record.NVS_KEY): factory_record.pack(fields)} if fields else {}

    def _switch_on_device(self, device: Device) -> None:
        profile, options = device.profile.profile, device.config.options
        if not device.is_on_bus:
            if device.node is None:
                raise ValueError(f"{device.name} has pins but no node")
            set_pin: Callable[[int, int], None] = self.machines[device.node.name].set_pin
            self.inputs[device.name] = Inputs(
                profile, device.name, options, clock=self.clock, set_pin=set_pin, truth=self.truth
            )
            return
        unit = device.config.unit or device.units()[0]
        simulated = SimulatedDevice(profile, unit, device.name, options, clock=self.clock, truth=self.truth)
        line = f"{device.node.name}/sensors" if device.node else device.bus.name if device.bus else ""
        simulated.connect(self.buses[line])
        self.devices[device.name] = simulated

    def _place_devices(self) -> None:
        """Lamps first: their surroundings are what other devices see."""
        for lamp in self.lamps():
            self._scenes[f"lamp:{lamp}"] = self.world.lamp(self.devices[lamp])
        for name, device in self.devices.items():
            self.world.place(device, self._scenes[self._scenario.scenes[name]])
