"""What runs on a simulated board from its flash: a node machine with the file system and NVS that are found there.

The machine keeps its files in a folder, not in the flash: what the node itself writes stays there over resets, and is
gone when the board is flashed with another file system.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from hardware.flash.layout import Found, read_back
from hardware.flash.problem import FlashProblem
from hardware.rig.clock import RigClock
from hardware.rig.machine.node_machine import NodeMachine

_NO_FILE_SYSTEM = b"\r\nMicroPython: no file system, nothing to run\r\n>>> "


class NodeApplication:
    """Starts nodes from flash, one at a time; `folder` is for their files, `mac` what the chip is called.

    `wire` is called with each new machine before it has power, to connect its buses and pins. `found` is what the last
    start found in the flash, `machine` what it runs on.
    """

    def __init__(self, folder: Path, mac: bytes, wire: Callable[[NodeMachine], None] | None = None) -> None:
        self.found: Found | None = None
        self.machine: NodeMachine | None = None
        self._folder = folder
        self._mac = mac
        self._wire = wire
        self._laid = b""

    async def __call__(self, flash: bytes, say: Callable[[bytes], None]) -> "RunningNode | BarePrompt":
        """Start; a file system that cannot be read leaves MicroPython at its prompt, as on a real board."""
        try:
            self.found = read_back(flash)
        except FlashProblem:
            self.found, self.machine = None, None
            say(_NO_FILE_SYSTEM)
            return BarePrompt()
        self._lay(self.found.files)
        clock = RigClock(asyncio.get_running_loop())
        nvs = {name: value for name, value in self.found.nvs.items() if isinstance(value, bytes)}
        name = self._mac.hex(":")
        machine = await NodeMachine.start(name, self._folder, clock=clock, nvs=nvs, mac=self._mac)
        self.machine = machine
        machine.connect_console(say)
        if self._wire is not None:
            self._wire(machine)
        await machine.power_on()
        return RunningNode(machine)

    def _lay(self, files: dict[str, bytes]) -> None:
        digest = hashlib.sha256(repr(sorted(files.items())).encode()).digest()
        if digest == self._laid:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        for name, content in files.items():
            place = self._folder / name.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        self._laid = digest


class RunningNode:
    """A node machine at UART0."""

    def __init__(self, machine: NodeMachine) -> None:
        self._machine = machine

    def receive(self, data: bytes) -> None:
        """Bytes for its console."""
        self._machine.type(data)

    async def stop(self) -> None:
        """Power off."""
        await self._machine.stop()


class BarePrompt:
    """MicroPython without anything to run: it hears, and nothing comes of it."""

    def receive(self, data: bytes) -> None:
        """Nobody reads it."""

    async def stop(self) -> None:
        """Nothing runs."""
