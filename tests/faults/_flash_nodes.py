"""What runs on a flashed board: the real firmware out of its flash, with the devices of its table on its sensor bus."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway_agent.boards import load_board
from gateway_agent.config import PoleConfig
from gateway_agent.config.devices import devices_of
from hardware.flash.file_system import NODE_TABLE
from hardware.rig.bus import Bus
from hardware.rig.clock import RigClock
from hardware.rig.devices import SimulatedDevice
from hardware.rig.esp32.board import Running
from hardware.rig.esp32.node_application import NodeApplication
from hardware.rig.machine.node_machine import NodeMachine
from tests.faults._flash_defects import Board

_OTHER_MAC = bytes.fromhex("240ac4ffffff")


class NodeOnBoard:
    """The application of a board: a node machine, or what the board's defect makes of it.

    `nodes` tells which node of `pole` a table is of, by the table's bytes: whose devices hang on the bus.
    """

    def __init__(self, board: Board, folder: Path, pole: PoleConfig, nodes: Mapping[bytes, str]) -> None:
        self._board = board
        self._pole = pole
        self._nodes = nodes
        self._application = NodeApplication(folder, _OTHER_MAC if board.other_mac else board.mac, self._wire)

    async def __call__(self, flash: bytes, say: Callable[[bytes], None]) -> Running:
        """Start it."""
        self._board.starts += 1
        if self._board.is_dumb:
            return _Dumb()
        return await self._application(flash, say)

    def _wire(self, machine: NodeMachine) -> None:
        found = self._application.found
        name = None if found is None else self._nodes.get(found.files.get(NODE_TABLE, b""))
        self._board.has_bus = name is not None
        if name is None:
            return
        node = self._pole.node(name)
        line = node.sensor_bus
        if line is None:
            return
        bus = Bus(f"{name}/sensors", line.baud, line.parity, line.stop_bits)
        machine.connect_uart(load_board(node.board).sensor_port.uart, bus)
        clock = RigClock(asyncio.get_running_loop())
        on_bus = [device for device in devices_of(self._pole) if device.node is node and device.is_on_bus]
        for device in on_bus[: -1 if self._board.dead_device else None]:
            unit = device.config.unit or device.units()[0]
            profile = device.profile.profile
            SimulatedDevice(profile, unit, device.name, device.config.options, clock=clock).connect(bus)


class _Dumb:
    """An application that says nothing."""

    def receive(self, data: bytes) -> None:
        """Hears nothing."""

    async def stop(self) -> None:
        """Nothing runs."""
